/* Winograd's weights: U = G g G^T, in double: see wino.h. */
#include "wino.h"

enum { MOST_IN = CPU_WINO_MOST_SIDE + 2 };

/* Row i of G: the powers of point i over its distances from the others; the last row is the point at infinity. */
static void filter_lines(int32_t side, double lines[MOST_IN][3]) {
    static const double points[] = {0, 1, -1, 2, -2, 0.5, -0.5};
    for (int32_t i = 0; i <= side; i++) {
        double distances = 1;
        for (int32_t k = 0; k <= side; k++)
            distances *= k == i ? 1 : points[i] - points[k];
        lines[i][0] = 1 / distances;
        lines[i][1] = points[i] / distances;
        lines[i][2] = points[i] * points[i] / distances;
    }
    lines[side + 1][0] = lines[side + 1][1] = 0;
    lines[side + 1][2] = 1;
}

static double along(const double line[3], double a, double b, double c) {
    return line[0] * a + line[1] * b + line[2] * c;
}

void cpu_wino_filter(int32_t side_y, int32_t side_x, const double g[9], double *u) {
    double down[MOST_IN][3], across[MOST_IN][3];
    filter_lines(side_y, down);
    filter_lines(side_x, across);
    for (int32_t y = 0; y < side_y + 2; y++) {
        double half[3];
        for (int x = 0; x < 3; x++)
            half[x] = along(down[y], g[x], g[3 + x], g[6 + x]);
        for (int32_t x = 0; x < side_x + 2; x++)
            *u++ = along(across[x], half[0], half[1], half[2]);
    }
}

void cpu_wino_weights(const cpu_wino *w, int32_t lanes, const float *weight, float *u) {
    const int64_t c_in = w->c_in, wide = cpu_wino_wide(w, lanes), paired = wide / (2 * lanes) * 2 * lanes,
                  whole = wide / lanes * lanes;
    const int32_t places = (w->side_y + 2) * (w->side_x + 2);
    for (int64_t o = 0; o < w->c_out; o++) {
        int64_t panel = o < paired ? 2 * lanes : o < whole ? lanes : lanes / 2;
        int64_t column = (o < paired ? o : o < whole ? o - paired : o - whole) % panel;
        for (int64_t i = 0; i < c_in; i++) {
            double g[9], place[MOST_IN * MOST_IN];
            for (int k = 0; k < 9; k++)
                g[k] = (double)weight[(o * c_in + i) * 9 + k];
            cpu_wino_filter(w->side_y, w->side_x, g, place);
            float *to = u + (o - column) * c_in + i * panel + column;
            for (int32_t p = 0; p < places; p++, to += c_in * wide)
                *to = (float)place[p];
        }
    }
}
