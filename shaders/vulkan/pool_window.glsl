/*
 * A window of any shape for each item. Rows and columns of a window count as the map's, the padding's, or neither:
 * past the padded edge a window is clipped.
 */
#include "pool.glsl"

const int POOL_MAX = 1, POOL_AVG = 2, POOL_AVG_INCLUDE_PAD = 3;

/* sum / count, rounded to nearest: a division may be a few units off. */
vec4 mean_of(vec4 sum, int count) {
    const float by = float(count), part = 1.0 / by;
    precise vec4 near = sum * part;
    return fma(fma(-near, vec4(by), sum), vec4(part), near);
}

/* Steps of `dilation` until `from` is at least 0, and how many of them are below `end`. */
int first_inside(int from, int dilation) { return from < 0 ? quotient(dilation - 1 - from, dilation) : 0; }
int count_below(int from, int dilation, int end) {
    return from < end ? quotient(end - from + dilation - 1, dilation) : 0;
}

/* A window of any shape; map: where its first number is. */
vec4 window_at(int map, int oy, int ox) {
    const int top = oy * p.win_sh - p.win_pt, left = ox * p.win_sw - p.win_pl;
    const int y0 = first_inside(top, p.win_dh), x0 = first_inside(left, p.win_dw);
    const int y1 = min(p.win_kh, count_below(top, p.win_dh, p.h)), x1 = min(p.win_kw, count_below(left, p.win_dw, p.w));
    const int step_y = p.win_dh * p.src_y, step_x = p.win_dw * p.src_x;
    map += top * p.src_y + left * p.src_x;
    vec4 best = vec4(LOWEST), sum = vec4(0.0);
    for (int ky = y0; ky < y1; ky++)
        for (int kx = x0; kx < x1; kx++) {
            const vec4 value = src_vector(map + ky * step_y + kx * step_x);
            best = max(best, value);
            sum += value;
        }
    if (p.kind == POOL_MAX)
        return NUMBER(SRC_DTYPE, best, p.src_scale);
    int count = max(y1 - y0, 0) * max(x1 - x0, 0);
    if (p.kind == POOL_AVG_INCLUDE_PAD)
        count = min(p.win_kh, count_below(top, p.win_dh, p.padded_h)) *
                min(p.win_kw, count_below(left, p.win_dw, p.padded_w));
    return count > 0 ? mean_of(NUMBER(SRC_DTYPE, sum, p.src_scale), count) : vec4(0.0);
}

void main() {
    pool_item item;
    if (!find_item(p.out_h, p.out_w, item))
        return;
    vec4 value = vec4(0.0);
    if (item.c < p.channels) /* else src has no such channels: a wider block of dst may end later */
        value = window_at(src_first_place(item.n, item.c), item.y, item.x);
    value = STORED(DST_DTYPE, keep_lanes(value, p.channels - item.c), p.dst_scale);
    dst_put(dst_first_place(item.n, item.c) + item.y * p.dst_y + item.x * p.dst_x, value);
}
