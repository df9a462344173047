#include "gpu/wino_pack.h"

#include "common/host_device.h"

static const double lines2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
static const double lines4[6][3] = {{1.0 / 4, 0, 0},
                                    {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                    {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                    {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                    {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                    {0, 0, 1}};

void wino_filter(int32_t out, const float g[9], double *u) {
    const double(*lines)[3] = out == 2 ? lines2 : lines4;
    double half[6][3];
    int32_t in = out + 2;
    for (int32_t i = 0; i < in; i++)
        for (int32_t x = 0; x < 3; x++)
            half[i][x] = lines[i][0] * (double)g[x] + lines[i][1] * (double)g[3 + x] + lines[i][2] * (double)g[6 + x];
    for (int32_t i = 0; i < in; i++)
        for (int32_t k = 0; k < in; k++)
            u[i * in + k] = half[i][0] * lines[k][0] + half[i][1] * lines[k][1] + half[i][2] * lines[k][2];
}

static uint64_t place_floats(const wino_weights *w) {
    return (uint64_t)gpu_round_up(w->c_out, w->panel) * (uint64_t)wino_depth(w->c_in);
}

uint64_t wino_bias_at(const wino_weights *w) {
    return place_floats(w) * (uint64_t)wino_places(w->out);
}

fr_status wino_pack(const fr_host *host, const wino_weights *w, const fr_weights *weights, bool has_bias,
                    gpu_recipe *recipe) {
    uint64_t bias_at = wino_bias_at(w), panel = (uint64_t)w->panel, places = (uint64_t)wino_places(w->out);
    uint64_t panel_step = panel * (uint64_t)wino_depth(w->c_in), fours_step = 4 * panel, step = place_floats(w);
    if (w->places_inside) {
        step = fours_step;
        fours_step *= places;
        panel_step *= places;
    }
    HOST_TRY(gpu_pack_new(host, recipe, (bias_at + (uint64_t)gpu_round_up(w->c_out, w->panel)) * sizeof(float)));
    float *u = recipe->packed;
    for (uint64_t o = 0; o < (uint64_t)w->c_out; o++) {
        float *column = u + o / panel * panel_step + o % panel;
        for (uint64_t i = 0; i < (uint64_t)w->c_in; i++) {
            double of_places[36];
            wino_filter(w->out, weights->weight + (o * (uint64_t)w->c_in + i) * 9, of_places);
            for (uint64_t p = 0; p < places; p++)
                column[i / 4 * fours_step + p * step + i % 4 * panel] = (float)of_places[p];
        }
        if (has_bias && weights->bias)
            u[bias_at + o] = weights->bias[o];
    }
    return FR_OK;
}
