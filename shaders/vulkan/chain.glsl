/*
 * Several layers in one launch: a work-group takes one input through all of them, the maps between them in shared memory.
 * What the layers are is data (CHAIN_LAYER records at the head of the packed weights): one pipeline runs all chains.
 *
 * LX: items in a group; PAIR_PX, SINGLE_PX: places of the tiles of 2 and 1 vectors of outputs; MAPS: floats of shared memory.
 * Neighbouring items take neighbouring places. HAS_WINO: layers may be by Winograd.
 */
PARAMS(CHAIN_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(1, dst, DST_DTYPE)
#if TEXEL_VIEWS
TEXELS(2, wgt)
#else
READS(2, wgt, F32)
#endif

shared float maps[MAPS];
const int FC_SUMS = 64; /* backends/gpu/chain.c leaves room for them */
shared vec4 fc_sums[FC_SUMS];

const int LOAD = 0, INGEST = 1, CONV = 2, POOL = 3, FC = 4, WINO_LAST = 5, WINO_FIRST = 6, WINO_MUL = 7, ACT = 8, STORE = 9;

struct chain_layer {
    CHAIN_LAYER(PARAM_INT_, PARAM_FLOAT_)
};
#define COUNT_ONE_(name) +1
const int LAYER_WORDS = 0 CHAIN_LAYER(COUNT_ONE_, COUNT_ONE_);

const int LAYER_FOURS = (LAYER_WORDS + 3) / 4; /* a record begins at a multiple of four words */

chain_layer layer_at(int i) {
    ivec4 fours[LAYER_FOURS];
    [[unroll]] for (int q = 0; q < LAYER_FOURS; q++)
        fours[q] = floatBitsToInt(wgt_loadv((i * LAYER_FOURS + q) * 4));
    chain_layer l;
    int at = -1;
#define TAKE_INT_(name) at++; l.name = fours[at >> 2][at & 3];
#define TAKE_FLOAT_(name) at++; l.name = intBitsToFloat(fours[at >> 2][at & 3]);
    CHAIN_LAYER(TAKE_INT_, TAKE_FLOAT_)
    return l;
}

/* The places of a map, each item its share. */
#define EACH_PLACE(y, x, h, w)                           \
    for (int y = LID / (w), x = LID % (w); y < (h);      \
         x += LX % (w), y += LX / (w), y += x < (w) ? 0 : 1, x -= x < (w) ? 0 : (w))
#define LID int(gl_LocalInvocationID.x)

vec4 maps_loadv(int i) { return vec4(maps[i], maps[i + 1], maps[i + 2], maps[i + 3]); }

/* The first `count` lanes of a vector. */
void store_part(vec4 v, int to, int count) {
    if (count > 0)
        maps[to] = v.x;
    if (count > 1)
        maps[to + 1] = v.y;
    if (count > 2)
        maps[to + 2] = v.z;
    if (count > 3)
        maps[to + 3] = v.w;
}

void clear(int at, int count) {
    for (int i = LID; i < count; i += LX)
        maps[at + i] = 0.0;
}

void clear_border(chain_layer l) {
    int left = l.border_l * l.dst_x, right = l.border_r * l.dst_x, row = l.dst - left;
    if (l.border_t + l.border_b + left + right == 0)
        return;
    clear(row - l.border_t * l.dst_y, l.border_t * l.dst_y);
    clear(row + l.oh * l.dst_y, l.border_b * l.dst_y);
    if (left + right == 0)
        return;
    for (int i = LID; i < l.oh * (left + right); i += LX) {
        int y = i / (left + right), x = i % (left + right);
        maps[row + y * l.dst_y + x + (x < left ? 0 : l.ow * l.dst_x)] = 0.0;
    }
}

/* ---- the ends -------------------------------------------------------------------------------------------------- */

void load(chain_layer l, int n) {
    EACH_PLACE(y, x, l.oh, l.ow) {
        int to = l.dst + y * l.dst_y + x * l.dst_x;
        if (p.from_block == 4)
            for (int c = 0; c < l.oc; c += 4)
                store_part(src_loadv(MAP_AT(p, from, n, c, y, x)), to + c, l.oc - c);
        else
            for (int c = 0; c < l.oc; c++)
                maps[to + c] = src_load(MAP_AT(p, from, n, c, y, x));
    }
}

/* Zeros for images that do not exist. */
void ingest(chain_layer l, int first) {
    int scales = l.weight + l.ow * l.image_c + 4;
    EACH_PLACE(y, x, l.oh, l.ow) {
        int to = l.dst + y * l.dst_y + x * l.dst_x;
        for (int image = 0; image < p.images; image++, to += l.image_c)
            for (int c = 0; c < l.image_c; c++) {
                float v = 0.0;
                if (first + image < VALID)
                    v = (src_load(MAP_AT(p, from, first + image, c, y, x)) - wgt_load(l.weight + c)) * wgt_load(scales + c);
                maps[to + c] = v;
            }
    }
}

void store(chain_layer l, int n) {
    int stored = (l.c + p.to_block - 1) / p.to_block * p.to_block;
    bool is_blocked = p.to_block > 1 && p.to_b != 0;
    EACH_PLACE(y, x, l.h, l.w) {
        int from = l.src + y * l.src_y + x * l.src_x;
        if (is_blocked && p.to_block == 4)
            for (int c = 0; c < l.c; c += 4)
                dst_storev(MAP_AT(p, to, n, c, y, x), keep_lanes(maps_loadv(from + c), l.c - c));
        else
            for (int c = 0; c < (is_blocked ? stored : l.c); c++)
                dst_store(MAP_AT(p, to, n, c, y, x), c < l.c ? maps[from + c] : 0.0);
    }
}

/* A row is an image's share of the channels, in CHW order. */
void emit(chain_layer l, int first) {
    int classes = l.c / p.images, hw = l.h * l.w, images = min(p.images, VALID - first);
    for (int i = LID; i < images * hw; i += LX) {
        int image = i / hw, place = i % hw;
        int from = l.src + place / l.w * l.src_y + place % l.w * l.src_x + image * classes;
        int to = (first + image) * classes * hw + place;
        float top = maps[from], sum = 0.0;
        for (int k = 1; l.softmax != 0 && k < classes; k++)
            top = max(top, maps[from + k]);
        for (int k = 0; l.softmax != 0 && k < classes; k++)
            sum += exp(maps[from + k] - top);
        for (int k = 0; k < classes; k++)
            dst_store(to + k * hw, l.softmax != 0 ? exp(maps[from + k] - top) / sum : maps[from + k]);
    }
}

/* ---- between them ---------------------------------------------------------------------------------------------- */

/* acc[k][j] += maps[at + off[k] + i] * weights [i][j] from w on, for a tile of PX places k by CB vectors j of outputs. */
#define DEFINE_TILE(NAME, PX, CB)                                                                     \
    vec4 NAME##_acc[PX * CB];                                                                         \
    int NAME##_off[PX], NAME##_to[PX];                                                                \
    void NAME##_mac(int at, int w, int count) {                                                       \
        for (int i = 0; i < count; i++, w += CB * 4) {                                                \
            vec4 wide[CB];                                                                            \
            [[unroll]] for (int j = 0; j < CB; j++)                                                   \
                wide[j] = wgt_loadv(w + j * 4);                                                       \
            [[unroll]] for (int k = 0; k < PX; k++) {                                                 \
                float x = maps[at + NAME##_off[k] + i];                                               \
                [[unroll]] for (int j = 0; j < CB; j++)                                               \
                    NAME##_acc[k * CB + j] = fma(vec4(x), wide[j], NAME##_acc[k * CB + j]);           \
            }                                                                                         \
        }                                                                                             \
    }
DEFINE_TILE(pair, PAIR_PX, 2)
DEFINE_TILE(single, SINGLE_PX, 1)

/* Tile t has the places t, t + tiles and on: places past the last are the last. */
#define DEFINE_CONV(NAME, PX, CB)                                                                            \
    void NAME##_conv(chain_layer l, int wgt, int bias, int groups, int tiles, int channel) {                 \
        int places = l.oh * l.ow, taps = l.runs_y * l.runs_x * l.run;                                        \
        for (int job = LID; job < groups * tiles; job += LX) {                                               \
            int group = job / tiles, tile = job % tiles;                                                     \
            [[unroll]] for (int k = 0; k < PX; k++) {                                                        \
                int place = min(tile + k * tiles, places - 1), y = place / l.ow, x = place - y * l.ow;       \
                NAME##_off[k] = y * l.step_y + x * l.step_x;                                                 \
                NAME##_to[k] = y * l.dst_y + x * l.dst_x;                                                    \
                [[unroll]] for (int j = 0; j < CB; j++)                                                      \
                    NAME##_acc[k * CB + j] = wgt_loadv(bias + (group * CB + j) * 4);                         \
            }                                                                                                \
            int w = wgt + group * taps * CB * 4;                                                             \
            for (int ry = 0; ry < l.runs_y; ry++)                                                            \
                for (int rx = 0; rx < l.runs_x; rx++, w += l.run * CB * 4)                                   \
                    NAME##_mac(l.src + ry * l.run_y + rx * l.run_x, w, l.run);                               \
            int c = channel + group * CB * 4;                                                                \
            [[unroll]] for (int k = 0; k < PX; k++) {                                                        \
                [[unroll]] for (int j = 0; j < CB; j++)                                                      \
                    store_part(min(max(NAME##_acc[k * CB + j], vec4(l.low)), vec4(l.high)),                  \
                               l.dst + NAME##_to[k] + c + j * 4, l.oc - c - j * 4);                          \
            }                                                                                                \
        }                                                                                                    \
    }
DEFINE_CONV(pair, PAIR_PX, 2)
DEFINE_CONV(single, SINGLE_PX, 1)

void conv(chain_layer l) {
    int paired = l.pairs * 8, taps = l.runs_y * l.runs_x * l.run;
    pair_conv(l, l.weight, l.bias, l.pairs, l.pair_tiles, 0);
    single_conv(l, l.weight + paired * taps, l.bias + paired, l.singles, l.single_tiles, paired);
}

void fc_store(chain_layer l, int v, vec4 sum) {
    store_part(min(max(sum + wgt_loadv(l.bias + v * 4), vec4(l.low)), vec4(l.high)), l.dst + v * 4, l.oc - v * 4);
}

/* One place and many taps: where outputs are few, items share the taps of each. */
int fc_parts(chain_layer l) { return clamp(min(LX, FC_SUMS) / l.singles, 1, l.runs_y * l.runs_x); }

void fc(chain_layer l) {
    int parts = fc_parts(l), runs = l.runs_y * l.runs_x, jobs = parts * l.singles;
    for (int job = LID; job < jobs; job += LX) {
        int part = job / l.singles, v = job - part * l.singles;
        vec4 sum = vec4(0.0), more = vec4(0.0);
        for (int r = part; r < runs; r += parts) {
            int ry = r / l.runs_x, from = l.src + ry * l.run_y + (r - ry * l.runs_x) * l.run_x;
            int w = l.weight + (v * runs + r) * l.run * 4, i = 0;
            for (; i + 2 <= l.run; i += 2) {
                sum = fma(vec4(maps[from + i]), wgt_loadv(w + i * 4), sum);
                more = fma(vec4(maps[from + i + 1]), wgt_loadv(w + i * 4 + 4), more);
            }
            if (i < l.run)
                sum = fma(vec4(maps[from + i]), wgt_loadv(w + i * 4), sum);
        }
        if (parts > 1)
            fc_sums[job] = sum + more;
        else
            fc_store(l, v, sum + more);
    }
}

/* What the parts of fc have come to, a barrier later. */
void fc_last(chain_layer l) {
    int parts = fc_parts(l);
    for (int v = LID; parts > 1 && v < l.singles; v += LX) {
        vec4 sum = fc_sums[v];
        for (int part = 1; part < parts; part++)
            sum += fc_sums[part * l.singles + v];
        fc_store(l, v, sum);
    }
}

/* AVG (2) divides by the map's places in the window, AVG_INCLUDE_PAD (3) by the padding's too. */
void pool(chain_layer l) {
    EACH_PLACE(y, x, l.oh, l.ow) {
        int top = y * l.k_sh - l.k_pt, left = x * l.k_sw - l.k_pl;
        int to = l.dst + y * l.dst_y + x * l.dst_x;
        int rows = min(l.k_kh, (l.limit_y - top + l.k_dh - 1) / l.k_dh);
        int columns = min(l.k_kw, (l.limit_x - left + l.k_dw - 1) / l.k_dw);
        for (int c = 0; c < l.c; c++) {
            float best = uintBitsToFloat(0xff800000u), sum = 0.0;
            int inside = 0;
            for (int ky = 0, row = top; ky < rows; ky++, row += l.k_dh)
                for (int kx = 0, column = left; kx < columns; kx++, column += l.k_dw) {
                    if (row < 0 || row >= l.h || column < 0 || column >= l.w)
                        continue;
                    float value = maps[l.src + row * l.src_y + column * l.src_x + c];
                    best = max(best, value);
                    sum += value;
                    inside++;
                }
            int count = max(l.pool == 3 ? rows * columns : inside, 1);
            maps[to + c] = l.pool == 1 ? best : sum / float(count);
        }
    }
}

void activate(chain_layer l) {
    EACH_PLACE(y, x, l.oh, l.ow) {
        int at = l.dst + y * l.dst_y + x * l.dst_x;
        for (int c = 0; c < l.oc; c++)
            maps[at + c] = ACTIVATE(maps[at + c], l);
    }
}

#if HAS_WINO
#include "chain_wino.glsl"
#endif

void run_layer(chain_layer l, int n) {
    if (l.kind <= WINO_LAST)
        clear_border(l);
    switch (l.kind) {
    case LOAD: load(l, n); break;
    case INGEST: ingest(l, n * p.images); break;
    case CONV: conv(l); break;
    case POOL: pool(l); break;
    case FC: fc(l); break;
#if HAS_WINO
    case WINO_FIRST: wino_first(l); break;
    case WINO_MUL: wino_mul(l); break;
    case WINO_LAST: wino_last(l); break;
#endif
    case ACT: activate(l); break;
    case STORE: store(l, n); break;
    default: emit(l, n * p.images); break;
    }
}

void main() {
    int n = GROUP_X;
    bool is_idle = layer_at(p.layers - 1).kind > STORE && n * p.images >= VALID; /* nobody asks for its rows */
    int layers = is_idle ? 0 : p.layers;
    for (int i = 0; i < layers; i++) {
        chain_layer l = layer_at(i);
        run_layer(l, n);
        barrier();
        if (l.kind == FC)
            fc_last(l);
        barrier();
    }
}
