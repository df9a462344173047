/* Any window; neighbours in a subgroup have neighbouring pixels: see conv_spread.glsl. */
#include "conv_spread.glsl"

void main() {
    int tile = GROUP_X, first = tile * BLOCK, map = p.map_h * p.map_w;
    int begin = (int(gl_WorkGroupID.y) * LX + ITEM / NEAR * NEAR) * TILE_PX + ITEM % NEAR;
    int n[TILE_PX], y[TILE_PX], x[TILE_PX];
    vec4 sums[SUMS];
    [[unroll]] for (int k = 0; k < TILE_PX; k++) {
        ivec2 image = divide(min(begin + k * NEAR, p.pixels - 1), map), place = divide(image.y, p.map_w);
        n[k] = image.x;
        y[k] = place.x;
        x[k] = place.y;
    }
    [[unroll]] for (int i = 0; i < SUMS; i++)
        sums[i] = vec4(0.0);
    int biases = AT(2) >> 2, weights = biases + p.tiles * TILE_CB + tile * p.win_kh * p.win_kw * p.blocks * BLOCK;
    int blocks = p.blocks, step = p.src_step >> 2;
    for (int ky = 0; ky < p.win_kh; ky++)
        for (int kx = 0; kx < p.win_kw; kx++) {
            int at[TILE_PX];
            uint mask[TILE_PX];
            [[unroll]] for (int k = 0; k < TILE_PX; k++) {
                int sy = y[k] * p.win_sh - p.win_pt + ky * p.win_dh, sx = x[k] * p.win_sw - p.win_pl + kx * p.win_dw;
                bool is_inside = uint(sy) < uint(p.src_h) && uint(sx) < uint(p.src_w);
                at[k] = (AT(0) + n[k] * p.src_n + (is_inside ? sy * p.src_y + sx * p.src_x : 0)) >> 2;
                mask[k] = is_inside ? 0xffffffffu : 0u;
            }
            for (int b = 0; b < blocks; b++) {
                vec4 place[TILE_PX];
                [[unroll]] for (int k = 0; k < TILE_PX; k++)
                    place[k] = keep_if(SOURCE(at[k] + b * step), mask[k]);
                WEIGHTS(weights)
#define PLACE(k) place[k]
                MULTIPLY(PLACE)
                weights += BLOCK;
            }
        }
    FINISH_BEGIN
    [[unroll]] for (int k = 0; k < TILE_PX; k++)
        FINISH(k, n[k], y[k], x[k], begin + k * NEAR < p.pixels)
}
