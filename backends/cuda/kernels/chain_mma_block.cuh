// needs: mma.cuh
/*
 * chain_mma: what its operations share. L is a struct of an operation's constants, named as in chain_mma.h. Constants of the
 * build: CHAIN_TYPE: fr_dtype of the maps; CHAIN_INPUTS: inputs of a group; CHAIN_RESIDENT: bytes of weights that stay, at the
 * beginning of shared memory; CHAIN_STREAM_AT, CHAIN_STREAM, CHAIN_SLOTS: one or two buffers for runs of all others.
 */
PARAM_STRUCT(chain_mma_params, CHAIN_PARAMS)

enum { CHAIN_WARPS = LX / 32 };

struct chain_block {
    char *shared;
    const char *packed;
    const SRC_T *src;
    DST_T *dst;
    int first, valid; /* the group's first input; images that exist */
    int slot;         /* of the stream: the buffer that is read next */
    chain_mma_params p;
};

static inline int chain_item() { return (int)threadIdx.x; }

struct alignas(16) chain_eight { /* numbers of a chunk */
    uint word[4];
};

static inline chain_eight chain_pack(const float *v) {
    chain_eight e;
#pragma unroll
    for (int i = 0; i < 4; i++)
        e.word[i] = mma_pack<CHAIN_TYPE>(v[2 * i], v[2 * i + 1]);
    return e;
}
static inline void chain_unpack(chain_eight e, float *v) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
        v[2 * i] = mma_unpack<CHAIN_TYPE>(e.word[i]);
        v[2 * i + 1] = mma_unpack<CHAIN_TYPE>(e.word[i] >> 16);
    }
}
static inline chain_eight chain_zeros() { return chain_eight{{0, 0, 0, 0}}; }
static inline chain_eight &chain_at(chain_block &k, int at) { return *(chain_eight *)(k.shared + at); }

/* A number of what an operation reads: words, or halves. */
template <class L> static inline float chain_number(chain_block &k, int n, int c, int y, int x) {
    if (L::src_is_words)
        return *(const float *)(k.shared + L::src + n * L::src_image + c * 4);
    const int at = L::src + n * L::src_image + (y - L::sy0) * L::src_row + (x + L::src_left) * L::src_place + c * 2;
    return mma_unpack<CHAIN_TYPE>(*(const ushort *)(k.shared + at));
}

/* ---- weights ------------------------------------------------------------------------------------------------------- */

static inline void chain_copy(char *to, const char *from, int bytes) {
    for (int i = chain_item() * 16; i < bytes; i += LX * 16)
        mma_copy<16>(to + i, from + i, true);
    mma_copy_commit();
}

static inline char *chain_stream(chain_block &k, int slot) { return k.shared + CHAIN_STREAM_AT + slot * CHAIN_STREAM; }

/* ---- borders ------------------------------------------------------------------------------------------------------- */

/* Zeros around the map, of all inputs, when the first rows of a group are written. */
template <class L> static inline void chain_clear(chain_block &k, int input, int band) {
    constexpr int across = L::dst_left + L::ow + L::dst_right, eights = L::dst_place / 16;
    constexpr int inputs = L::dst_image ? CHAIN_INPUTS : 1, sides = L::dst_left + L::dst_right;
    constexpr int tops = L::dst_top * across, ends = tops + L::dst_bottom * across;
    constexpr int places = ends + sides * (L::dst_rows - L::dst_top - L::dst_bottom);
    if (!L::clears || places == 0 || input > 0 || band > 0)
        return;
    for (uint i = chain_item(); i < (uint)(inputs * places * eights); i += LX) {
        const int eight = i % eights, n = i / eights / (places ? places : 1), at = i / eights % (places ? places : 1);
        int row, column;
        if (at < tops)
            row = at / across, column = at % across;
        else if (at < ends)
            row = L::dst_rows - L::dst_bottom + (at - tops) / across, column = (at - tops) % across;
        else {
            const int side = (at - ends) % (sides ? sides : 1);
            row = L::dst_top + (at - ends) / (sides ? sides : 1);
            column = side < L::dst_left ? side : L::ow + side;
        }
        chain_at(k, L::dst + n * L::dst_image + row * L::dst_row + column * L::dst_place + eight * 16) = chain_zeros();
    }
}
