// needs: conv_tile.cl
// needs: wino_transforms
/*
 * Several layers in one launch: a work-group takes one input through all of them, the maps between them in local
 * memory. What the layers are is data (chain_layer records at the head of the packed weights): one build runs all chains.
 *
 * VW; WINO_OUT: 4 where layers may be by Winograd, else 0; LX: items in a group, 1 on a CPU; PAIR_PX, SINGLE_PX: places
 * of the tiles of 2 and 1 vectors of outputs; MAPS: floats of local memory. A group of one item walks through places in
 * order, several items take neighbouring places at once.
 */
PARAM_STRUCT(chain_params, CHAIN_PARAMS)
PARAM_STRUCT(chain_layer, CHAIN_LAYER)

DEFINE_TILE_MAC(mac_pair, __local, PAIR_PX, 2)
DEFINE_TILE_MAC(mac_single, __local, SINGLE_PX, 1)

enum { LOAD, INGEST, CONV, POOL, FC, WINO_LAST, WINO_FIRST, WINO_MUL, ACT, STORE, EMIT };

/* The places of a map, each item its share. */
#define EACH_PLACE(y, x, h, w)                           \
    for (int y = lid / (w), x = lid % (w); y < (h);      \
         x += LX % (w), y += LX / (w), x < (w) || (x -= (w), y++))

/* The first `count` lanes of a vector. */
static inline void store_part(VEC v, __local float *to, int count) {
    if (count >= VW)
        storev_f32(v, to, 0);
    else
        store_first(v, to, count);
}

static inline void clear(__local float *to, int count, int lid) {
    for (int i = lid * VW; i < count; i += LX * VW)
        store_part((VEC)(0.0f), to + i, count - i);
}

static inline void clear_border(__local float *maps, const chain_layer l, int lid) {
    const int left = l.border_l * l.dst_x, right = l.border_r * l.dst_x;
    __local float *row = maps + l.dst - left;
    if (l.border_t + l.border_b + left + right == 0)
        return;
    clear(row - l.border_t * l.dst_y, l.border_t * l.dst_y, lid);
    clear(row + l.oh * l.dst_y, l.border_b * l.dst_y, lid);
    for (int y = 0; y < l.oh; y++, row += l.dst_y) {
        clear(row, left, lid);
        clear(row + left + l.ow * l.dst_x, right, lid);
    }
}

/* ---- the ends -------------------------------------------------------------------------------------------------- */

static inline void load(const __global SRC_T *src, const chain_params p, __local float *maps, const chain_layer l,
                        int n, int lid) {
    EACH_PLACE(y, x, l.oh, l.ow) {
        __local float *to = maps + l.dst + y * l.dst_y + x * l.dst_x;
        if (p.from_block == VW)
            for (int c = 0; c < l.oc; c += VW)
                store_part(SRC_LOADV(src, MAP_AT(p, from, n, c, y, x)), to + c, l.oc - c);
        else
            for (int c = 0; c < l.oc; c++)
                to[c] = SRC_LOAD(src, MAP_AT(p, from, n, c, y, x));
    }
}

/* Rows of an image whose numbers lie side by side on both sides; else one by one. */
static inline void ingest(const __global SRC_T *src, const __global float *wgt, const chain_params p,
                          __local float *maps, const chain_layer l, int first, int valid, int lid) {
    const __global float *mean = wgt + l.weight, *scale = mean + l.ow * l.image_c + VW;
    const int count = l.ow * l.image_c;
    if (l.dst_x == l.image_c && p.from_x == l.image_c && first < valid) {
        for (int y = lid; y < l.oh; y += LX) {
            __local float *to = maps + l.dst + y * l.dst_y;
            const int from = first * p.from_n + y * p.from_y;
            int i = 0;
            for (; i + VW <= count; i += VW)
                storev_f32((SRC_LOADV(src, from + i) - loadv_f32(mean, i)) * loadv_f32(scale, i), to, i);
            for (; i < count; i++)
                to[i] = (SRC_LOAD(src, from + i) - mean[i]) * scale[i];
        }
        return;
    }
    for (int image = 0; image < p.images; image++)
        for (int c = 0; c < l.image_c; c++) {
            const float m = mean[c], s = scale[c];
            const int from = MAP_AT(p, from, first + image, c, 0, 0);
            __local float *to = maps + l.dst + image * l.image_c + c;
            EACH_PLACE(y, x, l.oh, l.ow)
                to[y * l.dst_y + x * l.dst_x] =
                    first + image < valid ? (SRC_LOAD(src, from + y * p.from_y + x * p.from_x) - m) * s : 0.0f;
        }
}

static inline void store(__global DST_T *dst, const chain_params p, const __local float *maps, const chain_layer l,
                         int n, int lid) {
    const int stored = (l.c + p.to_block - 1) / p.to_block * p.to_block;
    const bool is_blocked = p.to_block > 1 && p.to_b != 0;
    EACH_PLACE(y, x, l.h, l.w) {
        const __local float *from = maps + l.src + y * l.src_y + x * l.src_x;
        if (is_blocked && p.to_block == VW)
            for (int c = 0; c < l.c; c += VW)
                DST_STOREV(KEEP_LANES(loadv_f32(from, c), l.c - c), dst, MAP_AT(p, to, n, c, y, x));
        else
            for (int c = 0; c < (is_blocked ? stored : l.c); c++)
                DST_STORE(c < l.c ? from[c] : 0.0f, dst, MAP_AT(p, to, n, c, y, x));
    }
}

/* A row is an image's share of the channels, in CHW order. */
static inline void emit(__global DST_T *dst, const chain_params p, const __local float *maps, const chain_layer l,
                        int first, int valid, int lid) {
    const int classes = l.c / p.images, hw = l.h * l.w, images = min(p.images, valid - first);
    for (int i = lid; i < images * hw; i += LX) {
        const int image = i / hw, place = i % hw;
        const __local float *from = maps + l.src + place / l.w * l.src_y + place % l.w * l.src_x + image * classes;
        __global DST_T *to = dst + (first + image) * classes * hw + place;
        float top = from[0], sum = 0.0f;
        for (int k = 1; l.softmax && k < classes; k++)
            top = max(top, from[k]);
        for (int k = 0; l.softmax && k < classes; k++)
            sum += exp(from[k] - top);
        for (int k = 0; k < classes; k++)
            DST_STORE(l.softmax ? exp(from[k] - top) / sum : from[k], to, k * hw);
    }
}

/* ---- between them ---------------------------------------------------------------------------------------------- */

/* Tiles of PX places x CB vectors; tile t has the places t * PX and on or, of several items, t, t + tiles and on. */
#define DEFINE_CONV(NAME, MAC, PX, CB)                                                                              \
    static inline void NAME(__local float *maps, const __global float *wgt, const __global float *bias,             \
                            const chain_layer l, int groups, int tiles, int channel, int lid) {                                          \
        const int places = l.oh * l.ow, jump = LX == 1 ? 1 : tiles, jump_y = jump / l.ow, jump_x = jump % l.ow;     \
        const int taps = l.runs_y * l.runs_x * l.run;                                                               \
        for (int job = lid; job < groups * tiles; job += LX) {                                                      \
            const int group = job / tiles, tile = job % tiles;                                                      \
            int place = LX == 1 ? tile * (PX) : tile, y = place / l.ow, x = place % l.ow;                           \
            int off[PX], to[PX];                                                                                    \
            VEC acc[(PX) * (CB)];                                                                                   \
            _Pragma("unroll") for (int k = 0; k < (PX); k++) {                                                      \
                off[k] = y * l.step_y + x * l.step_x;                                                               \
                to[k] = y * l.dst_y + x * l.dst_x;                                                                  \
                const bool more = place + jump < places;                                                            \
                place += more ? jump : 0;                                                                           \
                y += more ? jump_y : 0;                                                                             \
                x += more ? jump_x : 0;                                                                             \
                const bool wraps = x >= l.ow;                                                                       \
                x -= wraps ? l.ow : 0;                                                                              \
                y += wraps ? 1 : 0;                                                                                 \
                _Pragma("unroll") for (int j = 0; j < (CB); j++) acc[k * (CB) + j] =                                \
                    LOADV_WHOLE(bias, (group * (CB) + j) * VW);                                                     \
            }                                                                                                       \
            const __global float *w = wgt + group * taps * (CB) * VW;                                                 \
            for (int ry = 0; ry < l.runs_y; ry++)                                                                   \
                for (int rx = 0; rx < l.runs_x; rx++, w += l.run * (CB) * VW)                                       \
                    MAC(acc, maps + l.src + ry * l.run_y + rx * l.run_x, off, w, l.run);                            \
            const int c = channel + group * (CB) * VW;                                                              \
            _Pragma("unroll") for (int k = 0; k < (PX); k++) {                                                      \
                _Pragma("unroll") for (int j = 0; j < (CB); j++)                                                    \
                    store_part(min(max(acc[k * (CB) + j], (VEC)(l.low)), (VEC)(l.high)),                            \
                               maps + l.dst + to[k] + c + j * VW, l.oc - c - j * VW);                               \
            }                                                                                                       \
        }                                                                                                           \
    }

DEFINE_CONV(conv_pairs, mac_pair, PAIR_PX, 2)
DEFINE_CONV(conv_singles, mac_single, SINGLE_PX, 1)

static inline void conv(__local float *maps, const __global float *wgt, const chain_layer l, int lid) {
    const int paired = l.pairs * 2 * VW, taps = l.runs_y * l.runs_x * l.run;
    conv_pairs(maps, wgt + l.weight, wgt + l.bias, l, l.pairs, l.pair_tiles, 0, lid);
    conv_singles(maps, wgt + l.weight + paired * taps, wgt + l.bias + paired, l, l.singles, l.single_tiles, paired,
                 lid);
}

/* One place and many taps: sums of their own for each of a few taps on end. */
static inline void fc(__local float *maps, const __global float *wgt, const chain_layer l, int lid) {
    const int taps = l.runs_y * l.runs_x * l.run;
    for (int v = lid; v < l.singles; v += LX) {
        const __global float *w = wgt + l.weight + v * taps * VW;
        VEC acc[8];
#pragma unroll
        for (int j = 0; j < 8; j++)
            acc[j] = (VEC)(0.0f);
        for (int ry = 0; ry < l.runs_y; ry++)
            for (int rx = 0; rx < l.runs_x; rx++) {
                const __local float *from = maps + l.src + ry * l.run_y + rx * l.run_x;
                int i = 0;
                for (; i + 8 <= l.run; i += 8, w += 8 * VW) {
#pragma unroll
                    for (int j = 0; j < 8; j++)
                        acc[j] = fma((VEC)(from[i + j]), LOADV_WHOLE(w, j * VW), acc[j]);
                }
                for (; i < l.run; i++, w += VW)
                    acc[0] = fma((VEC)(from[i]), LOADV_WHOLE(w, 0), acc[0]);
            }
        const VEC sum = ((acc[0] + acc[1]) + (acc[2] + acc[3])) + ((acc[4] + acc[5]) + (acc[6] + acc[7]));
        const VEC biased = sum + LOADV_WHOLE(wgt, l.bias + v * VW);
        store_part(min(max(biased, (VEC)(l.low)), (VEC)(l.high)), maps + l.dst + v * VW, l.oc - v * VW);
    }
}

/* ---- Winograd, F(4x4,3x3): V of the source, M = V U for each of 36 places, the map from M ------------------------ */

#if WINO_OUT

#define WINO_VEC VEC
#define WINO_FMA(a, b, c) fma(a, b, c)
#define WINO_ALL(x) ((VEC)(x))

static inline void wino_first(__local float *maps, const chain_layer l, int lid) {
    const int step = l.tile_count * l.v_tile;
    EACH_PLACE(tile, vector, l.tile_count, l.v_tile / VW) {
        const int place = l.tile_first + tile, row = place / l.tiles_x * 4, column = place % l.tiles_x * 4;
        const __local float *from = maps + l.src + row * l.src_y + column * l.src_x + vector * VW;
        __local float *to = maps + l.v_at + tile * l.v_tile + vector * VW;
        VEC half_[36];
#pragma unroll
        for (int x = 0; x < 6; x++) {
            VEC d[6];
            const __local float *at = from;
#pragma unroll
            for (int y = 0; y < 6; y++, at += l.src_y)
                d[y] = loadv_f32(at, 0);
            from += l.src_x;
            WINO_INPUT(d, half_ + 6 * x)
        }
#pragma unroll
        for (int y = 0; y < 6; y++) {
            VEC d[6], t[6];
#pragma unroll
            for (int x = 0; x < 6; x++)
                d[x] = half_[6 * x + y];
            WINO_INPUT(d, t)
#pragma unroll
            for (int x = 0; x < 6; x++, to += step)
                storev_f32(t[x], to, 0);
        }
    }
}

/* `outputs` channels of each place of U, those of this tile's width from `channel` on, in `groups`. */
#define DEFINE_WINO_MUL(NAME, MAC, PX, CB)                                                                             \
    static inline void NAME(__local float *maps, const __global float *wgt, const chain_layer l, int groups, int tiles, \
                            int channel, int outputs, int lid) {                                                       \
        for (int place = 0, group = 0, tile = lid; groups > 0; tile += LX) {                                           \
            for (; tile >= tiles; tile -= tiles)                                                                       \
                if (++group == groups) {                                                                               \
                    group = 0;                                                                                         \
                    place++;                                                                                           \
                }                                                                                                      \
            if (place >= 36)                                                                                           \
                break;                                                                                                 \
            const int c = channel + group * (CB) * VW;                                                                 \
            __local float *m = maps + l.m_at + place * l.tile_count * l.m_tile + c;                                    \
            int off[PX], to[PX];                                                                                       \
            VEC acc[(PX) * (CB)];                                                                                      \
            _Pragma("unroll") for (int k = 0; k < (PX); k++) {                                                         \
                const int t = min(LX == 1 ? tile * (PX) + k : tile + k * tiles, l.tile_count - 1);                     \
                off[k] = t * l.v_tile;                                                                                 \
                to[k] = t * l.m_tile;                                                                                  \
            }                                                                                                          \
            _Pragma("unroll") for (int k = 0; k < (PX) * (CB); k++) acc[k] = (VEC)(0.0f);                              \
            MAC(acc, maps + l.v_at + place * l.tile_count * l.v_tile, off, wgt + (place * outputs + c) * l.c, l.c);    \
            _Pragma("unroll") for (int k = 0; k < (PX); k++) {                                                         \
                _Pragma("unroll") for (int j = 0; j < (CB); j++) storev_f32(acc[k * (CB) + j], m, to[k] + j * VW);     \
            }                                                                                                          \
        }                                                                                                              \
    }

DEFINE_WINO_MUL(wino_mul_pairs, mac_pair, PAIR_PX, 2)
DEFINE_WINO_MUL(wino_mul_singles, mac_single, SINGLE_PX, 1)

static inline void wino_mul(__local float *maps, const __global float *wgt, const chain_layer l, int lid) {
    const int paired = l.pairs * 2 * VW, outputs = paired + l.singles * VW;
    wino_mul_pairs(maps, wgt + l.weight, l, l.pairs, l.pair_tiles, 0, outputs, lid);
    wino_mul_singles(maps, wgt + l.weight, l, l.singles, l.single_tiles, paired, outputs, lid);
}

static inline void wino_last(__local float *maps, const __global float *wgt, const chain_layer l, int lid) {
    const int step = l.tile_count * l.m_tile;
    EACH_PLACE(tile, vector, l.tile_count, l.m_tile / VW) {
        const int place = l.tile_first + tile, row = place / l.tiles_x * 4, column = place % l.tiles_x * 4;
        const int c = vector * VW, rows = l.oh - row, columns = l.ow - column;
        __local float *from = maps + l.m_at + tile * l.m_tile + c;
        __local float *to = maps + l.dst + row * l.dst_y + column * l.dst_x + c;
        /* what lies partly outside goes by way of M, whose numbers have been read by then */
        const bool is_whole = rows >= 4 && columns >= 4 && l.oc - c >= VW;
        __local float *at = is_whole ? to : from;
        const int at_y = is_whole ? l.dst_y : 4 * step, at_x = is_whole ? l.dst_x : step;
        const VEC bias = LOADV_WHOLE(wgt, l.bias + c);
        VEC half_[24];
#pragma unroll
        for (int x = 0; x < 6; x++) {
            VEC m[6];
            const __local float *next = from + x * step;
#pragma unroll
            for (int y = 0; y < 6; y++, next += 6 * step)
                m[y] = loadv_f32(next, 0);
            WINO_OUTPUT(m, half_ + 4 * x)
        }
#pragma unroll
        for (int y = 0; y < 4; y++) {
            VEC m[6], t[4];
#pragma unroll
            for (int x = 0; x < 6; x++)
                m[x] = half_[4 * x + y];
            WINO_OUTPUT(m, t)
#pragma unroll
            for (int x = 0; x < 4; x++)
                storev_f32(min(max(t[x] + bias, (VEC)(l.low)), (VEC)(l.high)), at, y * at_y + x * at_x);
        }
        if (is_whole)
            continue;
#pragma unroll 1
        for (int k = 0; k < 16; k++)
            if (k / 4 < rows && k % 4 < columns)
                store_part(loadv_f32(at, k / 4 * at_y + k % 4 * at_x), to + k / 4 * l.dst_y + k % 4 * l.dst_x,
                           l.oc - c);
    }
}
#endif

/* A window of 2 or 3 columns, all of it inside the map. */
#define DEFINE_MAX(NAME, COLUMNS)                                                                              \
    static inline VEC NAME(const __local float *from, const chain_layer l) {                                     \
        VEC best = loadv_f32(from, 0);                                                                         \
        for (int ky = 0; ky < l.k_kh; ky++, from += l.k_dh * l.src_y) {                                        \
            _Pragma("unroll") for (int kx = 0; kx < (COLUMNS); kx++) best =                                    \
                max(best, loadv_f32(from, kx * l.k_dw * l.src_x));                                             \
        }                                                                                                      \
        return best;                                                                                           \
    }
DEFINE_MAX(max_of_2, 2)
DEFINE_MAX(max_of_3, 3)

/* AVG (2) divides by the map's places in the window, AVG_INCLUDE_PAD (3) by the padding's too. */
static inline void pool(__local float *maps, const chain_layer l, int lid) {
    const bool is_small = l.pool == 1 && (l.k_kw == 2 || l.k_kw == 3);
    EACH_PLACE(y, x, l.oh, l.ow) {
        const int top = y * l.k_sh - l.k_pt, left = x * l.k_sw - l.k_pl;
        __local float *to = maps + l.dst + y * l.dst_y + x * l.dst_x;
        const int bottom = top + l.k_dh * (l.k_kh - 1), right = left + l.k_dw * (l.k_kw - 1);
        if (is_small && top >= 0 && left >= 0 && bottom < l.h && right < l.w) {
            const __local float *from = maps + l.src + top * l.src_y + left * l.src_x;
            for (int c = 0; c < l.c; c += VW)
                store_part(l.k_kw == 2 ? max_of_2(from + c, l) : max_of_3(from + c, l), to + c, l.oc - c);
            continue;
        }
        const int rows = min(l.k_kh, (l.limit_y - top + l.k_dh - 1) / l.k_dh);
        const int columns = min(l.k_kw, (l.limit_x - left + l.k_dw - 1) / l.k_dw);
        for (int c = 0; c < l.c; c += VW) {
            VEC best = (VEC)(-INFINITY), sum = (VEC)(0.0f);
            int inside = 0;
            for (int ky = 0, row = top; ky < rows; ky++, row += l.k_dh)
                for (int kx = 0, column = left; kx < columns; kx++, column += l.k_dw) {
                    if (row < 0 || row >= l.h || column < 0 || column >= l.w)
                        continue;
                    const VEC value = loadv_f32(maps, l.src + row * l.src_y + column * l.src_x + c);
                    best = max(best, value);
                    sum += value;
                    inside++;
                }
            const int count = max(l.pool == 3 ? rows * columns : inside, 1);
            store_part(l.pool == 1 ? best : sum / (float)count, to + c, l.oc - c);
        }
    }
}

static inline void activate(__local float *maps, const chain_layer l, int lid) {
    EACH_PLACE(y, x, l.oh, l.ow) {
        __local float *at = maps + l.dst + y * l.dst_y + x * l.dst_x;
        for (int c = 0; c < l.oc; c += VW)
            store_part(ACTIVATE(loadv_f32(at, c), l), at + c, l.oc - c);
    }
}

KERNEL void chain(const __global SRC_T *src, __global DST_T *dst, const __global float *packed, chain_params p,
                  uint8 words) {
    LOCAL_ARRAY(float, maps, MAPS);
    const int lid = get_local_id(0), n = get_group_id(0), valid = (int)words.s6;
    const __global float *wgt = packed + words.s2;
    const __global chain_layer *layers = (const __global chain_layer *)wgt;
    const bool is_idle = layers[p.layers - 1].kind == EMIT && n * p.images >= valid; /* nobody asks for its rows */
    for (int i = 0; i < (is_idle ? 0 : p.layers); i++) {
        const chain_layer l = layers[i];
        if (l.kind <= WINO_LAST)
            clear_border(maps, l, lid);
        switch (l.kind) {
        case LOAD: load(src + words.s0, p, maps, l, n, lid); break;
        case INGEST: ingest(src + words.s0, wgt, p, maps, l, n * p.images, valid, lid); break;
        case CONV: conv(maps, wgt, l, lid); break;
        case POOL: pool(maps, l, lid); break;
        case FC: fc(maps, wgt, l, lid); break;
#if WINO_OUT
        case WINO_FIRST: wino_first(maps, l, lid); break;
        case WINO_MUL: wino_mul(maps, wgt, l, lid); break;
        case WINO_LAST: wino_last(maps, wgt, l, lid); break;
#endif
        case ACT: activate(maps, l, lid); break;
        case STORE: store(dst + words.s1, p, maps, l, n, lid); break;
        default: emit(dst + words.s1, p, maps, l, n * p.images, valid, lid); break;
        }
        barrier(CLK_LOCAL_MEM_FENCE);
    }
}
