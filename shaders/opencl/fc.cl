/*
 * FC as a matrix product: a row of src is the p.k numbers of one input as they are stored; the weights lie in panels of
 * COLUMNS outputs, weight[panel][k][COLUMNS]. FC_FORM chooses the kernel: 1 fc_tile, one item with a large tile of registers
 * (CPUs); 2 fc_local, tiles of both matrices in local memory (GPUs, many rows); 3 fc_gemv, few rows; 4 fc_sum, the sum of
 * partial sums and the epilogue. With p.k_part < p.k the first three write partial sums of one part of K, one a group's z.
 */
PARAM_STRUCT(fc_params, FC_PARAMS)

/* VW outputs of one row from `column` on. Bias is padded to whole panels; a row of residual or dst may end before `column` + VW. */
static inline void fc_put(VEC sum, int row, int column, __global const float *bias, __global const DST_T *residual,
                          __global DST_T *dst, const fc_params p) {
    const bool is_whole = column + VW <= p.n_out;
    VEC x = sum;
    if (column >= p.dst_row)
        return;
    if (p.has_bias)
        x += loadv_f32(bias, column);
    if (p.has_residual && is_whole)
        x += DST_LOADV(residual, row * p.res_row + column);
    if (p.has_residual && !is_whole) {
        float more[VW];
        for (int i = 0; i < VW; i++)
            more[i] = column + i < p.n_out ? DST_LOAD(residual, row * p.res_row + column + i) : 0.0f;
        x += VEC_OF_LANES(more);
    }
    x = ACTIVATE(x, p);
#if DST_DTYPE >= 4
    x /= p.dst_scale;
#endif
    x = KEEP_LANES(x, p.n_out - column);
    if (column + VW <= p.dst_row) {
        DST_STOREV(x, dst, row * p.dst_row + column);
    } else {
        float left[VW];
        LANES_OF_VEC(x, left);
        for (int i = 0; column + i < p.dst_row; i++)
            DST_STORE(left[i], dst, row * p.dst_row + column + i);
    }
}

#if FC_FORM == 1
/*
 * One item: COLUMNS = NV vectors of outputs, p.item_rows rows in tiles of ROWS. K is walked in blocks, all row tiles in each,
 * so that a block of the panel stays in a near cache; between blocks the sums wait in `kept`.
 */
#define COLUMNS (NV * VW)
#if SRC_DTYPE == 1
#define ROW_NUMBER(r, k) line[r][k]
#else
#define ROW_NUMBER(r, k) staged[(r) * K_BLOCK + (k)]
#endif
#define K_TURN 4
#define ADD_PRODUCTS(k, w)                                              \
    {                                                                   \
        VEC column[NV];                                                 \
        _Pragma("unroll")                                               \
        for (int v = 0; v < NV; v++)                                    \
            column[v] = WGT_LOADV(w, v * VW);                           \
        _Pragma("unroll")                                               \
        for (int r = 0; r < ROWS; r++) {                                \
            const VEC x = (VEC)(ROW_NUMBER(r, k));                      \
            _Pragma("unroll")                                           \
            for (int v = 0; v < NV; v++)                                \
                sum[r * NV + v] = fma(x, column[v], sum[r * NV + v]);   \
        }                                                               \
    }

KERNEL void fc_tile(__global const SRC_T *src, __global const WGT_T *weight, __global const float *bias,
                    __global const DST_T *residual, __global DST_T *dst, const fc_params p, const uint8 at) {
    const int panel = get_group_id(0), first_row = (int)get_group_id(1) * p.item_rows, part = get_group_id(2);
    const int end_row = min(first_row + p.item_rows, p.n);
    const int first_k = part * p.k_part, end_k = min(first_k + p.k_part, p.k);
    VEC kept[MOST_TILES * ROWS * NV];
#if SRC_DTYPE != 1
    float staged[ROWS * K_BLOCK];
#endif
    src += at.s0;
    weight += at.s1 + panel * p.k * COLUMNS;
    dst += at.s4 + part * p.part_size;
    for (int k0 = first_k; k0 < end_k; k0 += K_BLOCK) {
        const int count = min(K_BLOCK, end_k - k0);
        const bool is_last = k0 + K_BLOCK >= end_k;
        VEC *keep = kept;
        for (int row = first_row; row < end_row; row += ROWS, keep += ROWS * NV) {
            VEC sum[ROWS * NV];
            __global const WGT_T *w = weight + k0 * COLUMNS;
            /* rows past the end repeat the last one and are not stored */
#if SRC_DTYPE == 1
            __global const float *line[ROWS];
            #pragma unroll
            for (int r = 0; r < ROWS; r++)
                line[r] = src + min(row + r, end_row - 1) * p.k + k0;
#else
            for (int r = 0; r < ROWS; r++) {
                const int from = min(row + r, end_row - 1) * p.k + k0;
                int k = 0;
                for (; k + VW <= count; k += VW)
                    CAT(vstore, VW)(SRC_LOADV(src, from + k), 0, staged + r * K_BLOCK + k);
                for (; k < count; k++)
                    staged[r * K_BLOCK + k] = SRC_LOAD(src, from + k);
            }
#endif
            #pragma unroll
            for (int i = 0; i < ROWS * NV; i++)
                sum[i] = k0 == first_k ? (VEC)0.0f : keep[i];
            int k = 0;
            for (; k + K_TURN <= count; k += K_TURN, w += K_TURN * COLUMNS) {
                #pragma unroll
                for (int turn = 0; turn < K_TURN; turn++)
                    ADD_PRODUCTS(k + turn, w + turn * COLUMNS)
            }
            for (; k < count; k++, w += COLUMNS)
                ADD_PRODUCTS(k, w)
            #pragma unroll
            for (int i = 0; i < ROWS * NV; i++)
                keep[i] = sum[i];
            if (is_last)
                for (int r = 0; r < ROWS && row + r < end_row; r++)
                    for (int v = 0; v < NV; v++)
                        fc_put(keep[r * NV + v], row + r, panel * COLUMNS + v * VW, bias + at.s2, residual + at.s3, dst, p);
        }
    }
}

#elif FC_FORM == 2
/* A group: COLUMNS outputs of GROUP_ROWS rows; an item: ROWS rows of two vectors, IX items beside each other. */
#define COLUMNS (2 * VW * IX)
#define GROUP_ROWS (ROWS * (LX / IX))
#define K_STEP 16
#define LINE (GROUP_ROWS + 1) /* writes of consecutive k fall into different banks */

KERNEL void fc_local(__global const SRC_T *src, __global const WGT_T *weight, __global const float *bias,
                     __global const DST_T *residual, __global DST_T *dst, const fc_params p, const uint8 at) {
    LOCAL_ARRAY(float, rows, K_STEP * LINE);
    LOCAL_ARRAY(float, columns, K_STEP * COLUMNS);
    const int lane = get_local_id(0), ix = lane % IX, iy = lane / IX;
    const int panel = get_group_id(0), first_row = (int)get_group_id(1) * GROUP_ROWS, part = get_group_id(2);
    const int first_k = part * p.k_part, end_k = min(first_k + p.k_part, p.k);
    VEC sum[2 * ROWS];
    src += at.s0;
    weight += at.s1 + panel * p.k * COLUMNS;
    dst += at.s4 + part * p.part_size;
    #pragma unroll
    for (int i = 0; i < 2 * ROWS; i++)
        sum[i] = (VEC)0.0f;
    for (int k0 = first_k; k0 < end_k; k0 += K_STEP) {
        for (int i = lane; i < GROUP_ROWS * K_STEP; i += LX) {
            const int k = i % K_STEP, r = i / K_STEP;
            float x = 0.0f;
            if (first_row + r < p.n && k0 + k < end_k)
                x = SRC_LOAD(src, (first_row + r) * p.k + k0 + k);
            rows[k * LINE + r] = x;
        }
        for (int i = lane * VW; i < COLUMNS * K_STEP; i += LX * VW) {
            VEC x = (VEC)0.0f;
            if (k0 + i / COLUMNS < end_k)
                x = WGT_LOADV(weight, k0 * COLUMNS + i);
            STOREV_WHOLE(x, columns, i);
        }
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll 4
        for (int k = 0; k < K_STEP; k++) {
            const VEC left = LOADV_WHOLE(columns, k * COLUMNS + ix * VW),
                      right = LOADV_WHOLE(columns, k * COLUMNS + COLUMNS / 2 + ix * VW);
            #pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const VEC x = (VEC)(rows[k * LINE + iy * ROWS + r]);
                sum[2 * r] = fma(x, left, sum[2 * r]);
                sum[2 * r + 1] = fma(x, right, sum[2 * r + 1]);
            }
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
    const int column = panel * COLUMNS + ix * VW;
    #pragma unroll
    for (int r = 0; r < ROWS; r++) {
        const int row = first_row + iy * ROWS + r;
        if (row < p.n) {
            fc_put(sum[2 * r], row, column, bias + at.s2, residual + at.s3, dst, p);
            fc_put(sum[2 * r + 1], row, column + COLUMNS / 2, bias + at.s2, residual + at.s3, dst, p);
        }
    }
}

#elif FC_FORM == 3
/* A group: COLUMNS outputs of ROWS rows. IX items take a vector of outputs each, LX / IX of them share K. */
#define COLUMNS (VW * IX)
#define SLICES (LX / IX)

KERNEL void fc_gemv(__global const SRC_T *src, __global const WGT_T *weight, __global const float *bias,
                    __global const DST_T *residual, __global DST_T *dst, const fc_params p, const uint8 at) {
    LOCAL_ARRAY(float, shared, SLICES * ROWS * COLUMNS);
    const int lane = get_local_id(0), ix = lane % IX, slice = lane / IX;
    const int panel = get_group_id(0), first_row = (int)get_group_id(1) * ROWS, part = get_group_id(2);
    const int first_k = part * p.k_part, end_k = min(first_k + p.k_part, p.k);
    VEC sum[ROWS];
    int line[ROWS];
    src += at.s0;
    weight += at.s1 + panel * p.k * COLUMNS + ix * VW;
    dst += at.s4 + part * p.part_size;
    #pragma unroll
    for (int r = 0; r < ROWS; r++) {
        sum[r] = (VEC)0.0f;
        line[r] = min(first_row + r, p.n - 1) * p.k;
    }
    #pragma unroll 2
    for (int k = first_k + slice; k < end_k; k += SLICES) {
        const VEC w = WGT_LOADV(weight, k * COLUMNS);
        #pragma unroll
        for (int r = 0; r < ROWS; r++)
            sum[r] = fma((VEC)(SRC_LOAD(src, line[r] + k)), w, sum[r]);
    }
    #pragma unroll
    for (int r = 0; r < ROWS; r++)
        STOREV_WHOLE(sum[r], shared, (slice * ROWS + r) * COLUMNS + ix * VW);
    barrier(CLK_LOCAL_MEM_FENCE);
    for (int i = lane; i < ROWS * IX; i += LX) {
        const int r = i / IX, column = i % IX * VW;
        VEC all = (VEC)0.0f;
        for (int s = 0; s < SLICES; s++)
            all += LOADV_WHOLE(shared, (s * ROWS + r) * COLUMNS + column);
        if (first_row + r < p.n)
            fc_put(all, first_row + r, panel * COLUMNS + column, bias + at.s2, residual + at.s3, dst, p);
    }
}

#else
/* sums[part][row][p.sum_row] -> dst; each item p.item_rows vectors */
KERNEL void fc_sum(__global const float *sums, __global const float *bias, __global const DST_T *residual,
                   __global DST_T *dst, const fc_params p, const uint8 at) {
    const int each_row = (p.dst_row + VW - 1) / VW, first = (int)get_global_id(0) * p.item_rows;
    const int end = min(first + p.item_rows, each_row * p.n);
    for (int i = first; i < end; i++) {
        const int row = i / each_row, column = i % each_row * VW;
        VEC sum = (VEC)0.0f;
        /* past the last real column nothing may be there to be read */
        if (column < p.sum_row)
            for (int part = 0; part < p.parts; part++)
                sum += loadv_f32(sums + at.s0, part * p.part_size + row * p.sum_row + column);
        fc_put(sum, row, column, bias + at.s1, residual + at.s2, dst + at.s3, p);
    }
}
#endif
