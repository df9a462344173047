/*
 * Winograd in one kernel for subgroups whose registers are memory: V and M of eight tiles never leave them. Lane i makes V of
 * the i-th tile, four input channels at a time; for the sums each lane has four outputs of all eight tiles, and V is handed
 * round by shuffles from constant lanes. A group is one subgroup: eight tiles (x) by one panel of outputs (y). See
 * backends/gpu/wino_lanes.c. A shader defines OUTPUTS, 2 or 4, a side.
 */
#extension GL_KHR_shader_subgroup_basic : require
#extension GL_KHR_shader_subgroup_shuffle : require
#include "prelude.glsl"

#define WINO_OUT OUTPUTS
#define WINO_VEC vec4
#define WINO_FMA(a, b, c) fma(a, b, c)
#define WINO_ALL(x) vec4(x)
#include "../wino_transforms.h"

PARAMS(WINO_PARAMS)
TEXELS(0, src)
TEXELS(1, wgt)
TEXELS(2, res)
WRITES(3, dst, DST_DTYPE)

const int TILES = 8;                         /* of a group, and lanes of its subgroup */
#define ENDLESS uintBitsToFloat(0x7f800000u)
const int POOLED_OUT = WINO_OUT / 2;         /* windows of 2x2 in a tile */
vec4 sums[WINO_PLACES * TILES], v[WINO_PLACES];
int row_at[WINO_IN], column_at[WINO_IN];     /* of the lane's tile, inside the map */
uint row_mask[WINO_IN], column_mask[WINO_IN]; /* 0 where the tile is outside */

#define LANE int(gl_SubgroupInvocationID)
#define FIRST_TILE (GROUP_X * TILES)
#define OUT_BLOCK (int(gl_WorkGroupID.y) * TILES + LANE)

/* The lane's tile; the index of its image's first place, in vectors. */
int find_tile() {
    int tile = min(FIRST_TILE + LANE, p.n * p.down * p.across - 1), y = tile / p.across, image = y / p.down;
    int top = (y - image * p.down) * WINO_OUT - p.pad_top, left = (tile - y * p.across) * WINO_OUT - p.pad_left;
    [[unroll]] for (int i = 0; i < WINO_IN; i++) {
        row_at[i] = clamp(top + i, 0, p.h - 1) * p.w;
        column_at[i] = clamp(left + i, 0, p.w - 1);
        row_mask[i] = top + i >= 0 && top + i < p.h ? ~0u : 0u;
        column_mask[i] = left + i >= 0 && left + i < p.w ? ~0u : 0u;
    }
    return (AT(0) >> 2) + image * p.c_blocks * p.h * p.w;
}

void make_v(int at) {
    vec4 half_done[WINO_PLACES];
    [[unroll]] for (int x = 0; x < WINO_IN; x++) {
        vec4 d[WINO_IN], t[WINO_IN];
        [[unroll]] for (int y = 0; y < WINO_IN; y++) {
            vec4 place = texelFetch(src_texels, at + row_at[y] + column_at[x]);
            d[y] = uintBitsToFloat(floatBitsToUint(place) & (row_mask[y] & column_mask[x]));
        }
        WINO_INPUT(d, t)
        [[unroll]] for (int y = 0; y < WINO_IN; y++)
            half_done[y * WINO_IN + x] = t[y];
    }
    [[unroll]] for (int y = 0; y < WINO_IN; y++) {
        vec4 d[WINO_IN], t[WINO_IN];
        [[unroll]] for (int x = 0; x < WINO_IN; x++)
            d[x] = half_done[y * WINO_IN + x];
        WINO_INPUT(d, t)
        [[unroll]] for (int x = 0; x < WINO_IN; x++)
            v[y * WINO_IN + x] = t[x];
    }
}

/* at: of the lane's share of four channels' weights, in vectors. */
void add_products(int at) {
    [[unroll]] for (int place = 0; place < WINO_PLACES; place++) {
        vec4 w[4];
        [[unroll]] for (int c = 0; c < 4; c++)
            w[c] = texelFetch(wgt_texels, at + (place * 4 + c) * TILES);
        [[unroll]] for (int tile = 0; tile < TILES; tile++) {
            vec4 sum = sums[place * TILES + tile];
            [[unroll]] for (int c = 0; c < 4; c++)
                sum = fma(vec4(subgroupShuffle(v[place][c], uint(tile))), w[c], sum);
            sums[place * TILES + tile] = sum;
        }
    }
}

/* NONE, RELU, CLIP and LEAKY are straight lines with bends. */
vec4 straighten(vec4 sum) {
    float low = p.act == 0 ? -ENDLESS : p.act == 2 ? p.act_a : 0.0, high = p.act == 2 ? p.act_b : ENDLESS;
    float slope = p.act == 3 ? p.act_a : 0.0;
    return min(max(sum, low), high) + slope * max(min(sum, 0.0), -3.0e38);
}

/* A list's number at an index that is not known when the shader is built: such an index would send the list to memory. */
#define PICK(list, first, size, index, to)                \
    {                                                     \
        to = list[first];                                 \
        [[unroll]] for (int i_ = 1; i_ < (size); i_++)    \
            to = (index) == i_ ? list[(first) + i_] : to; \
    }

const int ALL = WINO_OUT * WINO_OUT;
vec4 outputs[ALL];

void make_outputs(int tile) {
    vec4 half_done[WINO_OUT * WINO_IN];
    [[unroll]] for (int x = 0; x < WINO_IN; x++) {
        vec4 d[WINO_IN], t[WINO_OUT];
        [[unroll]] for (int y = 0; y < WINO_IN; y++)
            PICK(sums, (y * WINO_IN + x) * TILES, TILES, tile, d[y])
        WINO_OUTPUT(d, t)
        [[unroll]] for (int y = 0; y < WINO_OUT; y++)
            half_done[y * WINO_IN + x] = t[y];
    }
    [[unroll]] for (int y = 0; y < WINO_OUT; y++) {
        vec4 d[WINO_IN], t[WINO_OUT];
        [[unroll]] for (int x = 0; x < WINO_IN; x++)
            d[x] = half_done[y * WINO_IN + x];
        WINO_OUTPUT(d, t)
        [[unroll]] for (int x = 0; x < WINO_OUT; x++)
            outputs[y * WINO_OUT + x] = t[x];
    }
}

/* A tile's outputs, 2^power a side, to (top, left) of a plane of dst. */
void store_outputs(int plane, int top, int left, int power) {
    for (int i = 0; i < 1 << 2 * power; i++) {
        int y = top + (i >> power), x = left + i - (i >> power << power);
        vec4 one;
        PICK(outputs, 0, ALL, i, one)
        if (y < p.dst_h && x < p.dst_w)
            dst_storev(((plane * p.dst_h + y) * p.dst_w + x) * 4, one);
    }
}

/* A tile of the sums to (top, left) of an image's map. */
void put_tile(int tile, int image, int top, int left, vec4 shift, int real) {
    int plane = image * p.out_blocks + OUT_BLOCK, power = WINO_OUT / 2;
    make_outputs(tile);
    [[unroll]] for (int i = 0; i < ALL; i++) {
        vec4 sum = outputs[i] + shift;
        if (RESIDUAL != 0) { /* of a place that is no output, of its neighbour */
            int y = min(top + i / WINO_OUT, p.map_h - 1), x = min(left + i % WINO_OUT, p.map_w - 1);
            sum += res_loadv(((plane * p.map_h + y) * p.map_w + x) * 4);
        }
        outputs[i] = keep_lanes(straighten(sum), real);
    }
    if (p.pool != 0) { /* of windows inside the tile */
        [[unroll]] for (int i = 0; i < POOLED_OUT * POOLED_OUT; i++) {
            int from = i / POOLED_OUT * 2 * WINO_OUT + i % POOLED_OUT * 2;
            outputs[i] = max(max(outputs[from], outputs[from + 1]),
                             max(outputs[from + WINO_OUT], outputs[from + WINO_OUT + 1]));
        }
        top /= 2;
        left /= 2;
        power--;
    }
    store_outputs(plane, top, left, power);
}

void main() {
    int at = find_tile(), weights = (AT(1) >> 2) + int(gl_WorkGroupID.y) * p.depth * TILES * WINO_PLACES + LANE;
    [[unroll]] for (int i = 0; i < WINO_PLACES * TILES; i++)
        sums[i] = vec4(0.0);
    for (int block = 0; block < p.c_blocks; block++) {
        make_v(at);
        add_products(weights);
        at += p.h * p.w;
        weights += 4 * TILES * WINO_PLACES;
    }
    if (OUT_BLOCK >= p.out_blocks)
        return;
    vec4 shift = wgt_loadv(p.bias_at + OUT_BLOCK * 4);
    int count = min(p.n * p.down * p.across - FIRST_TILE, TILES);
    int line = FIRST_TILE / p.across, x = FIRST_TILE - line * p.across, image = line / p.down, y = line - image * p.down;
    for (int tile = 0; tile < count; tile++) {
        put_tile(tile, image, y * WINO_OUT, x * WINO_OUT, shift, p.out_c - OUT_BLOCK * 4);
        if (++x == p.across) {
            x = 0;
            if (++y == p.down) {
                y = 0;
                image++;
            }
        }
    }
}
