#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_EXT_shader_explicit_arithmetic_types_float16 : require
/*
 * A convolution of halves as a product of cooperative matrices: pixels x (window and channels), gathered STEP of the sum at a
 * time, by weights[tile][depth][OUTPUTS]. A group is four subgroups, two down and two across; each has SIDE x SIDE matrices of
 * sums. A fully connected layer is a convolution of one place with a window of one.
 */
#include "prelude.glsl"
#include "conv_lanes.glsl"

PARAMS(CONV_IGEMM_PARAMS)
READS(0, src, F16)
READS(2, wgt, F16)
READS(4, bias, F32)
CONV_ENDS(1, 3)

const int EDGE = 16, SIDE = 2, SUBGROUPS = 4;
const int ITEMS = SUBGROUPS * SUBGROUP;
const int PIXELS = 2 * SIDE * EDGE, OUTPUTS = PIXELS; /* of a group */
const int DEEP = 32;                                        /* of the sum, between two barriers */
const int A_LINE = DEEP + 8, B_LINE = OUTPUTS + 8; /* lines begin at multiples of 16 bytes, in different banks */

shared float16_t a[PIXELS * A_LINE];
shared float16_t b[DEEP * B_LINE];
shared float results[SUBGROUPS * EDGE * EDGE];
shared ivec3 pixel[PIXELS]; /* the input, and where its window begins: row, column */

/* Where number `number` of a pixel's window lies, (row, column, channel) by turns; -1 outside. */
int source_at(ivec3 from, int number, int group) {
    int tap = number / p.c, y = from.y + tap / p.win_kw * p.win_dh, x = from.z + tap % p.win_kw * p.win_dw;
    bool is_inside = number < p.depth && from.x >= 0 && y >= 0 && y < p.src_h && x >= 0 && x < p.src_w;
    return is_inside ? PLACE_AT(src, from.x, y, x) + CHANNEL_AT(src, group * p.c + number % p.c) : -1;
}

void gather(int item, int done, int group) {
    if (p.by_vectors != 0) {
        for (int e = item; e < DEEP / 4 * PIXELS; e += ITEMS) {
            int m = e % PIXELS, k = e / PIXELS * 4, at = source_at(pixel[m], done + k, group);
            f16vec4 x = f16vec4(0.0);
            if (at >= 0)
                x = src_f16v[(at + AT(0)) / 4];
            [[unroll]] for (int i = 0; i < 4; i++)
                a[m * A_LINE + k + i] = x[i];
        }
    } else {
        for (int e = item; e < DEEP * PIXELS; e += ITEMS) {
            int m = e % PIXELS, k = e / PIXELS, at = source_at(pixel[m], done + k, group);
            float16_t x = float16_t(0.0);
            if (at >= 0)
                x = src_f16[at + AT(0)];
            a[m * A_LINE + k] = x;
        }
    }
}

void fetch(int item, int done, int weights) {
    for (int e = item; e < DEEP * OUTPUTS / 4; e += ITEMS) {
        int k = e / (OUTPUTS / 4), o = e % (OUTPUTS / 4) * 4;
        f16vec4 w = f16vec4(0.0);
        if (done + k < p.depth)
            w = wgt_f16v[(weights + (done + k) * OUTPUTS + o + AT(2)) / 4];
        [[unroll]] for (int i = 0; i < 4; i++)
            b[k * B_LINE + o + i] = w[i];
    }
}

/* One matrix of sums, from results: pixels from `first_pixel` on by outputs of the tile from `mine` on. */
void finish(int lane, int from, int first_pixel, int tile, int mine) {
    int map = p.map_h * p.map_w, group = tile / p.tiles, first = tile % p.tiles * OUTPUTS;
    for (int e = lane; e < EDGE * EDGE / 4; e += SUBGROUP) {
        int row = e % EDGE, column = e / EDGE * 4, id = first_pixel + row, in_tile = mine + column;
        int n = id / map, y = id % map / p.map_w, x = id % p.map_w;
        int left = p.co - first - in_tile, o = group * p.co + first + in_tile;
        if (id < p.pixels && left > 0) {
            vec4 v = bias_loadv(tile * OUTPUTS + in_tile);
            [[unroll]] for (int i = 0; i < 4; i++)
                v[i] += results[from + row * EDGE + column + i];
            if (p.has_res != 0)
                v += residual_lanes(PLACE_AT(res, n, y, x), o, left);
            store_lanes(ACTIVATE(v, p), PLACE_AT(dst, n, y, x), o, left);
        }
        if (id < p.pixels && in_tile == 0 && tile == p.groups * p.tiles - 1)
            store_zeros(PLACE_AT(dst, n, y, x));
    }
}

void main() {
    int subgroup = int(gl_SubgroupID), lane = int(gl_SubgroupInvocationID), item = subgroup * SUBGROUP + lane;
    int tile = int(gl_WorkGroupID.y), group = tile / p.tiles, weights = tile * p.depth * OUTPUTS;
    int begin = GROUP_X * PIXELS, map = p.map_h * p.map_w;
    int down = subgroup / 2 * SIDE * EDGE, across = subgroup % 2 * SIDE * EDGE;
    for (int m = item; m < PIXELS; m += ITEMS) {
        int id = begin + m;
        pixel[m] = ivec3(id < p.pixels ? id / map : -1, id % map / p.map_w * p.win_sh - p.win_pt,
                         id % p.map_w * p.win_sw - p.win_pl);
    }
    coopmat<float, gl_ScopeSubgroup, EDGE, EDGE, gl_MatrixUseAccumulator> sums[SIDE * SIDE];
    [[unroll]] for (int i = 0; i < SIDE * SIDE; i++)
        sums[i] = coopmat<float, gl_ScopeSubgroup, EDGE, EDGE, gl_MatrixUseAccumulator>(0.0);
    for (int done = 0; done < p.depth; done += DEEP) {
        barrier();
        gather(item, done, group);
        fetch(item, done, weights);
        barrier();
        [[unroll]] for (int k = 0; k < DEEP; k += EDGE) {
            coopmat<float16_t, gl_ScopeSubgroup, EDGE, EDGE, gl_MatrixUseA> left[SIDE];
            coopmat<float16_t, gl_ScopeSubgroup, EDGE, EDGE, gl_MatrixUseB> right[SIDE];
            [[unroll]] for (int i = 0; i < SIDE; i++) {
                coopMatLoad(left[i], a, (down + i * EDGE) * A_LINE + k, A_LINE, gl_CooperativeMatrixLayoutRowMajor);
                coopMatLoad(right[i], b, k * B_LINE + across + i * EDGE, B_LINE, gl_CooperativeMatrixLayoutRowMajor);
            }
            [[unroll]] for (int i = 0; i < SIDE * SIDE; i++)
                sums[i] = coopMatMulAdd(left[i / SIDE], right[i % SIDE], sums[i]);
        }
    }
    int from = subgroup * EDGE * EDGE;
    [[unroll]] for (int i = 0; i < SIDE * SIDE; i++) {
        coopMatStore(sums[i], results, from, EDGE, gl_CooperativeMatrixLayoutRowMajor);
        barrier();
        finish(lane, from, begin + down + i / SIDE * EDGE, tile, across + i % SIDE * EDGE);
        barrier();
    }
}
