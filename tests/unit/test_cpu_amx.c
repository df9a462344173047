/*
 * The CPU backend's convs on AMX tiles, on the model of the tiles (backends/cpu/kernels/amx_tiles.h), against plain sums: this
 * is all they have ever run on. The backend's own build of them is asked only whether it knows when it may run.
 */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include <sys/mman.h>
#include <unistd.h>

#define KIT_DEVICE "cpu"
#include "amx.h"
#include "base/convert.h"
#include "check/make.h"
#include "device_kit.h"

extern const cpu_amx_kernels cpu_amx_kernels_modelled_base;
#if defined(CPU_KERNELS_X86)
extern const cpu_amx_kernels cpu_amx_kernels_modelled_avx512;
#endif

/* ---- memory that ends, or begins, where there is none ------------------------------------------------------------------- */

typedef struct fenced {
    uint8_t *map, *at;
    size_t map_bytes, bytes, page;
} fenced;

enum { CANARY = 0xa5 };

static bool fenced_new(size_t bytes, bool at_end, fenced *out) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), inside = (bytes + page - 1) / page * page;
    *out = (fenced){.map_bytes = inside + 2 * page, .bytes = bytes, .page = page};
    void *map = mmap(NULL, out->map_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED || mprotect((char *)map + page, inside, PROT_READ | PROT_WRITE) != 0)
        return false;
    out->map = map;
    out->at = out->map + page + (at_end ? inside - bytes : 0);
    memset(out->map + page, CANARY, inside);
    return true;
}

/* Nothing was written beside it. */
static bool fenced_holds(const fenced *f) {
    bool holds = true;
    for (const uint8_t *p = f->map + f->page; p < f->map + f->map_bytes - f->page; p++)
        holds = holds && ((p >= f->at && p < f->at + f->bytes) || *p == CANARY);
    return holds;
}

static void fenced_free(fenced *f) {
    if (f->map != NULL)
        munmap(f->map, f->map_bytes);
}

/* ---- cases ------------------------------------------------------------------------------------------------------------------ */

typedef struct shape {
    int32_t c_in, c_out, h, w, kh, kw, sh, sw, top, left, bottom, right;
} shape;

/* Places and outs beside whole tiles, channels beside whole rows of them; windows of all sorts. */
static const shape shapes[] = {
    {32, 32, 10, 25, 3, 3, 1, 1, 1, 1, 1, 1},  {16, 16, 5, 16, 3, 3, 1, 1, 1, 1, 1, 1},
    {45, 33, 7, 17, 3, 3, 1, 1, 1, 1, 1, 1},   {64, 45, 9, 33, 3, 3, 2, 2, 1, 1, 1, 1},
    {100, 8, 5, 19, 1, 1, 1, 1, 0, 0, 0, 0},   {100, 16, 6, 11, 5, 5, 1, 1, 2, 2, 2, 2},
    {64, 16, 7, 35, 1, 1, 2, 2, 0, 0, 0, 0},   {3, 33, 13, 21, 5, 5, 2, 2, 2, 2, 2, 2},
    {16, 8, 6, 9, 1, 5, 1, 1, 0, 2, 0, 2},     {45, 16, 9, 10, 3, 1, 2, 1, 1, 0, 0, 0},
    {1, 16, 4, 40, 3, 3, 1, 1, 1, 1, 1, 1},    {32, 45, 3, 3, 3, 3, 1, 1, 0, 0, 0, 0},
    {21, 33, 8, 9, 3, 3, 1, 1, -1, -2, 0, -1}, {64, 8, 2, 1, 3, 3, 1, 1, 4, 3, 1, 18},
};

typedef enum filling { SMALL_INTEGERS, FULL_RANGE } filling;

typedef struct amx_case {
    cpu_amx a;
    filling filling;
    float *src, *weight; /* numbers as they are stored; f32 sources not rounded yet */
    float *scale, *bias;
    double *sum, *magnitude; /* of each output: of products, and of their magnitudes */
    uint32_t seed;
} amx_case;

enum { IMAGES = 2 };

static uint32_t next_number(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static float integer_between(uint32_t *seed, int lowest, int highest) {
    return (float)(lowest + (int)(next_number(seed) % (uint32_t)(highest - lowest + 1)));
}

static float stored_number(amx_case *c, bool is_weight) {
    bool int8 = cpu_amx_is_int8(&c->a), full = c->filling == FULL_RANGE;
    if (int8 && !is_weight && c->a.from == FR_U8)
        return integer_between(&c->seed, 0, full ? 255 : 15);
    if (int8)
        return integer_between(&c->seed, full ? (is_weight ? -127 : -128) : -8, full ? 127 : 8);
    return full ? integer_between(&c->seed, -1000000, 1000000) / 1000000.0f : integer_between(&c->seed, -6, 6);
}

/* What is multiplied. */
static double factor(const amx_case *c, float stored) {
    return (double)(cpu_amx_is_int8(&c->a) ? stored : fr_bf16_to_f32(fr_f32_to_bf16(stored)));
}

static size_t src_count(const cpu_amx *a) {
    return (size_t)IMAGES * (size_t)a->c_in * (size_t)a->h * (size_t)a->w;
}

static size_t dst_count(const cpu_amx *a) {
    return (size_t)IMAGES * (size_t)a->c_out * (size_t)a->out_h * (size_t)a->out_w;
}

static size_t weight_count(const cpu_amx *a) {
    return (size_t)a->c_out * (size_t)a->c_in * (size_t)a->kh * (size_t)a->kw;
}

/* Numbers lie [n][c][y][x] here. */
static void sum_one(amx_case *c, int32_t n, int32_t out, int32_t y, int32_t x, size_t at) {
    const cpu_amx *a = &c->a;
    c->sum[at] = c->magnitude[at] = 0.0;
    for (int32_t channel = 0; channel < a->c_in; channel++)
        for (int32_t ky = 0; ky < a->kh; ky++)
            for (int32_t kx = 0; kx < a->kw; kx++) {
                int32_t from_y = y * a->sh + ky - a->pad_top, from_x = x * a->sw + kx - a->pad_left;
                if (from_y < 0 || from_y >= a->h || from_x < 0 || from_x >= a->w)
                    continue;
                size_t s =
                    (((size_t)n * (size_t)a->c_in + (size_t)channel) * (size_t)a->h + (size_t)from_y) * (size_t)a->w +
                    (size_t)from_x;
                size_t w =
                    (((size_t)out * (size_t)a->c_in + (size_t)channel) * (size_t)a->kh + (size_t)ky) * (size_t)a->kw +
                    (size_t)kx;
                double product = factor(c, c->src[s]) * factor(c, c->weight[w]);
                c->sum[at] += product;
                c->magnitude[at] += fabs(product);
            }
}

static void sum_all(amx_case *c) {
    size_t at = 0;
    for (int32_t n = 0; n < IMAGES; n++)
        for (int32_t out = 0; out < c->a.c_out; out++)
            for (int32_t y = 0; y < c->a.out_h; y++)
                for (int32_t x = 0; x < c->a.out_w; x++)
                    sum_one(c, n, out, y, x, at++);
}

static void case_free(amx_case *c) {
    free(c->src), free(c->weight), free(c->scale), free(c->bias), free(c->sum), free(c->magnitude);
}

/* Scales are powers of two, so that rounding once or twice is the same. */
static void case_make(const shape *s, uint16_t from, filling fills, amx_case *c) {
    *c = (amx_case){.filling = fills, .seed = 1};
    c->a = (cpu_amx){.h = s->h, .w = s->w, .c_in = s->c_in, .c_out = s->c_out, .kh = s->kh, .kw = s->kw};
    cpu_amx *a = &c->a;
    a->sh = s->sh, a->sw = s->sw, a->pad_top = s->top, a->pad_left = s->left, a->from = from;
    a->out_h = (s->h + s->top + s->bottom - s->kh) / s->sh + 1;
    a->out_w = (s->w + s->left + s->right - s->kw) / s->sw + 1;
    c->src = malloc(src_count(a) * sizeof *c->src);
    c->weight = malloc(weight_count(a) * sizeof *c->weight);
    c->scale = malloc((size_t)a->c_out * sizeof *c->scale);
    c->bias = malloc((size_t)a->c_out * sizeof *c->bias);
    c->sum = malloc(dst_count(a) * sizeof *c->sum);
    c->magnitude = malloc(dst_count(a) * sizeof *c->magnitude);
    for (size_t i = 0; i < src_count(a); i++)
        c->src[i] = stored_number(c, false);
    for (size_t i = 0; i < weight_count(a); i++)
        c->weight[i] = stored_number(c, true);
    for (int32_t out = 0; out < a->c_out; out++) {
        c->scale[out] = ldexpf(1.0f, -(int)(next_number(&c->seed) % 4));
        c->bias[out] = integer_between(&c->seed, -40, 40) / 4.0f;
    }
    sum_all(c);
}

/* ---- what must come out ----------------------------------------------------------------------------------------------------- */

static float act_of(const cpu_amx *a, float x) {
    switch (a->act) {
    case FR_ACT_RELU: return x < 0.0f ? 0.0f : x;
    case FR_ACT_CLIP: return x < a->act_a ? a->act_a : x > a->act_b ? a->act_b : x;
    case FR_ACT_LEAKY: return x < 0.0f ? a->act_a * x : x;
    default: return x;
    }
}

/* As it is stored: bits of F32 and BF16, else the integer. */
static uint32_t wanted(const amx_case *c, int32_t out, double sum) {
    const cpu_amx *a = &c->a;
    float scale = cpu_amx_is_int8(a) ? c->scale[out] * 0.5f : 1.0f, x = act_of(a, (float)sum * scale + c->bias[out]);
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if (a->dtype == FR_F32)
        return bits;
    if (a->dtype == FR_BF16)
        return fr_f32_to_bf16(x);
    float lowest = a->dtype == FR_U8 ? 0.0f : -128.0f, highest = a->dtype == FR_U8 ? 255.0f : 127.0f;
    return (uint32_t)(int32_t)rintf(fminf(fmaxf(x * a->per_unit, lowest), highest));
}

/* ---- layouts ----------------------------------------------------------------------------------------------------------------- */

static size_t stored_channels(int32_t c, bool blocks) {
    return (size_t)(blocks ? (c + 15) / 16 * 16 : c);
}

static size_t stored_at(int32_t c, int32_t h, int32_t w, bool blocks, int32_t n, int32_t channel, int32_t place) {
    size_t map = (size_t)h * (size_t)w, image = (size_t)n * stored_channels(c, blocks) * map;
    return blocks ? image + ((size_t)(channel / 16) * map + (size_t)place) * 16 + (size_t)(channel % 16)
                  : image + (size_t)place * (size_t)c + (size_t)channel;
}

static void store_number(uint16_t dtype, void *at, size_t index, float value) {
    uint16_t half = fr_f32_to_bf16(value);
    switch (dtype) {
    case FR_F32: memcpy((float *)at + index, &value, sizeof value); break;
    case FR_BF16: memcpy((uint16_t *)at + index, &half, sizeof half); break;
    case FR_U8: ((uint8_t *)at)[index] = (uint8_t)value; break;
    default: ((int8_t *)at)[index] = (int8_t)value; break;
    }
}

static uint32_t stored_bits(uint16_t dtype, const void *at, size_t index) {
    switch (dtype) {
    case FR_F32: return ((const uint32_t *)at)[index];
    case FR_BF16: return ((const uint16_t *)at)[index];
    case FR_U8: return ((const uint8_t *)at)[index];
    default: return (uint32_t)(int32_t)((const int8_t *)at)[index];
    }
}

/* ---- running ----------------------------------------------------------------------------------------------------------------- */

typedef struct places {
    fenced src, weights, dst, scratch;
} places;

static void places_free(places *p) {
    fenced_free(&p->src), fenced_free(&p->weights), fenced_free(&p->dst), fenced_free(&p->scratch);
}

static bool places_new(const cpu_amx *a, bool at_end, places *p) {
    size_t src = (size_t)IMAGES * stored_channels(a->c_in, a->from_blocks) * (size_t)a->h * (size_t)a->w,
           dst = (size_t)IMAGES * stored_channels(a->c_out, a->to_blocks) * (size_t)a->out_h * (size_t)a->out_w;
    memset(p, 0, sizeof *p);
    return fenced_new(src * fr_dtype_bytes((fr_dtype)a->from), at_end, &p->src) &&
           fenced_new(dst * fr_dtype_bytes((fr_dtype)a->dtype), at_end, &p->dst) &&
           fenced_new(cpu_amx_up(a->weight_bytes, 64), at_end, &p->weights) &&
           fenced_new(cpu_amx_up(a->scratch_bytes, 64), at_end, &p->scratch);
}

/* The source's padding stays CANARY: nothing may depend on it. */
static void store_src(const amx_case *c, void *at) {
    const cpu_amx *a = &c->a;
    size_t i = 0;
    for (int32_t n = 0; n < IMAGES; n++)
        for (int32_t channel = 0; channel < a->c_in; channel++)
            for (int32_t place = 0; place < a->h * a->w; place++)
                store_number(a->from, at, stored_at(a->c_in, a->h, a->w, a->from_blocks, n, channel, place),
                             c->src[i++]);
}

static void pack(const amx_case *c, const cpu_amx_kernels *kernels, void *to) {
    const cpu_amx *a = &c->a;
    bool int8 = cpu_amx_is_int8(a);
    int8_t *bytes = malloc(weight_count(a));
    for (size_t i = 0; i < weight_count(a); i++)
        bytes[i] = (int8_t)(int8 ? c->weight[i] : 0.0f);
    memset(to, 0, cpu_amx_up(a->weight_bytes, 64));
    kernels->pack(a, int8 ? (const void *)bytes : c->weight, int8 ? c->scale : NULL, int8 ? 0.5f : 1.0f, c->bias, to);
    free(bytes);
}

static void run(const amx_case *c, const cpu_amx_kernels *kernels, places *p) {
    memset(p->scratch.at, 0xff, p->scratch.bytes);
    memset(p->dst.at, 0xff, p->dst.bytes);
    store_src(c, p->src.at);
    pack(c, kernels, p->weights.at);
    kernels->run(&c->a, IMAGES, p->src.at, p->weights.at, p->dst.at, p->scratch.at);
}

/* Sums of integers come out bit for bit; others, as F32, within what their order in f32 can do. */
static bool is_right(const amx_case *c, uint32_t got, int32_t out, size_t i) {
    const cpu_amx *a = &c->a;
    if (cpu_amx_is_int8(a) || c->filling == SMALL_INTEGERS)
        return got == wanted(c, out, c->sum[i]);
    float value;
    memcpy(&value, &got, sizeof value);
    double most = (double)(a->c_in * a->kh * a->kw + 8) * 0x1p-24 * (c->magnitude[i] + fabs((double)c->bias[out]));
    return fabs((double)value - (double)act_of(a, (float)(c->sum[i] + (double)c->bias[out]))) <= most;
}

static int count_wrong(const amx_case *c, const void *dst) {
    const cpu_amx *a = &c->a;
    int wrong = 0;
    size_t i = 0;
    for (int32_t n = 0; n < IMAGES; n++)
        for (int32_t out = 0; out < (int32_t)stored_channels(a->c_out, a->to_blocks); out++)
            for (int32_t place = 0; place < a->out_h * a->out_w; place++) {
                uint32_t got =
                    stored_bits(a->dtype, dst, stored_at(a->c_out, a->out_h, a->out_w, a->to_blocks, n, out, place));
                bool is_padding = out >= a->c_out;
                wrong += !(is_padding ? got == 0 : is_right(c, got, out, i));
                i += !is_padding;
            }
    return wrong;
}

static void check_one(amx_case *c, const cpu_amx_kernels *kernels, bool at_end) {
    places p;
    cpu_amx_shape(&c->a);
    int wrong = 0, held = 0;
    if (places_new(&c->a, at_end, &p)) {
        run(c, kernels, &p);
        wrong = count_wrong(c, p.dst.at);
        held = fenced_holds(&p.src) + fenced_holds(&p.weights) + fenced_holds(&p.dst) + fenced_holds(&p.scratch);
    }
    places_free(&p);
    if (wrong > 0 || held != 4)
        fprintf(stderr,
                "%d -> %d, %dx%d over %dx%d, source %d, dst %d, act %d, blocks %d %d: %d wrong, %d fences hold\n",
                c->a.c_in, c->a.c_out, c->a.kh, c->a.kw, c->a.h, c->a.w, c->a.from, c->a.dtype, c->a.act,
                c->a.from_blocks, c->a.to_blocks, wrong, held);
    CHECK_INT(held, 4);
    CHECK_INT(wrong, 0);
}

/* Both layouts; what is stored, the activations and the side of the fences take turns. */
static void check_shape(const shape *s, uint16_t from, filling fills, const cpu_amx_kernels *kernels, uint32_t turn) {
    static const uint16_t stored[] = {FR_F32, FR_U8, FR_BF16, FR_S8};
    static const uint16_t acts[] = {FR_ACT_RELU, FR_ACT_NONE, FR_ACT_LEAKY, FR_ACT_CLIP, FR_ACT_NONE};
    amx_case c;
    case_make(s, from, fills, &c);
    bool bound = fills == FULL_RANGE && !cpu_amx_is_int8(&c.a);
    for (uint32_t way = 0; way < 2; way++, turn += 3) {
        c.a.dtype = bound ? FR_F32 : stored[turn % 4];
        c.a.act = acts[turn % 5];
        c.a.act_a = c.a.act == FR_ACT_CLIP ? 0.0f : 0.25f;
        c.a.act_b = 6.0f;
        bool bytes = c.a.dtype == FR_U8 || c.a.dtype == FR_S8;
        c.a.per_unit = !bytes ? 1.0f : fills == FULL_RANGE ? 0x1p-13f : 0.25f;
        c.a.from_blocks = c.a.to_blocks = way == 1;
        check_one(&c, kernels, turn % 3 > 0);
    }
    case_free(&c);
}

static void check_type(uint16_t from, const cpu_amx_kernels *kernels) {
    for (uint32_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++)
        for (int fills = SMALL_INTEGERS; fills <= FULL_RANGE; fills++)
            check_shape(&shapes[i], from, (filling)fills, kernels, i + (uint32_t)fills);
}

/* A number that is none reaches the windows that have it, and nothing else. */
static void check_nan(const cpu_amx_kernels *kernels, bool blocks) {
    amx_case c;
    places p;
    case_make(&shapes[2], FR_BF16, SMALL_INTEGERS, &c);
    cpu_amx *a = &c.a;
    a->dtype = FR_F32, a->act = FR_ACT_RELU, a->per_unit = 1.0f, a->from_blocks = a->to_blocks = blocks;
    cpu_amx_shape(a);
    const int32_t y = 3, x = 11;
    c.src[y * a->w + x] = NAN; /* channel 0 of the first image */
    int wrong = 0, reached = 0;
    bool made = places_new(a, true, &p);
    if (made) {
        run(&c, kernels, &p);
        size_t i = 0;
        for (int32_t n = 0; n < IMAGES; n++)
            for (int32_t out = 0; out < (int32_t)stored_channels(a->c_out, blocks); out++)
                for (int32_t place = 0; place < a->out_h * a->out_w; place++) {
                    uint32_t got =
                        stored_bits(FR_F32, p.dst.at, stored_at(a->c_out, a->out_h, a->out_w, blocks, n, out, place));
                    bool reaches = n == 0 && abs(place / a->out_w - y) <= 1 && abs(place % a->out_w - x) <= 1;
                    bool is_nan = (got & 0x7fffffffu) > 0x7f800000u;
                    reached += is_nan;
                    wrong += out >= a->c_out ? got != 0 : reaches ? !is_nan : got != wanted(&c, out, c.sum[i]);
                    i += out < a->c_out;
                }
    }
    places_free(&p);
    case_free(&c);
    CHECK(made);
    CHECK_INT(wrong, 0);
    CHECK_INT(reached, 9 * 33);
}

static void check_all(const cpu_amx_kernels *kernels) {
    static const uint16_t types[] = {FR_U8, FR_S8, FR_BF16, FR_F32};
    for (int i = 0; i < 4; i++)
        check_type(types[i], kernels);
    check_nan(kernels, false);
    check_nan(kernels, true);
}

TEST(convs_on_modelled_tiles_in_plain_code) {
    check_all(&cpu_amx_kernels_modelled_base);
}

TEST(convs_on_modelled_tiles_in_avx512_code) {
#if defined(CPU_KERNELS_X86)
    if (!__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512vl") ||
        !__builtin_cpu_supports("avx512dq"))
        SKIP("this processor lacks AVX-512");
    check_all(&cpu_amx_kernels_modelled_avx512);
#else
    SKIP("AVX-512 is x86's");
#endif
}

/* ---- the backend's own build ------------------------------------------------------------------------------------------------- */

TEST(the_backend_offers_tiles_where_the_processor_has_them) {
    opened o;
    if (open_device(&o, "") != FR_OK) {
        close_all(&o);
        SKIP("no CPU backend here");
    }
    fr_candidate found[128];
    uint32_t count = 0, seen = 0, offered = 0;
    fr_step step = fr_make_conv(1, 32, 10, 25, 32, fr_make_window(3, 1, 1), 1);
    fr_make_of_type(&step, FR_MAKE_BF16);
    fr_status status = o.b->candidates(o.device, &step, found, 128, &count);
    bool has = strstr(o.facts.features, " amx") != NULL, knows = true;
    for (uint32_t i = 0; i < count && i < 128; i++)
        if (strncmp(found[i].name, "cpu.amx.", 8) == 0) {
            seen++;
            offered += found[i].refused == FR_WHY_NOT;
            knows = knows && (found[i].refused == FR_WHY_ISA || found[i].refused == FR_WHY_NOT);
        }
    close_all(&o);
    CHECK_OK(status);
    CHECK(knows);
    CHECK_INT(seen, 2);
    CHECK_INT(offered, has ? 2 : 0);
}

CHECK_MAIN
