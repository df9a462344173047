/*
 * FC as a matrix product: a row of src is the p.k numbers of one input as they are stored; the weights lie in panels of
 * outputs, weight[panel][k][outputs]. With p.k_part < p.k a kernel writes partial sums of one part of K, one a group's z, and
 * fc_sum adds them up. An includer says which bindings are bias, residual and dst: FC_ENDS(bias, residual, dst).
 */
#include "prelude.glsl"

PARAMS(FC_PARAMS)

/* fc_put(sum, row, column, part): four outputs of one row from `column` on. Bias is padded to whole panels; a row of residual or
 * dst may end before column + 4, and begin anywhere. */
#define FC_ENDS(BIAS, RESIDUAL_, DST)                                                            \
    READS(BIAS, bias, F32)                                                                       \
    READS(RESIDUAL_, residual, DST_DTYPE)                                                        \
    WRITES(DST, dst, DST_DTYPE)                                                                  \
    void fc_put(vec4 sum, int row, int column, int part) {                                       \
        if (column >= p.dst_row)                                                                 \
            return;                                                                              \
        int at = part * p.part_size + row * p.dst_row + column, left = p.n_out - column;         \
        if (p.has_bias != 0)                                                                     \
            sum += bias_loadv(column);                                                           \
        if (p.has_residual != 0)                                                                 \
            [[unroll]] for (int i = 0; i < 4; i++)                                               \
                if (i < left)                                                                    \
                    sum[i] += residual_load(row * p.res_row + column + i);                       \
        sum = keep_lanes(STORED(DST_DTYPE, ACTIVATE(sum, p), p.dst_scale), left);                \
        if (column + 4 <= p.dst_row && (at + AT(DST)) % 4 == 0)                                  \
            dst_storev(at, sum);                                                                 \
        else                                                                                     \
            [[unroll]] for (int i = 0; i < 4; i++)                                               \
                if (column + i < p.dst_row)                                                      \
                    dst_store(at + i, sum[i]);                                                   \
    }
