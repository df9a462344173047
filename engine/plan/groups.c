#include "plan/groups.h"

enum {
    MOST_AT_ONCE = 64,       /* inputs a core takes */
    MOST_SOFTWARE = 1024,    /* ... and a GPU's API on a CPU */
    TIMED_AT_ONCE = 8,       /* inputs that kernels are timed at, where a plan takes many more: on a core, */
    LEAST_SOFTWARE = 8,      /* by a GPU's API on a CPU from this */
    TIMED_SOFTWARE = 64,     /* to this */
    LEAST_CACHED = 4,        /* inputs that a launch on a wide device is still worth */
    MOST_PARTS = 256,        /* of a batch */
    LANE_SHARE_OF_MEMORY = 8 /* a lane's largest step takes one part of so many of the device's */
};

uint64_t fr_group_input_bytes(const fr_steps *steps) {
    uint64_t most = 1;
    for (int32_t i = 0; i < steps->n_items; i++) {
        const fr_step *s = &steps->items[i].step;
        uint64_t bytes = fr_tensor_bytes(&s->dst, 1);
        for (int32_t k = 0; k < s->n_src; k++)
            bytes += fr_tensor_bytes(&s->src[k], 1);
        most = bytes > most ? bytes : most;
    }
    return most;
}

double fr_step_weight_numbers(const fr_step *s) {
    double in = (double)s->src[0].c * s->src[0].h * s->src[0].w;
    if (s->kind == FR_STEP_FC)
        return in * s->dst.c;
    if (s->kind == FR_STEP_CONV)
        return (double)s->win.kh * s->win.kw * (s->src[0].c / (double)(s->groups > 1 ? s->groups : 1)) * s->dst.c;
    return 0;
}

bool fr_weights_stay(double bytes, double cache_bytes) {
    return cache_bytes <= 0 || bytes < cache_bytes / 4;
}

static int64_t round_up(int64_t value, int64_t unit) {
    return (value + unit - 1) / unit * unit;
}

/* So many parts of one size hold little more than the inputs: what is computed in vain stays under an eighth. */
static bool parts_fit(int64_t inputs, int64_t parts) {
    return parts <= inputs && round_up(inputs, parts) * 8 <= inputs * 9;
}

static void add(fr_menu *menu, int64_t group) { /* ascending; once each */
    if (menu->n_groups == 0 || menu->groups[menu->n_groups - 1] < group)
        menu->groups[menu->n_groups++] = (int32_t)group;
}

/* Powers of two, so that each divides the block. */
static void choose_for_cores(int64_t lane_inputs, fr_menu *menu) {
    for (int64_t g = 1; g <= MOST_AT_ONCE && (g == 1 || g <= lane_inputs); g *= 2)
        add(menu, g);
}

/* A launch costs as much as several inputs: the whole batch, its half, and so on. */
static void choose_for_software(int64_t lane_inputs, fr_menu *menu) {
    int64_t most = lane_inputs < MOST_SOFTWARE ? lane_inputs : MOST_SOFTWARE;
    int64_t parts = 1 << (FR_MAX_GROUPS - 1);
    while (parts > 1 && round_up(most, parts) * 8 > most * 9)
        parts /= 2;
    for (int64_t p = parts; p >= 1; p /= 2)
        add(menu, round_up(most, parts) / p);
}

/* All that a lane of a device of cores has to do, as long as the maps of all lanes stay within their share of the memory, and can be
 * counted in an int32; the half of it, for layouts add channels. */
static int64_t share_of(const fr_group_question *q, int64_t lane_inputs) {
    int64_t most = (int64_t)((uint64_t)(INT32_MAX / 2) / q->input_bytes);
    if (q->memory_bytes > 0) {
        int64_t fits = (int64_t)(q->memory_bytes / LANE_SHARE_OF_MEMORY / (uint64_t)q->lanes / q->input_bytes);
        most = fits < most ? fits : most;
    }
    int64_t share = lane_inputs < most ? lane_inputs : most;
    return share > 1 ? share : 1;
}

/* Timing every kernel at the whole share takes long: small groups are there for that. */
static void choose_layers_for_cores(const fr_group_question *q, fr_menu *menu) {
    int64_t least = q->is_software ? LEAST_SOFTWARE : 1, most = q->is_software ? TIMED_SOFTWARE : TIMED_AT_ONCE;
    for (int64_t g = least; g <= most && g < menu->share; g *= 2)
        add(menu, g);
    add(menu, menu->share);
}

/* The fewest parts, a power of two, for which a part's maps fill at most half of the last cache: the rest is for weights, or for
 * another lane's. 1: no such parts, or the whole batch fits. */
static int64_t parts_in_cache(const fr_group_question *q, int64_t inputs) {
    uint64_t room = q->cache_bytes / 2;
    int64_t parts = 1;
    while (parts <= MOST_PARTS && (uint64_t)((inputs + parts - 1) / parts) > room / q->input_bytes)
        parts *= 2;
    return parts <= MOST_PARTS && inputs / parts >= LEAST_CACHED ? parts : 1;
}

/* A wide device wants the whole batch at once; half or a quarter of it, so that one lane's copies go with another's work; a small
 * part, or one that the last cache holds, which then goes through all steps before the next begins: but not layer by layer. */
static void choose_for_wide(const fr_group_question *q, fr_menu *menu) {
    int64_t inputs = q->inputs, most = inputs;
    if (q->memory_bytes > 0)
        most = (int64_t)(q->memory_bytes / LANE_SHARE_OF_MEMORY / (uint64_t)q->lanes / q->input_bytes);
    if (most < inputs)
        inputs = most > 1 ? most : 1;
    bool by_layers = q->schedule == FR_SCHEDULE_LAYERS;
    int64_t cached = by_layers ? 1 : parts_in_cache(q, inputs), finest = by_layers ? 4 : cached > 16 ? cached : 16;
    while (finest > 1 && !parts_fit(inputs, finest))
        finest /= 2;
    int64_t whole = round_up(inputs, finest);
    for (int64_t parts = finest; parts >= 1; parts /= 2) {
        bool is_share = parts == 2 && q->lanes > 1;
        if (parts == 1 || parts == 4 || parts == 16 || parts == cached || is_share)
            add(menu, whole / parts);
        if (parts == cached && parts > 1)
            menu->cached_group = menu->n_groups - 1;
    }
}

void fr_groups_choose(const fr_group_question *q, fr_menu *menu) {
    int64_t lane_inputs = (q->inputs + q->lanes - 1) / q->lanes;
    menu->n_groups = 0;
    menu->cached_group = -1;
    menu->share = q->is_cpu ? (int32_t)share_of(q, lane_inputs) : 0;
    if (q->asked > 0)
        add(menu, q->asked);
    else if (q->is_cpu && q->schedule == FR_SCHEDULE_LAYERS)
        choose_layers_for_cores(q, menu);
    else if (q->is_software)
        choose_for_software(lane_inputs, menu);
    else if (q->is_cpu)
        choose_for_cores(lane_inputs, menu);
    else
        choose_for_wide(q, menu);
}
