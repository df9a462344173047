/* Windows three wide that neither stride nor are dilated across, of maps as wide as the source: see
 * conv_spread.glsl. */
#include "conv_spread.glsl"

/* Places side by side, rows one behind the other: what is left and right of a place is there too, in another row
 * where the place is the first or the last of its own. */
void main() {
    int tile = GROUP_X, first = tile * BLOCK, map = p.map_h * p.map_w;
    int id = int(gl_WorkGroupID.y) * LX + ITEM;
    ivec2 strip = divide(min(id, p.pixels - 1), p.strips);
    int begin = strip.y * TILE_PX, source = p.src_h * p.src_w;
    int y[TILE_PX], x[TILE_PX];
    uint has_left[TILE_PX], has_right[TILE_PX];
    vec4 sums[SUMS];
    [[unroll]] for (int k = 0; k < TILE_PX; k++) {
        ivec2 place = divide(min(begin + k, map - 1), p.map_w); /* what is past the map is not stored */
        y[k] = place.x;
        x[k] = place.y;
        has_left[k] = x[k] > 0 ? 0xffffffffu : 0u;
        has_right[k] = x[k] < p.map_w - 1 ? 0xffffffffu : 0u;
    }
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(0.0);
    int blocks = p.blocks, step = p.src_step >> 2, column = blocks * BLOCK;
    int biases = AT(2) >> 2, weights = biases + p.tiles * TILE_CB + tile * p.win_kh * 3 * column;
    for (int ky = 0; ky < p.win_kh; ky++) {
        int at[TILE_PX + 2];
        uint mask[TILE_PX + 2];
        int row = begin - 1 + (ky * p.win_dh - p.win_pt) * p.src_w;
        [[unroll]] for (int k = 0; k < TILE_PX + 2; k++) {
            mask[k] = uint(row + k) < uint(source) ? 0xffffffffu : 0u;
            at[k] = (AT(0) + strip.x * p.src_n + clamp(row + k, 0, source - 1) * p.src_x) >> 2;
        }
        for (int b = 0; b < blocks; b++) {
            vec4 place[TILE_PX + 2];
            [[unroll]] for (int k = 0; k < TILE_PX + 2; k++)
                place[k] = keep_if(SOURCE(at[k] + b * step), mask[k]);
#define LEFT(k) keep_if(place[k], has_left[k])
#define MIDDLE(k) place[(k) + 1]
#define RIGHT(k) keep_if(place[(k) + 2], has_right[k])
            {
                WEIGHTS(weights)
                MULTIPLY(LEFT)
            }
            {
                WEIGHTS(weights + column)
                MULTIPLY(MIDDLE)
            }
            {
                WEIGHTS(weights + 2 * column)
                MULTIPLY(RIGHT)
            }
            weights += BLOCK;
        }
        weights += 2 * column;
    }
    FINISH_BEGIN
    [[unroll]] for (int k = 0; k < TILE_PX; k++)
        FINISH(k, strip.x, y[k], x[k], id < p.pixels && begin + k < map)
}
