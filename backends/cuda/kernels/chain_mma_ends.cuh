// needs: chain_mma_block.cuh
/* chain_mma: what the chain reads from memory and writes to it. */

/* Number of channel c at a place, which may lie outside of the map. */
template <class L> static inline float chain_source(chain_block &k, int n, int c, int y, int x) {
    if (y < 0 || y >= L::oh || x < 0 || x >= L::ow || c >= L::oc || n >= k.p.inputs)
        return 0.0f;
    if (!L::is_ingest)
        return SRC_LOAD(k.src + (size_t)n * k.p.from_n, MAP_AT(k.p, from, 0, c, y, x));
    const int image = n * L::images + c / L::image_c, from = c % L::image_c;
    const float *scales = (const float *)(k.packed + L::bias_at);
    if (image >= k.valid)
        return 0.0f;
    return (SRC_LOAD(k.src + (size_t)image * k.p.from_n, MAP_AT(k.p, from, 0, from, y, x)) - scales[from]) *
           scales[L::image_c + from];
}

template <class L> static inline void chain_fill_pairs(chain_block &k, int input, int band) {
    constexpr int pairs = L::dst_row / 16;
    for (uint i = chain_item(); i < (uint)(L::inputs * L::dst_rows * pairs); i += LX) {
        const int pair = i % pairs, row = i / pairs % L::dst_rows, n = i / pairs / L::dst_rows;
        const int y = row + L::dy0 + L::dy1 * band, x = pair * 2 - L::dst_left;
        float v[12];
#pragma unroll
        for (int j = 0; j < 12; j++)
            v[j] = j % 4 < L::oc ? chain_source<L>(k, k.first + input + n, j % 4, y, x + j / 4) : 0.0f;
        const int at = L::dst + (input + n) * L::dst_image + row * L::dst_row + pair * 16;
        chain_at(k, at) = chain_pack(v);
        chain_at(k, at + L::dst_copy) = chain_pack(v + 4);
    }
}

/* All of the map's memory, its border included. */
template <class L> static inline void chain_fill(chain_block &k, int input, int band) {
    constexpr int across = L::dst_left + L::ow + L::dst_right;
    if (L::dst_is_paired) {
        chain_fill_pairs<L>(k, input, band);
        return;
    }
    for (uint i = chain_item(); i < (uint)(L::inputs * L::dst_rows * across * L::dst_chunks); i += LX) {
        const int chunk = i % L::dst_chunks, column = i / L::dst_chunks % across;
        const int row = i / (L::dst_chunks * across) % L::dst_rows, n = i / (L::dst_chunks * across) / L::dst_rows;
        float v[8];
#pragma unroll
        for (int j = 0; j < 8; j++)
            v[j] = chain_source<L>(k, k.first + input + n, chunk * 8 + j, row + L::dy0 + L::dy1 * band,
                                   column - L::dst_left);
        chain_at(k, L::dst + (input + n) * L::dst_image + row * L::dst_row + column * L::dst_place + chunk * 16) =
            chain_pack(v);
    }
}

/* Rows of the map to memory; neighbouring items have neighbouring numbers where channels are innermost. */
template <class L> static inline void chain_store(chain_block &k, int input, int band) {
    constexpr int stored = L::stored;
    for (uint i = chain_item(); i < (uint)(L::inputs * L::rows * L::w * stored); i += LX) {
        const int c = i % stored, x = i / stored % L::w, row = i / (stored * L::w) % L::rows;
        const int at = i / (stored * L::w) / L::rows + input, n = k.first + at, y = row + L::y0 + L::y1 * band;
        if (n >= k.p.inputs || y >= L::h)
            continue;
        const float v = c < L::c ? chain_number<L>(k, at, c, y - L::sy1 * band, x) : 0.0f;
        DST_STORE(v, k.dst + (size_t)n * k.p.to_n, MAP_AT(k.p, to, 0, c, y, x));
    }
}

/* A row is an image's share of the channels, in CHW order. */
template <class L> static inline void chain_emit(chain_block &k, int, int) {
    constexpr int classes = L::c / L::images, places = L::h * L::w, each = L::softmax ? places : classes * places;
    for (uint i = chain_item(); i < (uint)(L::inputs * L::images * each); i += LX) {
        const int at = i % each, image = i / each % L::images, n = i / each / L::images;
        const int row = (k.first + n) * L::images + image, place = at % places, y = place / L::w, x = place % L::w;
        if (row >= k.valid || k.first + n >= k.p.inputs)
            continue;
        DST_T *to = k.dst + (size_t)row * (classes * places);
        if (!L::softmax) {
            DST_STORE(chain_number<L>(k, n, image * classes + at / places, y, x), to, at);
            continue;
        }
        float top = -INFINITY, sum = 0.0f;
        for (int c = 0; c < classes; c++)
            top = fmax(top, chain_number<L>(k, n, image * classes + c, y, x));
        for (int c = 0; c < classes; c++)
            sum += exp(chain_number<L>(k, n, image * classes + c, y, x) - top);
        for (int c = 0; c < classes; c++)
            DST_STORE(exp(chain_number<L>(k, n, image * classes + c, y, x) - top) / sum, to, c * places + place);
    }
}
