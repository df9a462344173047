/*
 * CONV and FC over bytes: an item sums TP places by TO vectors of VW outputs in registers, four input channels at a
 * time. Defines: TP, TO, QUADS (groups of four channels in a block of the source), RES_DTYPE (0 = no residual), POOLED
 * (1: an item makes the map of one input, stored as bytes in scratch, and takes the maxima of its windows).
 *
 * weights: four zero words (what is read beyond the map's edge), then for each tile of TO * VW outputs, block, row and
 * column of the window: QUADS * TO vectors of VW times four bytes. constants: for each tile TO * VW factors, as many
 * biases, and the first block of the source that the tile reads.
 */
PARAM_STRUCT(conv_int8_params, CONV_INT8_PARAMS)

/* ---- four products and their sum ---- */

/* x86 of a clang: products of 16-bit pairs and their sum in one instruction */
#if defined(__has_builtin) && defined(__clang__)
#if VW == 16
#if __has_builtin(__builtin_ia32_pmaddwd512)
#define MULTIPLY_PAIRS __builtin_ia32_pmaddwd512
#endif
#elif VW == 8
#if __has_builtin(__builtin_ia32_pmaddwd256)
#define MULTIPLY_PAIRS __builtin_ia32_pmaddwd256
#endif
#elif VW == 4
#if __has_builtin(__builtin_ia32_pmaddwd128)
#define MULTIPLY_PAIRS __builtin_ia32_pmaddwd128
#endif
#endif
#endif

#if HAS_DOT8
typedef uint bytes4;
typedef IVEC weights4;
static inline bytes4 bytes4_of(uint bytes) {
    return bytes;
}
static inline weights4 weights4_of(IVEC bytes) {
    return bytes;
}
static inline IVEC dot4(IVEC sum, bytes4 a, weights4 w) {
    return DOT8_LANES(sum, a, w);
}
#elif defined(MULTIPLY_PAIRS)
/* bytes 0 and 2 of each word as 16-bit numbers, bytes 1 and 3 as others */
typedef short pairs __attribute__((__vector_size__(4 * VW)));
typedef ushort unsigned_pairs __attribute__((__vector_size__(4 * VW)));
typedef struct { pairs even, odd; } weights4;
typedef weights4 bytes4;
static inline weights4 weights4_of(IVEC bytes) {
    pairs both = __builtin_astype(bytes, pairs);
    weights4 w = {(both << 8) >> 8, both >> 8};
    return w;
}
static inline bytes4 bytes4_of(uint bytes) {
#if SRC_DTYPE == 4
    unsigned_pairs both = __builtin_astype((IVEC)((int)bytes), unsigned_pairs);
    bytes4 a = {__builtin_astype(both & (ushort)0xff, pairs), __builtin_astype(both >> 8, pairs)};
    return a;
#else
    return weights4_of((IVEC)((int)bytes));
#endif
}
static inline IVEC dot4(IVEC sum, bytes4 a, weights4 w) {
    return sum + __builtin_astype(MULTIPLY_PAIRS(a.even, w.even), IVEC) +
           __builtin_astype(MULTIPLY_PAIRS(a.odd, w.odd), IVEC);
}
#else
typedef struct { IVEC b0, b1, b2, b3; } weights4;
typedef struct { int b0, b1, b2, b3; } bytes4;
static inline weights4 weights4_of(IVEC bytes) {
    weights4 w = {(bytes << 24) >> 24, (bytes << 16) >> 24, (bytes << 8) >> 24, bytes >> 24};
    return w;
}
static inline bytes4 bytes4_of(uint bytes) {
#if SRC_DTYPE == 4
    bytes4 a = {(int)(bytes & 0xff), (int)(bytes >> 8 & 0xff), (int)(bytes >> 16 & 0xff), (int)(bytes >> 24)};
#else
    int all = (int)bytes;
    bytes4 a = {(all << 24) >> 24, (all << 16) >> 24, (all << 8) >> 24, all >> 24};
#endif
    return a;
}
static inline IVEC dot4(IVEC sum, bytes4 a, weights4 w) {
    sum = mad24(w.b0, (IVEC)(a.b0), sum);
    sum = mad24(w.b1, (IVEC)(a.b1), sum);
    sum = mad24(w.b2, (IVEC)(a.b2), sum);
    return mad24(w.b3, (IVEC)(a.b3), sum);
}
#endif

/* ---- what follows the sums ---- */

#if RES_DTYPE
#define RES_LOAD(p, i) CAT(load_, DTYPE(RES_DTYPE))(p, i)
#define RES_LOADV(p, i) CAT(loadv_, DTYPE(RES_DTYPE))(p, i)
#endif
#define SUMS (TP * TO)

/* dst holds whole vectors of the channels [c, c + VW): in blocks, or side by side */
static inline bool is_whole(const conv_int8_params *p, int c) {
    return p->dst_c == 1 && c + VW <= p->stored;
}

static inline int element_of(const conv_int8_params *p, int n, int c, int place) {
    return n * p->dst_n + c / p->dst_block * p->dst_b + c % p->dst_block * p->dst_c + place * p->dst_x;
}

#if RES_DTYPE
static inline VEC residual_of(__global const TYPE(RES_DTYPE) *res, const conv_int8_params *p, int n, int c, int place) {
    int at = n * p->res_n + c / p->dst_block * p->res_b + c % p->dst_block * p->dst_c + place * p->dst_x;
    if (is_whole(p, c))
        return RES_LOADV(res, at) * p->res_scale;
    float lanes[VW];
    for (int i = 0; i < VW; i++) {
        int k = c + i;
        at = n * p->res_n + k / p->dst_block * p->res_b + k % p->dst_block * p->dst_c + place * p->dst_x;
        lanes[i] = k < p->stored ? RES_LOAD(res, at) * p->res_scale : 0.0f;
    }
    return VEC_OF_LANES(lanes);
}
#endif

static inline void put(VEC x, __global DST_T *dst, const conv_int8_params *p, int n, int c, int place) {
    if (is_whole(p, c)) {
        DST_STOREV(x, dst, element_of(p, n, c, place));
        return;
    }
    float lanes[VW];
    LANES_OF_VEC(x, lanes);
    for (int i = 0; i < VW; i++)
        if (c + i < p->stored)
            DST_STORE(lanes[i], dst, element_of(p, n, c + i, place));
}

#if POOLED
#define BYTES CAT(DST_T, VW)
#if DST_DTYPE == 4
#define LOWEST 0
#else
#define LOWEST (-128)
#endif

static inline void put_bytes(BYTES x, __global DST_T *dst, const conv_int8_params *p, int n, int c, int place) {
    if (is_whole(p, c)) {
        CAT(vstore, VW)(x, 0, dst + element_of(p, n, c, place));
        return;
    }
    DST_T lanes[VW];
    CAT(vstore, VW)(x, 0, lanes);
    for (int i = 0; i < VW; i++)
        if (c + i < p->stored)
            dst[element_of(p, n, c + i, place)] = lanes[i];
}

/* `map` has TO vectors a place and begins with the map's row `first`. */
static inline void take_maxima(__global const DST_T *map, int first, __global DST_T *dst, const conv_int8_params *p,
                               int n, int c, int y_begin, int y_end) {
    for (int y = y_begin; y < y_end; y++)
        for (int x = 0; x < p->pooled_w; x++)
            for (int o = 0; o < TO && c + o * VW < p->stored; o++) {
                BYTES most = (BYTES)(LOWEST);
                for (int ky = 0; ky < p->pool_kh; ky++) {
                    int row = y * p->pool_sh - p->pool_pt + ky * p->pool_dh;
                    if (row < 0 || row >= p->out_h)
                        continue;
                    for (int kx = 0; kx < p->pool_kw; kx++) {
                        int column = x * p->pool_sw - p->pool_pl + kx * p->pool_dw;
                        if (column >= 0 && column < p->out_w)
                            most = max(most, CAT(vload, VW)(((row - first) * p->out_w + column) * TO + o, map));
                    }
                }
                put_bytes(most, dst, p, n, c + o * VW, y * p->pooled_w + x);
            }
}
#endif

/* ---- the kernel ---- */

KERNEL void conv_int8(__global const uchar *src_at, __global DST_T *dst_at, __global const int *weights_at,
                      __global const int *constants_at
#if RES_DTYPE
                      , __global const TYPE(RES_DTYPE) *res_at
#endif
#if POOLED
                      , __global DST_T *scratch_at
#endif
                      , conv_int8_params p, uint8 at) {
    __global const uchar *src = src_at + at.s0;
    __global DST_T *dst = dst_at + at.s1;
    __global const int *weights = weights_at + at.s2;
    __global const uchar *zeros = (__global const uchar *)weights;
    const int tile = get_group_id(1), c = tile * TO * VW, lane = get_local_id(0);
    __global const int *constants = constants_at + at.s3 + tile * p.constants_step;
    __global const float *factors = (__global const float *)constants;
    weights += 4 + tile * p.weights_step;
    src += constants[2 * TO * VW] * p.src_b;
#if RES_DTYPE
    __global const TYPE(RES_DTYPE) *res = res_at + at.s4;
#endif
    const int map = p.out_h * p.out_w;
#if POOLED
    const int image = get_group_id(0) / p.bands, band = get_group_id(0) % p.bands;
    const int y_begin = band * p.band_rows, y_end = min(y_begin + p.band_rows, p.pooled_h);
    const int first = clamp(y_begin * p.pool_sh - p.pool_pt, 0, p.out_h);
    const int last = clamp((y_end - 1) * p.pool_sh - p.pool_pt + (p.pool_kh - 1) * p.pool_dh + 1, first, p.out_h);
    const int begin = image * map + first * p.out_w, end = image * map + last * p.out_w;
#if RES_DTYPE
    __global DST_T *kept = scratch_at + at.s5;
#else
    __global DST_T *kept = scratch_at + at.s4;
#endif
    kept += (get_group_id(0) * get_num_groups(1) + tile) * p.band_bytes;
#else
    const int begin = get_group_id(0) * p.span, end = min(begin + p.span, p.places);
#endif
    for (int first_place = begin; first_place < end; first_place += TP * LX) {
        IVEC acc[SUMS];
        int row[TP], column[TP], from[TP];
#pragma unroll
        for (int t = 0; t < TP; t++) { /* beyond the end: the last place once more */
            int place = min(first_place + t * LX + lane, end - 1), n = place / map, in_map = place - n * map;
            int y = in_map / p.out_w;
            row[t] = y * p.win_sh - p.win_pt;
            column[t] = (in_map - y * p.out_w) * p.win_sw - p.win_pl;
            from[t] = n * p.src_n + (row[t] * p.w + column[t]) * p.src_x;
        }
#pragma unroll
        for (int i = 0; i < SUMS; i++)
            acc[i] = (IVEC)(0);
        __global const int *w = weights;
        for (int b = 0; b < p.blocks; b++)
            for (int ky = 0; ky < p.win_kh; ky++)
                for (int kx = 0; kx < p.win_kw; kx++) {
                    const int down = ky * p.win_dh, right = kx * p.win_dw;
                    const int tap = b * p.src_b + (down * p.w + right) * p.src_x;
                    __global const uchar *read[TP];
#pragma unroll
                    for (int t = 0; t < TP; t++) {
                        bool inside = (uint)(row[t] + down) < (uint)p.h && (uint)(column[t] + right) < (uint)p.w;
                        read[t] = inside ? src + (from[t] + tap) : zeros;
                    }
#pragma unroll
                    for (int q = 0; q < QUADS; q++) {
                        weights4 wide[TO];
#pragma unroll
                        for (int o = 0; o < TO; o++)
                            wide[o] = weights4_of(CAT(vload, VW)(q * TO + o, w));
#pragma unroll
                        for (int t = 0; t < TP; t++) {
                            bytes4 a = bytes4_of(LOAD_BYTES4(q, read[t]));
#pragma unroll
                            for (int o = 0; o < TO; o++)
                                acc[t * TO + o] = dot4(acc[t * TO + o], a, wide[o]);
                        }
                    }
                    w += QUADS * TO * VW;
                }
        IVEC sums[SUMS]; /* a copy, read in a loop that is not unrolled: acc stays in registers */
#pragma unroll
        for (int i = 0; i < SUMS; i++)
            sums[i] = acc[i];
#pragma unroll 1
        for (int i = 0; i < SUMS; i++) {
            const int o = i % TO, place = first_place + i / TO * LX + lane, first_c = c + o * VW;
            if (place >= end || first_c >= p.stored)
                continue;
            const int n = place / map, in_map = place - n * map;
            VEC x = CAT(convert_, VEC)(sums[i]) * CAT(vload, VW)(o, factors) + CAT(vload, VW)(TO + o, factors);
#if RES_DTYPE
            x += residual_of(res, &p, n, first_c, in_map);
#endif
            x = ACTIVATE(x, p) * p.inverse_scale;
            x = KEEP_LANES(x, p.channels - first_c);
#if POOLED
            DST_STOREV(x, kept, ((place - begin) * TO + o) * VW);
#else
            put(x, dst, &p, n, first_c, in_map);
#endif
        }
    }
#if POOLED
    take_maxima(kept, first, dst, &p, image, c, y_begin, y_end);
#endif
}
