// needs: chain_mma_ends.cuh
// needs: chain_mma_conv.cuh
/*
 * A chain of layers in one launch: a block takes a group of inputs through all of them, maps in shared memory, products by the
 * warp's matrix instructions, and then the next group. Device memory sees what the chain reads and writes, and the weights.
 *
 * The text before this one (chain_mma_text.c) has a struct of constants for each operation, and CHAIN_RUN, which runs them in
 * turn. LX items; CHAIN_BLOCKS share a multiprocessor; CHAIN_FROM_USER: it reads images; CHAIN_SKIPS: nobody asks for inputs of
 * which no image exists.
 */

/* ---- between convolutions ------------------------------------------------------------------------------------------ */

/* The larger ones of numbers: two at a time, where the hardware compares halves. */
#if MMA_IS_80 && !defined(FR_PAPER)
struct chain_most {
    chain_eight e;
    inline chain_most() {
        const uint lowest = CHAIN_TYPE == 3 ? 0xff80ff80u : 0xfc00fc00u; /* minus infinity, twice */
        e = {{lowest, lowest, lowest, lowest}};
    }
    inline void see(chain_eight other) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            if (CHAIN_TYPE == 3)
                asm("max.bf16x2 %0, %0, %1;" : "+r"(e.word[i]) : "r"(other.word[i]));
            else
                asm("max.f16x2 %0, %0, %1;" : "+r"(e.word[i]) : "r"(other.word[i]));
        }
    }
    inline chain_eight all() const { return e; }
};
#else
struct chain_most {
    float v[8];
    inline chain_most() {
#pragma unroll
        for (int i = 0; i < 8; i++)
            v[i] = -INFINITY;
    }
    inline void see(chain_eight other) {
        float o[8];
        chain_unpack(other, o);
#pragma unroll
        for (int i = 0; i < 8; i++)
            v[i] = fmax(v[i], o[i]);
    }
    inline chain_eight all() const { return chain_pack(v); }
};
#endif

template <class L> static inline chain_eight chain_window(chain_block &k, int at, int top, int left) {
    chain_most most;
    float sum[8] = {}, v[8];
    int inside = 0, padded = 0;
#pragma unroll
    for (int ky = 0; ky < L::kh; ky++) {
#pragma unroll
        for (int kx = 0; kx < L::kw; kx++) {
            const int y = top + ky * L::dh, x = left + kx * L::dw;
            const bool is_inside = L::is_whole || (y >= 0 && y < L::h && x >= 0 && x < L::w);
            padded += y < L::limit_y && x < L::limit_x;
            if (!is_inside)
                continue;
            inside++;
            const chain_eight e = chain_at(k, at + ky * L::dh * L::src_row + kx * L::dw * L::src_place);
            if (L::pool == 1) {
                most.see(e);
                continue;
            }
            chain_unpack(e, v);
#pragma unroll
            for (int i = 0; i < 8; i++)
                sum[i] += v[i];
        }
    }
    if (L::pool == 1)
        return most.all();
    const int count = max(L::pool == 3 ? padded : inside, 1);
#pragma unroll
    for (int i = 0; i < 8; i++)
        sum[i] /= (float)count;
    return chain_pack(sum);
}

template <class L> static inline void chain_pool(chain_block &k, int input, int band) {
    constexpr int chunks = L::src_chunks;
    chain_clear<L>(k, input, band);
    for (uint i = chain_item(); i < (uint)(L::inputs * L::rows * L::ow * chunks); i += LX) {
        const int chunk = i % chunks;
        const chain_place<L> p(i / chunks, band);
        const bool is_inside = p.row == p.y;
        if (!L::fills && !is_inside)
            continue;
        const int top = p.y * L::sh - L::pt, left = p.x * L::sw - L::pl;
        const int from = L::src + (input + p.n) * L::src_image + (top - L::sy0 - L::sy1 * band) * L::src_row +
                         (left + L::src_left) * L::src_place + chunk * 16;
        const int to = L::dst + (input + p.n) * L::dst_image + (p.row - L::dy0 - L::dy1 * band) * L::dst_row +
                       (p.x + L::dst_left) * L::dst_place + chunk * 16;
        chain_at(k, to) = is_inside ? chain_window<L>(k, from, top, left) : chain_zeros();
    }
}

/* In place. */
template <class L> static inline void chain_act(chain_block &k, int input, int band) {
    constexpr int chunks = L::dst_chunks;
    for (uint i = chain_item(); i < (uint)(L::inputs * L::rows * L::ow * chunks); i += LX) {
        const chain_place<L> p(i / chunks, band);
        if (p.row != p.y)
            continue;
        chain_eight &e = chain_at(k, L::dst + (input + p.n) * L::dst_image + (p.y - L::dy0 - L::dy1 * band) * L::dst_row +
                                         (p.x + L::dst_left) * L::dst_place + i % chunks * 16);
        float v[8];
        chain_unpack(e, v);
#pragma unroll
        for (int j = 0; j < 8; j++)
            v[j] = act_scalar(v[j], L::act, L::act_a(), L::act_b());
        e = chain_pack(v);
    }
}

/* ---- fully connected ----------------------------------------------------------------------------------------------- */

template <class L> static inline void chain_fc_source(chain_block &k, int n, int chunk, float *v) {
    if (L::src_is_words) {
        const float *from = (const float *)(k.shared + L::src + n * L::src_image) + chunk * 8;
#pragma unroll
        for (int i = 0; i < 8; i++)
            v[i] = from[i];
        return;
    }
    const int part = chunk % L::src_chunks, x = chunk / L::src_chunks % L::w, y = chunk / (L::src_chunks * L::w);
    chain_unpack(chain_at(k, L::src + n * L::src_image + (y - L::sy0) * L::src_row +
                                 (x + L::src_left) * L::src_place + part * 16), v);
}

/* A warp sums a few outputs of all inputs at a time, each lane every 32nd chunk of them. */
template <class L> static inline void chain_fc(chain_block &k, int, int) {
    enum { OUTPUTS = 4, STORED = (L::oc + 7) / 8 * 8 };
    const int lane = mma_lane(), warp = chain_item() / 32;
    const chain_eight *weights = (const chain_eight *)(k.packed + L::weight_at);
    const float *bias = (const float *)(k.packed + L::bias_at);
    for (int first = warp * OUTPUTS; first < STORED; first += CHAIN_WARPS * OUTPUTS) {
        float sum[OUTPUTS][L::inputs] = {};
        for (int chunk = lane; chunk < L::fc_chunks; chunk += 32) {
            chain_eight w[OUTPUTS];
#pragma unroll
            for (int o = 0; o < OUTPUTS; o++)
                w[o] = weights[(size_t)min(first + o, L::oc - 1) * L::fc_chunks + chunk];
#pragma unroll
            for (int n = 0; n < L::inputs; n++) {
                float v[8], f[8];
                chain_fc_source<L>(k, n, chunk, v);
#pragma unroll
                for (int o = 0; o < OUTPUTS; o++) {
                    chain_unpack(w[o], f);
#pragma unroll
                    for (int i = 0; i < 8; i++)
                        sum[o][n] = fma(v[i], f[i], sum[o][n]);
                }
            }
        }
#pragma unroll
        for (int o = 0; o < OUTPUTS; o++) {
#pragma unroll
            for (int n = 0; n < L::inputs; n++) {
#pragma unroll
                for (int far = 16; far > 0; far /= 2)
                    sum[o][n] += __shfl_xor_sync(0xffffffffu, sum[o][n], far);
                if (lane == 0)
                    *((float *)(k.shared + L::dst + n * L::dst_image) + first + o) =
                        first + o < L::oc ? act_scalar(sum[o][n] + bias[first + o], L::act, L::act_a(), L::act_b())
                                          : 0.0f;
            }
        }
    }
}

/* What the next group reads, into the second cache meanwhile. */
static inline void chain_prefetch(const chain_block &k, int first) {
#ifndef FR_PAPER
    const long long each = (long long)k.p.from_n * (int)sizeof(SRC_T); /* of an image, or an input; those that exist alone */
    const long long begin = CHAIN_FROM_USER ? (long long)first * k.p.images : first;
    const long long left = (CHAIN_FROM_USER ? k.valid : k.p.inputs) - begin;
    const long long most = CHAIN_FROM_USER ? CHAIN_INPUTS * k.p.images : CHAIN_INPUTS;
    const long long bytes = (left < most ? left : most) * each; /* less than one: there is no next group */
    const char *from = (const char *)k.src + begin * each;
    for (long long i = (long long)chain_item() * 128; i < bytes; i += LX * 128)
        asm volatile("prefetch.global.L2 [%0];" ::"l"(from + i));
#endif
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

extern "C" __global__ __launch_bounds__(LX, CHAIN_BLOCKS)
void chain_mma(const SRC_T *src, DST_T *dst, const float *packed, chain_mma_params p, uint8 words) {
#ifdef FR_PAPER
    char *shared = paper_dynamic<char>();
#else
    extern __shared__ chain_eight chain_shared[];
    char *shared = (char *)chain_shared;
#endif
    chain_block k = {shared, (const char *)packed, src, dst, 0, (int)words.s6, 0, p};
    chain_copy(k.shared, k.packed, CHAIN_RESIDENT);
    mma_copy_wait<0>();
    __syncthreads();
    for (k.first = (int)blockIdx.x * CHAIN_INPUTS; k.first < p.inputs; k.first += (int)gridDim.x * CHAIN_INPUTS) {
        if (CHAIN_SKIPS && k.first * p.images >= k.valid)
            break;
        chain_prefetch(k, k.first + (int)gridDim.x * CHAIN_INPUTS);
        CHAIN_RUN(k)
    }
}
