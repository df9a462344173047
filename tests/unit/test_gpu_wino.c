/* Winograd without a device: packed weights and the kernels' own transforms give the direct convolution. */
#include "check.h"

#include "base/status.h"
#include "common/host_device.h"
#include "gpu/wino_pack.h"
#include "run/host.h"

#define WINO_VEC          float
#define WINO_FMA(a, b, c) fmaf(a, b, c)
#define WINO_ALL(x)       (x)

/* clang-format off */
#define WINO_OUT 2
#include "wino_transforms.h"
enum { IN_2 = WINO_IN, PLACES_2 = WINO_PLACES };
static void input_2(const float *d, float *t) WINO_INPUT(d, t)
static void output_2(const float *m, float *y) WINO_OUTPUT(m, y)

#undef WINO_OUT
#undef WINO_IN
#undef WINO_PLACES
#undef WINO_INPUT
#undef WINO_OUTPUT
#define WINO_OUT 4
#include "wino_transforms.h"
static void input_4(const float *d, float *t) WINO_INPUT(d, t)
static void output_4(const float *m, float *y) WINO_OUTPUT(m, y)
    /* clang-format on */

    enum {
        C_IN = 6,
        C_OUT = 7,
        PANEL = 4,
        MOST_IN = 6
    };

typedef void (*line_fn)(const float *from, float *to);

static float some(int32_t i) { /* numbers between -1 and 1 without a pattern */
    uint32_t x = (uint32_t)i * 2654435761u + 12345u;
    x = (x ^ x >> 15) * 2246822519u;
    return (float)(x >> 8) / 8388608.0f - 1.0f;
}

/* `line` on the columns, then on the rows: in x in places become out x out. */
static void both_ways(line_fn line, int32_t in, int32_t out, const float *from, float *to) {
    float half[MOST_IN][MOST_IN];
    for (int32_t x = 0; x < in; x++) {
        float column[MOST_IN], done[MOST_IN];
        for (int32_t y = 0; y < in; y++)
            column[y] = from[y * in + x];
        line(column, done);
        for (int32_t y = 0; y < out; y++)
            half[y][x] = done[y];
    }
    for (int32_t y = 0; y < out; y++)
        line(half[y], to + y * out);
}

static float weight[C_OUT * C_IN * 9], bias[C_OUT], tile[C_IN][MOST_IN * MOST_IN];

static void fill(void) {
    for (int32_t i = 0; i < C_OUT * C_IN * 9; i++)
        weight[i] = some(i);
    for (int32_t i = 0; i < C_OUT; i++)
        bias[i] = some(5000 + i);
    for (int32_t c = 0; c < C_IN; c++)
        for (int32_t i = 0; i < MOST_IN * MOST_IN; i++)
            tile[c][i] = some(7000 + c * 100 + i);
}

static double direct(int32_t o, int32_t in, int32_t y, int32_t x) {
    double sum = (double)bias[o];
    for (int32_t c = 0; c < C_IN; c++)
        for (int32_t k = 0; k < 9; k++)
            sum += (double)weight[(o * C_IN + c) * 9 + k] * (double)tile[c][(y + k / 3) * in + x + k % 3];
    return sum;
}

/* Where the kernels look: [place][panel][input channel][channel of the panel]. */
static float packed_at(const gpu_recipe *recipe, int32_t place, int32_t o, int32_t c) {
    int32_t depth = wino_depth(C_IN), panels = gpu_ceil_div(C_OUT, PANEL);
    return ((const float *)recipe->packed)[((place * panels + o / PANEL) * depth + c) * PANEL + o % PANEL];
}

static void check_tile(int32_t out, line_fn input, line_fn output, double allowed) {
    wino_weights packing = {.out = out, .c_in = C_IN, .c_out = C_OUT, .panel = PANEL};
    fr_weights weights = {.struct_bytes = sizeof weights, .weight = weight, .bias = bias};
    fr_host host = fr_host_make(NULL);
    gpu_recipe recipe = {.n_dispatches = 0};
    int32_t in = out + 2, places = wino_places(out);
    float v[C_IN][MOST_IN * MOST_IN], m[MOST_IN * MOST_IN], y[MOST_IN * MOST_IN];
    double worst = 0;
    fill();
    CHECK_OK(wino_pack(&host, &packing, &weights, true, &recipe));
    uint64_t biases = (recipe.packed_bytes / sizeof(float) - wino_bias_at(&packing));
    const float *packed_bias = (const float *)recipe.packed + wino_bias_at(&packing);
    for (int32_t c = 0; c < C_IN; c++)
        both_ways(input, in, in, tile[c], v[c]);
    for (int32_t o = 0; o < C_OUT; o++) {
        for (int32_t p = 0; p < places; p++) {
            m[p] = 0;
            for (int32_t c = 0; c < C_IN; c++)
                m[p] += packed_at(&recipe, p, o, c) * v[c][p];
        }
        both_ways(output, in, out, m, y);
        for (int32_t i = 0; i < out * out; i++) {
            double error = fabs((double)(y[i] + packed_bias[o]) - direct(o, in, i / out, i % out));
            worst = error > worst ? error : worst;
        }
    }
    bool zeros = packed_bias[C_OUT] == 0; /* where there is no channel */
    for (int32_t p = 0; p < places; p++)
        for (int32_t c = 0; c < wino_depth(C_IN); c++)
            zeros &= packed_at(&recipe, p, C_OUT, c) == 0 && (c < C_IN || packed_at(&recipe, p, 0, c) == 0);
    host.free(recipe.packed);
    CHECK_INT(biases, gpu_round_up(C_OUT, PANEL));
    CHECK_NEAR(worst, 0, allowed);
    CHECK(zeros);
}

TEST(two_by_two_gives_the_direct_sums) {
    CHECK_INT(IN_2 * IN_2, PLACES_2);
    CHECK_INT(wino_places(2), PLACES_2);
    check_tile(2, input_2, output_2, 1e-5);
}

TEST(four_by_four_gives_the_direct_sums) {
    CHECK_INT(wino_places(4), WINO_PLACES);
    check_tile(4, input_4, output_4, 1e-4);
}

/* A filter of one number at its centre passes inputs through: exact, for 2 x 2 has halves alone. */
TEST(the_identity_filter_is_exact) {
    const float centre[9] = {0, 0, 0, 0, 1, 0, 0, 0, 0};
    double u[PLACES_2];
    float v[PLACES_2], m[PLACES_2], y[4], integers[PLACES_2];
    for (int32_t i = 0; i < PLACES_2; i++)
        integers[i] = (float)(i * 7 % 11 - 5);
    wino_filter(2, centre, u);
    both_ways(input_2, 4, 4, integers, v);
    for (int32_t i = 0; i < PLACES_2; i++)
        m[i] = (float)u[i] * v[i];
    both_ways(output_2, 4, 2, m, y);
    for (int32_t i = 0; i < 4; i++)
        CHECK_INT(y[i], integers[(i / 2 + 1) * 4 + i % 2 + 1]);
}

CHECK_MAIN
