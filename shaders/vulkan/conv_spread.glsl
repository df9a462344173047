/*
 * A direct convolution whose sums stay in registers: an item has TILE_PX pixels times TILE_CB vec4 of outputs.
 * Nothing is staged. Of a block of four input channels the weights of all outputs are TILE_CB * 4 vec4 side by side;
 * with SPREADS each item of a subgroup fetches its share of them, and they are handed round by shuffles from constant
 * lanes.
 *
 * A shader defines SPREADS (0 or 1) and TEXEL_VIEWS (0 or 1: how sources and weights are read) and has one of
 *   conv_spread_any.glsl   any window; neighbours in a subgroup have neighbouring pixels
 *   conv_spread_row.glsl   windows three wide that do not stride; an item's pixels lie side by side, what is fetched
 *                          serves all three columns of the window
 * Places outside of the map are read where the map is, and their bits are then cleared: nothing diverges.
 */
#if SPREADS
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#endif
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(CONV_SPREAD_PARAMS)

/* SOURCE(i), FETCH(i): four numbers, i counted in fours from the buffer's beginning. */
#if TEXEL_VIEWS
TEXELS(0, src)
TEXELS(2, wgt)
#define SOURCE(i) texelFetch(src_texels, i)
#define FETCH(i) texelFetch(wgt_texels, i)
#else
READS(0, src, SRC_DTYPE)
READS(2, wgt, F32)
#if NARROW
#define SOURCE(i) (SRC_DTYPE == F32 ? src_f32v[i] : vec4(src_f16v[i]))
#else
#define SOURCE(i) src_f32v[i]
#endif
#define FETCH(i) wgt_f32v[i]
#endif
READS(1, res, RES_DTYPE)
WRITES(3, dst, DST_DTYPE)

const int SUMS = TILE_PX * TILE_CB;
const int BLOCK = TILE_CB * 4; /* vec4 of weights for four input channels; outputs of a tile */

/* WEIGHTS(at): the block that begins at that vec4. WEIGHT(c, j): for channel c of its four, the j-th vec4 of
 * outputs. */
#if SPREADS
#define ITEM int(gl_SubgroupID * SUBGROUP + gl_SubgroupInvocationID)
const int SHARES = (BLOCK + SUBGROUP - 1) / SUBGROUP;
#define WEIGHTS(at)                                                                                     \
    vec4 share[SHARES];                                                                                 \
    [[unroll]] for (int q = 0; q < SHARES; q++)                                                         \
        share[q] = FETCH((at) + q * SUBGROUP + int(gl_SubgroupInvocationID) % BLOCK);
#define WEIGHT(c, j) subgroupShuffle(share[((c) * TILE_CB + (j)) / SUBGROUP], uint((c) * TILE_CB + (j)) % SUBGROUP)
const int NEAR = SUBGROUP; /* items with neighbouring pixels */
#else
#define ITEM int(gl_LocalInvocationID.x)
#define WEIGHTS(at) int block_at = at;
#define WEIGHT(c, j) FETCH(block_at + (c) * TILE_CB + (j))
#define NEAR LX
#endif

/* sums[k * TILE_CB + j] += four channels of pixel k, PLACE(k), by the block. A sum is taken up once for all four
 * channels: sums are more than some devices have registers. DEPTH: 3 where the whole source has three channels,
 * else 4. */
#define MULTIPLY(PLACE)                                                                                 \
    [[unroll]] for (int j = 0; j < TILE_CB; j++) {                                                      \
        vec4 w0 = WEIGHT(0, j), w1 = WEIGHT(1, j), w2 = WEIGHT(2, j), w3 = WEIGHT(3, j);                \
        [[unroll]] for (int k = 0; k < TILE_PX; k++) {                                                  \
            vec4 x = PLACE(k), sum = sums[k * TILE_CB + j];                                             \
            sum = fma(vec4(x.x), w0, sum);                                                              \
            sum = fma(vec4(x.y), w1, sum);                                                              \
            sum = fma(vec4(x.z), w2, sum);                                                              \
            sums[k * TILE_CB + j] = DEPTH > 3 ? fma(vec4(x.w), w3, sum) : sum;                          \
        }                                                                                               \
    }

vec4 keep_if(vec4 v, uint mask) {
    return uintBitsToFloat(floatBitsToUint(v) & mask);
}

/* a / b, and what is left. */
ivec2 divide(int a, int b) {
    int q = quotient(a, b);
    return ivec2(q, a - q * b);
}

/*
 * FINISH_BEGIN, then FINISH(k, n, y, x, is_there) for each pixel: its sums, in all outputs, to its place of dst. What
 * all pixels share is read before, once. Activations of straight lines are min(max(v, low), high) + slope * min(v,
 * 0).
 */
#define FINISH_BEGIN                                                                                    \
    float low = p.low, high = p.high, slope = p.slope;                                                  \
    int dst_n = p.dst_n, dst_y = p.dst_y, dst_x = p.dst_x, res_n = p.res_n, res_y = p.res_y, res_x = p.res_x;\
    vec4 bias[TILE_CB];                                                                                 \
    int to_block[TILE_CB], from_block[TILE_CB], lanes[TILE_CB];                                         \
    bool is_stored[TILE_CB];                                                                            \
    [[unroll]] for (int j = 0; j < TILE_CB; j++) {                                                      \
        int o = first / 4 + j;                                                                          \
        bias[j] = FETCH(biases + o);                                                                    \
        to_block[j] = o * p.dst_step;                                                                   \
        from_block[j] = min(o, p.padded / 4 - 1) * p.res_step;                                          \
        lanes[j] = p.co - o * 4;                                                                        \
        is_stored[j] = o * 4 < p.padded;                                                                \
    }

#define FINISH(k, n, y, x, is_there)                                                                    \
    {                                                                                                   \
        int to = (n) * dst_n + (y) * dst_y + (x) * dst_x, from = (n) * res_n + (y) * res_y + (x) * res_x;\
        [[unroll]] for (int j = 0; j < TILE_CB; j++) {                                                  \
            vec4 v = sums[(k) * TILE_CB + j] + bias[j];                                                 \
            if (RESIDUAL != 0)                                                                          \
                v += res_loadv(from + from_block[j]);                                                   \
            v = CURVED != 0 ? ACTIVATE(v, p) : min(max(v, low), high) + slope * max(min(v, 0.0), -3.0e38);\
            v = keep_lanes(v, lanes[j]);                                                                \
            if (is_stored[j] && (is_there))                                                             \
                dst_storev(to + to_block[j], v);                                                        \
        }                                                                                               \
    }
