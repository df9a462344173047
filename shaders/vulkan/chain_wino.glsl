/* Winograd, F(4x4,3x3), in chains: V of the source, M = V U for each of 36 places, the map from M. */
#define WINO_OUT 4
#define WINO_VEC float
#define WINO_FMA(a, b, c) fma(a, b, c)
#define WINO_ALL(x) (x)
#include "../wino_transforms.h"

/* The transforms: a tile of one channel an item. */
void wino_first(chain_layer l) {
    int step = l.tile_count * l.v_tile;
    EACH_PLACE(tile, c, l.tile_count, l.c) {
        int place = l.tile_first + tile, row = place / l.tiles_x * 4, column = place % l.tiles_x * 4;
        int from = l.src + row * l.src_y + column * l.src_x + c;
        float columns[36];
        [[unroll]] for (int x = 0; x < 6; x++) {
            float d[6], t[6];
            [[unroll]] for (int y = 0; y < 6; y++)
                d[y] = maps[from + y * l.src_y + x * l.src_x];
            WINO_INPUT(d, t)
            [[unroll]] for (int y = 0; y < 6; y++)
                columns[6 * x + y] = t[y];
        }
        [[unroll]] for (int y = 0; y < 6; y++) {
            float d[6], t[6];
            [[unroll]] for (int x = 0; x < 6; x++)
                d[x] = columns[6 * x + y];
            WINO_INPUT(d, t)
            [[unroll]] for (int x = 0; x < 6; x++)
                maps[l.v_at + tile * l.v_tile + c + (6 * y + x) * step] = t[x];
        }
    }
}

/* `outputs` channels of each place of U, those of this tile's width from `channel` on, in `groups`. */
#define DEFINE_WINO_MUL(NAME, PX, CB)                                                                     \
    void NAME##_wino_mul(chain_layer l, int groups, int tiles, int channel, int outputs) {                \
        for (int job = LID; job < 36 * groups * tiles; job += LX) {                                       \
            int line = job / tiles, tile = job - line * tiles, place = line / groups;                     \
            int c = channel + (line - place * groups) * CB * 4;                                           \
            int m = l.m_at + place * l.tile_count * l.m_tile + c;                                         \
            [[unroll]] for (int k = 0; k < PX; k++) {                                                     \
                int t = min(tile + k * tiles, l.tile_count - 1);                                          \
                NAME##_off[k] = t * l.v_tile;                                                             \
                NAME##_to[k] = t * l.m_tile;                                                              \
            }                                                                                             \
            [[unroll]] for (int k = 0; k < PX * CB; k++)                                                  \
                NAME##_acc[k] = vec4(0.0);                                                                \
            NAME##_mac(l.v_at + place * l.tile_count * l.v_tile, l.weight + (place * outputs + c) * l.c, l.c); \
            [[unroll]] for (int k = 0; k < PX; k++) {                                                     \
                [[unroll]] for (int j = 0; j < CB; j++)                                                   \
                    store_part(NAME##_acc[k * CB + j], m + NAME##_to[k] + j * 4, 4);                      \
            }                                                                                             \
        }                                                                                                 \
    }
DEFINE_WINO_MUL(pair, PAIR_PX, 2)
DEFINE_WINO_MUL(single, SINGLE_PX, 1)

void wino_mul(chain_layer l) {
    int paired = l.pairs * 8, outputs = paired + l.singles * 4;
    pair_wino_mul(l, l.pairs, l.pair_tiles, 0, outputs);
    single_wino_mul(l, l.singles, l.single_tiles, paired, outputs);
}

void wino_last(chain_layer l) {
    int step = l.tile_count * l.m_tile;
    EACH_PLACE(tile, c, l.tile_count, l.oc) {
        int place = l.tile_first + tile, row = place / l.tiles_x * 4, column = place % l.tiles_x * 4;
        int from = l.m_at + tile * l.m_tile + c, to = l.dst + row * l.dst_y + column * l.dst_x + c;
        float bias = wgt_load(l.bias + c), lines[24];
        [[unroll]] for (int x = 0; x < 6; x++) {
            float m[6], t[4];
            [[unroll]] for (int y = 0; y < 6; y++)
                m[y] = maps[from + (6 * y + x) * step];
            WINO_OUTPUT(m, t)
            [[unroll]] for (int y = 0; y < 4; y++)
                lines[4 * x + y] = t[y];
        }
        [[unroll]] for (int y = 0; y < 4; y++) {
            float m[6], t[4];
            [[unroll]] for (int x = 0; x < 6; x++)
                m[x] = lines[4 * x + y];
            WINO_OUTPUT(m, t)
            [[unroll]] for (int x = 0; x < 4; x++)
                if (row + y < l.oh && column + x < l.ow)
                    maps[to + y * l.dst_y + x * l.dst_x] = min(max(t[x] + bias, l.low), l.high);
        }
    }
}
