/* Of fixed_body.h: U = G g G^T in 16-bit integers, and what their products count; in double. */

/* The sums of positive and of negative members of B^T's lines: what numbers up to 1 can make of them. */
typedef struct line_sums {
    double up[PLACES], down[PLACES];
} line_sums;

static void add_member(line_sums *sums, int line, vf member) {
    float lanes[VF];
    vf_store(lanes, member);
    if (lanes[0] > 0)
        sums->up[line] += (double)lanes[0];
    else
        sums->down[line] -= (double)lanes[0];
}

static void sums_of(line_sums *down, line_sums *across) {
    memset(down, 0, sizeof *down);
    memset(across, 0, sizeof *across);
    for (int i = 0; i < IN_DOWN; i++) {
        vf d[IN_DOWN], t[IN_DOWN];
        for (int k = 0; k < IN_DOWN; k++)
            d[k] = vf_all(k == i ? 1.0f : 0.0f);
        LINES(wino_input, DOWN)(d, t);
        for (int k = 0; k < IN_DOWN; k++)
            add_member(down, k, t[k]);
    }
    for (int i = 0; i < IN_ACROSS; i++) {
        vf d[IN_ACROSS], t[IN_ACROSS];
        for (int k = 0; k < IN_ACROSS; k++)
            d[k] = vf_all(k == i ? 1.0f : 0.0f);
        LINES(wino_input, ACROSS)(d, t);
        for (int k = 0; k < IN_ACROSS; k++)
            add_member(across, k, t[k]);
    }
}

/* The largest integers of V at each place, and what 1 of the source is counted as: exactly 1 for bytes. */
typedef struct place_limits {
    double largest[PLACES], per_one[PLACES];
} place_limits;

static void limits_of(uint16_t dtype, place_limits *limits) {
    line_sums down, across;
    sums_of(&down, &across);
    for (int p = 0; p < PLACES; p++) {
        double u0 = down.up[p / IN_ACROSS], d0 = down.down[p / IN_ACROSS], u1 = across.up[p % IN_ACROSS],
               d1 = across.down[p % IN_ACROSS];
        double up = u0 * u1 + d0 * d1, low = u0 * d1 + d0 * u1, either = up > low ? up : low, both = up + low;
        bool is_whole = dtype == FR_U8 || dtype == FR_S8;
        /* roundings of halves, each grown by a line of B^T, add at most 16 */
        limits->largest[p] = dtype == FR_U8 ? 255 * either + 16 : dtype == FR_S8 ? 128 * both + 16 : 32761;
        limits->per_one[p] = is_whole ? 1.0 : 32760 / (both > 2 * either ? both : 2 * either);
    }
}

static void filter_of(const cpu_fixed *f, const cpu_fixed_weights *from, int64_t o, int64_t c, double u[PLACES]) {
    double g[9];
    for (int64_t k = 0; k < 9; k++) {
        int64_t at = (o * f->c_in + c) * 9 + k;
        g[k] = from->weight_s8 != NULL ? (double)from->weight_s8[at] : (double)from->weight[at];
    }
    cpu_wino_filter(DOWN, ACROSS, g, u);
}

/* What 1 of U is counted as: with it, rounded weights stay int16 and sums of a group's products s32, at every place of an
 * output. NaN where a weight is not finite. */
static void scales_of(const cpu_fixed *f, const cpu_fixed_weights *from, const place_limits *limits, int64_t o,
                      double scales[PLACES]) {
    double all[PLACES] = {0}, sum[PLACES] = {0}, most_sum[PLACES] = {0}, most[PLACES] = {0}, u[PLACES];
    for (int64_t c = 0; c < f->c_in; c++) {
        filter_of(f, from, o, c, u);
        for (int p = 0; p < PLACES; p++) {
            double size = u[p] < 0 ? -u[p] : u[p];
            all[p] += size;
            sum[p] = c % CPU_FIXED_GROUP == 0 ? size : sum[p] + size;
            most_sum[p] = sum[p] > most_sum[p] ? sum[p] : most_sum[p];
            most[p] = size > most[p] ? size : most[p];
        }
    }
    for (int p = 0; p < PLACES; p++) {
        double by_sum = (2147483000.0 / limits->largest[p] - 0.5 * CPU_FIXED_GROUP) / most_sum[p],
               by_most = 32766.0 / most[p], least = by_sum < by_most ? by_sum : by_most;
        scales[p] = all[p] > 0 ? least : 1.0;
        if (!(all[p] < 1e300))
            scales[p] = __builtin_nan("");
    }
}

static int16_t rounded(double value) {
    if (value != value)
        return 0;
    return (int16_t)(value < 0 ? value - 0.5 : value + 0.5);
}

/* u: [place][pair of out blocks][block of c_in][pair of c_in][2 * lanes][2], an out block left over at the end alone */
static void pack(const cpu_fixed *f, const cpu_fixed_weights *from, void *to) {
    const cpu_fixed_parts parts = cpu_fixed_parts_of(f, &KERNELS);
    char *at = to;
    int16_t *u = to;
    float *units = (float *)(void *)(at + parts.units), *bias = (float *)(void *)(at + parts.bias);
    float *per_one = (float *)(void *)(at + parts.limits);
    const int64_t c_in = (int64_t)cpu_fixed_in_blocks(f, &KERNELS) * VH, out_blocks = cpu_fixed_out_blocks(f, &KERNELS),
                  c_out = out_blocks * VF, paired = out_blocks / 2 * 2 * VF;
    place_limits limits;
    limits_of(f->src.dtype, &limits);
    for (int p = 0; p < PLACES; p++)
        per_one[p] = (float)limits.per_one[p];
    for (int64_t o = 0; o < f->c_out; o++) {
        double scales[PLACES], place[PLACES];
        double unit = (double)from->unit * (from->weight_scale != NULL ? (double)from->weight_scale[o] : 1.0);
        scales_of(f, from, &limits, o, scales);
        for (int p = 0; p < PLACES; p++)
            units[p * c_out + o] = (float)(unit / (scales[p] * limits.per_one[p]));
        bias[o] = from->bias != NULL ? from->bias[o] * from->bias_unit : 0.0f;
        int64_t wide = o < paired ? 2 * VF : VF, column = o % wide, panel = (o - column) * c_in;
        for (int64_t position = 0; position < c_in; position++) {
            int64_t block = position / VH * VH, c = block + channel_at(f->src.dtype, (int32_t)(position - block));
            if (c >= f->c_in)
                continue;
            filter_of(f, from, o, c, place);
            for (int64_t p = 0; p < PLACES; p++)
                u[p * c_in * c_out + panel + position / 2 * 2 * wide + column * 2 + position % 2] =
                    rounded(place[p] * scales[p]);
        }
    }
}
