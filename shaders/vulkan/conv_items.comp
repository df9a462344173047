/*
 * A convolution by items beside each other: an item has TILE_PX pixels, LX apart, and TILE_CB vec4 of outputs that
 * all items of its group share. Any layouts, dtypes and groups. POOLED: a group has a part of one input's map, keeps
 * it in shared memory and pools it there. See shaders/opencl/conv_items.cl.
 */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(CONV_ITEMS_PARAMS)
READS(0, src, SRC_DTYPE)
READS(1, res, RES_DTYPE)
READS(2, wgt, F32)
WRITES(3, dst, DST_DTYPE)

const int SUMS = TILE_PX * TILE_CB;
const int OUTPUTS = TILE_CB * 4;
shared vec4 pooled[POOLED != 0 ? LX * SUMS : 1];
vec4 sums[SUMS];

#define CHANNEL_AT(t, c) ((c) / p.t##_block * p.t##_b + (c) % p.t##_block * p.t##_c)

ivec2 part_corner(int id) { /* of the map, the first row and column that are in it */
    int across = id % p.parts_w, down = id / p.parts_w % p.parts_h;
    return max(ivec2(down * p.part_h * p.pool_sh - p.pool_pt, across * p.part_w * p.pool_sw - p.pool_pl), ivec2(0));
}

ivec3 pixel_at(int id, int k) { /* input, row, column; input < 0: there is none */
    int lane = int(gl_LocalInvocationID.x);
    if (POOLED != 0) {
        int at = k * LX + lane, row = quotient(at, p.pitch);
        ivec3 to = ivec3(id / (p.parts_w * p.parts_h), part_corner(id) + ivec2(row, at - row * p.pitch));
        return to.y >= p.map_h || to.z >= p.map_w || at >= p.part_pixels ? ivec3(-1, 0, 0) : to;
    }
    int at = (id * TILE_PX + k) * LX + lane;
    if (at >= p.part_pixels)
        return ivec3(-1, 0, 0);
    int n = split(at, p.map_h * p.map_w), row = split(at, p.map_w);
    return ivec3(n, row, at);
}

/* One channel of all pixels times its weights; X(k): the channel of pixel k. */
#define ITEMS_CHANNEL(X, channel)                                                        \
    [[unroll]] for (int j = 0; j < TILE_CB; j++) {                                       \
        vec4 w = wgt_loadv(weights + (channel) * OUTPUTS + j * 4);                       \
        [[unroll]] for (int k = 0; k < TILE_PX; k++)                                     \
            sums[k * TILE_CB + j] = fma(vec4(X(k)), w, sums[k * TILE_CB + j]);           \
    }
#define FIRST_LANE(k) x[k].x
#define SECOND_LANE(k) x[k].y
#define THIRD_LANE(k) x[k].z
#define FOURTH_LANE(k) x[k].w
#define ALONE(k) alone[k]

/* Are four channels from o on, of a place, side by side at a multiple of four? */
#define IS_FOUR(t, o, count) (p.t##_side == 1 || (p.t##_side == 2 && (count) == 4 && ((p.t##_x | (o)) & 3) == 0))

/* Channels o..o+count of a place; lanes past the count are anything. */
vec4 residual_lanes(int at, int o, int count) {
    vec4 v = vec4(0.0);
    if (IS_FOUR(res, o, count))
        v = res_loadv(at + CHANNEL_AT(res, o));
    else
        [[unroll]] for (int i = 0; i < 4; i++)
            if (i < count)
                v[i] = res_load(at + CHANNEL_AT(res, o + i));
    return NUMBER(RES_DTYPE, v, p.res_scale);
}

void store_lanes(vec4 v, int at, int o, int count) {
    v = keep_lanes(STORED(DST_DTYPE, v, p.dst_scale), count);
    if (IS_FOUR(dst, o, count))
        dst_storev(at + CHANNEL_AT(dst, o), v);
    else
        [[unroll]] for (int i = 0; i < 4; i++)
            if (i < count)
                dst_store(at + CHANNEL_AT(dst, o + i), v[i]);
}

/* What of a block's padding no vector covers. */
void store_zeros(int at) {
    for (int c = p.zeros_from; c < p.padded; c++)
        dst_store(at + CHANNEL_AT(dst, c), 0.0);
}

/* The pool at a place of dst, of the j-th four outputs. */
vec4 pool_place(ivec2 place, int id, int j) {
    ivec2 corner = part_corner(id);
    int top = place.x * p.pool_sh - p.pool_pt, left = place.y * p.pool_sw - p.pool_pl;
    int y_begin = top < 0 ? (-top + p.pool_dh - 1) / p.pool_dh : 0;
    int x_begin = left < 0 ? (-left + p.pool_dw - 1) / p.pool_dw : 0;
    int y_end = min(p.pool_kh, (p.map_h - top + p.pool_dh - 1) / p.pool_dh);
    int x_end = min(p.pool_kw, (p.map_w - left + p.pool_dw - 1) / p.pool_dw);
    vec4 total = vec4(p.pool == 1 ? LOWEST : 0.0);
    for (int ky = y_begin; ky < y_end; ky++)
        for (int kx = x_begin; kx < x_end; kx++) {
            int at = (top + ky * p.pool_dh - corner.x) * p.pitch + left + kx * p.pool_dw - corner.y;
            vec4 v = pooled[at * TILE_CB + j];
            total = p.pool == 1 ? max(v, total) : total + v;
        }
    if (p.pool == 1)
        return total;
    int count = max(y_end - y_begin, 0) * max(x_end - x_begin, 0);
    if (p.pool == 3) /* the padding counts too */
        count = min(p.pool_kh, (p.map_h + p.pool_pb - top + p.pool_dh - 1) / p.pool_dh) *
                min(p.pool_kw, (p.map_w + p.pool_pr - left + p.pool_dw - 1) / p.pool_dw);
    return count > 0 ? total / float(count) : vec4(0.0);
}

void main() {
    int id = GROUP_X, tile = int(gl_WorkGroupID.y), group = tile / p.tiles;
    int first = tile % p.tiles * OUTPUTS, o = group * p.co + first, valid = min(OUTPUTS, p.co - first);
    int depth = p.win_kh * p.win_kw * p.c, weights = p.groups * p.tiles * OUTPUTS + tile * depth * OUTPUTS;
    int c_first = group * p.c;
    bool by_fours = IS_FOUR(src, c_first, 4), is_last = tile == p.groups * p.tiles - 1;
    ivec3 pixel[TILE_PX];
    [[unroll]] for (int k = 0; k < TILE_PX; k++)
        pixel[k] = pixel_at(id, k);
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(0.0);
    for (int ky = 0; ky < p.win_kh; ky++)
        for (int kx = 0; kx < p.win_kw; kx++) {
            int at[TILE_PX];
            bool is_inside[TILE_PX];
            [[unroll]] for (int k = 0; k < TILE_PX; k++) {
                int y = pixel[k].y * p.win_sh - p.win_pt + ky * p.win_dh;
                int x = pixel[k].z * p.win_sw - p.win_pl + kx * p.win_dw;
                is_inside[k] = pixel[k].x >= 0 && y >= 0 && y < p.src_h && x >= 0 && x < p.src_w;
                at[k] = is_inside[k] ? pixel[k].x * p.src_n + y * p.src_y + x * p.src_x : 0;
            }
            int c = 0;
            for (; by_fours && c + 4 <= p.c; c += 4) {
                int offset = CHANNEL_AT(src, c_first + c);
                vec4 x[TILE_PX];
                [[unroll]] for (int k = 0; k < TILE_PX; k++)
                    x[k] = is_inside[k] ? src_loadv(at[k] + offset) : vec4(0.0);
                ITEMS_CHANNEL(FIRST_LANE, c)
                ITEMS_CHANNEL(SECOND_LANE, c + 1)
                ITEMS_CHANNEL(THIRD_LANE, c + 2)
                ITEMS_CHANNEL(FOURTH_LANE, c + 3)
            }
            for (; c < p.c; c++) {
                int offset = CHANNEL_AT(src, c_first + c);
                float alone[TILE_PX];
                [[unroll]] for (int k = 0; k < TILE_PX; k++)
                    alone[k] = is_inside[k] ? src_load(at[k] + offset) : 0.0;
                ITEMS_CHANNEL(ALONE, c)
            }
            weights += p.c * OUTPUTS;
        }
    vec4 done[SUMS]; /* sums again, so that only these are indexed by variables */
    ivec3 places[TILE_PX];
    [[unroll]] for (int i = 0; i < SUMS; i++)
        done[i] = sums[i];
    [[unroll]] for (int k = 0; k < TILE_PX; k++)
        places[k] = pixel[k];
    [[dont_unroll]] for (int i = 0; i < SUMS; i++) {
        int k = i / TILE_CB, j = i % TILE_CB, left = min(valid - j * 4, 4);
        ivec3 to = places[k];
        if (to.x >= 0 && left > 0) {
            vec4 v = NUMBER(SRC_DTYPE, done[i], p.src_scale) + wgt_loadv(tile * OUTPUTS + j * 4);
            if (p.has_res != 0)
                v += residual_lanes(to.x * p.res_n + to.y * p.res_y + to.z * p.res_x, o + j * 4, left);
            v = ACTIVATE(v, p);
            if (POOLED != 0)
                pooled[(k * LX + int(gl_LocalInvocationID.x)) * TILE_CB + j] = v;
            else
                store_lanes(v, to.x * p.dst_n + to.y * p.dst_y + to.z * p.dst_x, o + j * 4, left);
        }
        if (POOLED == 0 && is_last && j == 0 && to.x >= 0)
            store_zeros(to.x * p.dst_n + to.y * p.dst_y + to.z * p.dst_x);
    }
    if (POOLED != 0) {
        barrier();
        int part = id / p.parts_w, n = part / p.parts_h;
        ivec2 corner = ivec2(part % p.parts_h * p.part_h, id % p.parts_w * p.part_w);
        for (int i = int(gl_LocalInvocationID.x); i < p.part_h * p.part_w; i += LX) {
            int row = quotient(i, p.part_w);
            ivec2 to = corner + ivec2(row, i - row * p.part_w);
            if (to.x >= p.dst_h || to.y >= p.dst_w)
                continue;
            int place = n * p.dst_n + to.x * p.dst_y + to.y * p.dst_x;
            [[dont_unroll]] for (int j = 0; j < TILE_CB; j++)
                if (j * 4 < valid)
                    store_lanes(pool_place(to, id, j), place, o + j * 4, min(valid - j * 4, 4));
            if (is_last)
                store_zeros(place);
        }
    }
}
