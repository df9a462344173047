#version 450
#extension GL_GOOGLE_include_directive : require
/*
 * A convolution as a matrix product whose left side, pixels x (window and channels), is never written down: LX * LY items
 * fetch a tile of it and one of the weights into shared memory, STEP of the sum at a time, and every item has TILE_PX pixels,
 * LX apart, and TILE_CB vec4 of outputs of that tile.
 */
#include "prelude.glsl"
#include "conv_lanes.glsl"

PARAMS(CONV_IGEMM_PARAMS)
READS(0, src, SRC_DTYPE)
READS(2, wgt, F32)
CONV_ENDS(1, 3)

const int ACROSS = int(gl_WorkGroupSize.x), ITEMS = ACROSS * int(gl_WorkGroupSize.y);
const int PIXELS = ACROSS * TILE_PX;                           /* of a group's tile */
const int VECTORS = int(gl_WorkGroupSize.y) * TILE_CB;         /* of its outputs */
const int SUMS = TILE_PX * TILE_CB;

shared float a[STEP * PIXELS];
shared vec4 b[STEP * VECTORS];
shared ivec3 pixel[PIXELS]; /* the input, and where its window begins: row, column */

/* Where channel c of a pixel lies, a place (ky, kx) of the window on; -1 outside. */
int source_at(ivec3 from, int ky, int kx, int c) {
    int y = from.y + ky * p.win_dh, x = from.z + kx * p.win_dw;
    bool is_inside = from.x >= 0 && y >= 0 && y < p.src_h && x >= 0 && x < p.src_w;
    return is_inside ? PLACE_AT(src, from.x, y, x) + CHANNEL_AT(src, c) : -1;
}

void main() {
    int lx = int(gl_LocalInvocationID.x), ly = int(gl_LocalInvocationID.y), item = ly * ACROSS + lx;
    int tile = int(gl_WorkGroupID.y), group = tile / p.tiles, first = tile % p.tiles * VECTORS * 4;
    int biases = tile * VECTORS * 4, weights = (p.groups * p.tiles + tile * p.depth) * VECTORS * 4;
    int begin = GROUP_X * PIXELS, map = p.map_h * p.map_w;
    for (int m = item; m < PIXELS; m += ITEMS) {
        int id = begin + m;
        pixel[m] = ivec3(id < p.pixels ? id / map : -1, id % map / p.map_w * p.win_sh - p.win_pt,
                         id % p.map_w * p.win_sw - p.win_pl);
    }
    vec4 sums[SUMS];
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(0.0);
    int ky = 0, kx = 0, c = 0; /* by_vectors: of all STEP numbers */
    for (int done = 0; done < p.depth; done += STEP) {
        barrier();
        if (p.by_vectors != 0) {
            for (int e = item; e < STEP / 4 * PIXELS; e += ITEMS) {
                int m = e % PIXELS, k = e / PIXELS * 4;
                int at = source_at(pixel[m], ky, kx, group * p.c + c + k);
                vec4 x = vec4(0.0);
                if (at >= 0)
                    x = src_loadv(at);
                [[unroll]] for (int i = 0; i < 4; i++)
                    a[(k + i) * PIXELS + m] = x[i];
            }
            c += STEP;
            kx += c == p.c ? 1 : 0;
            ky += kx == p.win_kw ? 1 : 0;
            c = c == p.c ? 0 : c;
            kx = kx == p.win_kw ? 0 : kx;
        } else {
            for (int e = item; e < STEP * PIXELS; e += ITEMS) {
                int number = done + e / PIXELS, tap = number / p.c;
                int at = source_at(pixel[e % PIXELS], tap / p.win_kw, tap % p.win_kw, group * p.c + number % p.c);
                float x = 0.0;
                if (at >= 0 && number < p.depth)
                    x = src_load(at);
                a[e] = x;
            }
        }
        for (int e = item; e < STEP * VECTORS; e += ITEMS) {
            vec4 w = vec4(0.0);
            if (done + e / VECTORS < p.depth)
                w = wgt_loadv(weights + (done * VECTORS + e) * 4);
            b[e] = w;
        }
        barrier();
        for (int i = 0; i < STEP; i++) {
            vec4 w[TILE_CB];
            [[unroll]] for (int j = 0; j < TILE_CB; j++)
                w[j] = b[i * VECTORS + ly * TILE_CB + j];
            [[unroll]] for (int k = 0; k < TILE_PX; k++) {
                vec4 x = vec4(a[i * PIXELS + k * ACROSS + lx]);
                [[unroll]] for (int j = 0; j < TILE_CB; j++)
                    sums[k * TILE_CB + j] = fma(x, w[j], sums[k * TILE_CB + j]);
            }
        }
    }
    [[unroll]] for (int k = 0; k < TILE_PX; k++) {
        int id = begin + k * ACROSS + lx, n = id / map, y = id % map / p.map_w, x = id % p.map_w;
        if (id < p.pixels) {
            [[unroll]] for (int j = 0; j < TILE_CB; j++) {
                int mine = (ly * TILE_CB + j) * 4, left = p.co - first - mine, o = group * p.co + first + mine;
                if (left > 0) {
                    vec4 v = NUMBER(SRC_DTYPE, sums[k * TILE_CB + j], p.src_scale) + wgt_loadv(biases + mine);
                    if (p.has_res != 0)
                        v += residual_lanes(PLACE_AT(res, n, y, x), o, left);
                    store_lanes(ACTIVATE(v, p), PLACE_AT(dst, n, y, x), o, left);
                }
            }
            if (tile == p.groups * p.tiles - 1 && ly == 0)
                store_zeros(PLACE_AT(dst, n, y, x));
        }
    }
}
