/* See direct.h. Built for AVX2 and AVX-512; which kinds there are depends on more. */
#include "direct_row.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "direct_strip.h"
#include "pool_ring.h"

#if defined(__AVX512BF16__)
#define BF16_TILES &CPU_BF16_FN(direct_bf16_tiles)
enum { HAS_BF16 = 1 };
#else
#define BF16_TILES NULL
enum { HAS_BF16 = 0 };
#endif
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
#define BYTES_TILES &CPU_VNNI_FN(direct_bytes_tiles)
enum { HAS_BYTES = 1 };
#else
#define BYTES_TILES NULL
enum { HAS_BYTES = 0 };
#endif

/* An image under way. */
typedef struct job {
    const cpu_direct *d;
    const direct_tiles *tiles;
    const uint32_t *weights, *nothing; /* nothing: a row of padding */
    uint32_t *strip;
    float *sums; /* rows of them */
    const char *residual;
    char *dst;
    vf lowest, highest; /* of the activation, where it is a clip */
    bool is_plain;      /* nothing but a clip is done to sums */
} job;

/* Some blocks of outputs that are computed together. */
typedef struct panel {
    int32_t first, blocks;
    bool is_half;
} panel;

static panel panel_at(const cpu_direct *d, int32_t block) {
    int32_t blocks = cpu_direct_blocks(d, VF), left = d->c_out % VF;
    bool ends_half = left > 0 && left <= DIRECT_HALF;
    if (ends_half && block == blocks - 1)
        return (panel){block, 1, true};
    return (panel){block, blocks - (ends_half ? 1 : 0) - block >= 2 ? 2 : 1, false};
}

static int32_t used_of(const cpu_direct *d, int32_t block) {
    int32_t left = d->c_out - block * VF;
    return d->blocked || left > VF ? VF : left;
}

static cpu_sink sink_of(const job *j, int32_t block, int32_t y) {
    const cpu_direct *d = j->d;
    uint64_t at = (uint64_t)block * d->block_step + (uint64_t)y * (uint64_t)d->out_w * d->place_step;
    return (cpu_sink){j->dst + at * fr_dtype_bytes((fr_dtype)d->dtype),
                      d->place_step,
                      d->dtype,
                      used_of(d, block),
                      d->per_unit,
                      j->lowest,
                      j->highest};
}

/* ---- after the sums ----------------------------------------------------------------------------------------------------- */

/* `used` numbers of the residual, in the scale of the sums; zeros follow. */
static inline vf residual_at(const cpu_direct *d, const char *residual, uint64_t at, int32_t used) {
    const char *from = residual + at * fr_dtype_bytes((fr_dtype)d->residual_dtype);
    if (used == VF && d->residual_dtype == FR_F32)
        return vf_mul(vf_load((const float *)(const void *)from), vf_all(d->residual_scale));
#if defined(__AVX512F__)
    if (used == VF && d->residual_dtype == FR_BF16) {
        __m256i halves = _mm256_loadu_si256((const __m256i *)(const void *)from);
        vf numbers = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
        return vf_mul(numbers, vf_all(d->residual_scale));
    }
    if (used == VF) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)from);
        __m512i wide = d->residual_dtype == FR_U8 ? _mm512_cvtepu8_epi32(bytes) : _mm512_cvtepi8_epi32(bytes);
        return vf_mul(_mm512_cvtepi32_ps(wide), vf_all(d->residual_scale));
    }
#endif
    float row[VF] = {0};
    CPU_FN(convert)(d->residual_dtype, 1.0f, from, FR_F32, 0.0f, row, (uint64_t)used);
    return vf_mul(vf_load(row), vf_all(d->residual_scale));
}

/* The first operands are the constants: NaN comes out as it went in. */
static inline vf activated(const job *j, vf x, bool clips) {
    if (j->d->act == FR_ACT_LEAKY)
        x = vf_fma(vf_all(j->d->act_a), vf_min(vf_all(0), x), vf_max(vf_all(0), x));
    return clips ? vf_min(j->highest, vf_max(j->lowest, x)) : x;
}

/* A row of sums: residual and activation, and then to dst, or back where a pool reads them, which leaves the clip to it. */
static void finish_row(const job *j, int32_t block, int32_t y, float *sums, uint64_t step) {
    const cpu_direct *d = j->d;
    const uint64_t at = (uint64_t)block * d->residual_block_step + (uint64_t)y * (uint64_t)d->map_w * d->place_step;
    const int32_t used = used_of(d, block);
    const bool stays = d->pool_side > 0;
    cpu_sink sink = sink_of(j, block, stays ? 0 : y);
    for (int32_t x = 0; x < d->columns; x++, sums += step) {
        vf number = vf_load(sums);
        if (j->residual != NULL)
            number = vf_add(number, residual_at(d, j->residual, at + (uint64_t)x * d->place_step, used));
        number = activated(j, number, !stays);
        if (stays)
            vf_store(sums, number);
        else
            sink_put(&sink, (uint64_t)x * d->place_step, number);
    }
}

/* The panel's newest row is y; the others of the window are behind it in the ring. */
static void pool_rows(const job *j, panel p, int32_t y, int64_t ring_row) {
    const cpu_direct *d = j->d;
    int32_t top = y - d->pool_side + 1;
    if (top < 0 || top % d->pool_stride != 0)
        return;
    for (int32_t b = 0; b < p.blocks; b++) {
        const float *rows[3] = {NULL, NULL, NULL};
        for (int32_t i = 0; i < d->pool_side; i++)
            rows[i] = j->sums + (top + i) % d->pool_side * ring_row + (int64_t)p.first * VF * d->columns + b * VF;
        cpu_sink sink = sink_of(j, p.first + b, top / d->pool_stride);
        ring_pool(rows, (uint64_t)(p.blocks * VF), d->pool_side, d->pool_stride, d->out_w, &sink);
    }
}

/* ---- a row of all outputs ------------------------------------------------------------------------------------------------ */

/* Whole vectors of sums can go to dst as they come. */
static bool is_straight(const job *j, panel p) {
    const cpu_direct *d = j->d;
    int32_t used = used_of(d, p.first + p.blocks - 1);
    return j->is_plain && d->dtype == j->tiles->own && d->pool_side == 0 &&
           (used == VF || (p.is_half && used == DIRECT_HALF));
}

/* skipped: rows of the filter that lie above the map. */
static void panel_row(const job *j, panel p, int32_t y, int32_t skipped, direct_row *r) {
    const cpu_direct *d = j->d;
    const int32_t blocks = cpu_direct_blocks(d, VF);
    const int64_t ring_row = (int64_t)d->columns * blocks * VF, next = (int64_t)blocks * VF;
    const uint32_t *vectors = j->weights + cpu_direct_vectors(d, VF) + (int64_t)p.first * VF;
    const bool straight = is_straight(j, p);
    const direct_width w = p.is_half ? DIRECT_LAST_HALF : p.blocks == 2 ? DIRECT_PAIR : DIRECT_BLOCK;
    float *sums = j->sums + (d->pool_side > 0 ? y % d->pool_side * ring_row : 0) + (int64_t)p.first * VF * d->columns;
    r->weights = j->weights + cpu_direct_taps(d) * ((int64_t)d->kh * p.first + skipped * p.blocks) * VF;
    r->start = vectors;
    r->scale = (const float *)(const void *)(vectors + CPU_DIRECT_SCALE * next);
    r->bias = (const float *)(const void *)(vectors + CPU_DIRECT_BIAS * next);
    r->out = straight ? sink_of(j, p.first, y).dst : sums;
    r->out_place = straight ? d->place_step : (uint64_t)(p.blocks * VF);
    r->out_block = straight ? d->block_step : VF;
    r->pads = straight && d->blocked;
    (straight ? j->tiles->own_row : j->tiles->row)[w](r);
    if (straight)
        return;
    for (int32_t b = 0; b < p.blocks && (d->pool_side == 0 || !j->is_plain); b++)
        finish_row(j, p.first + b, y, sums + b * VF, r->out_place);
    if (d->pool_side > 0)
        pool_rows(j, p, y, ring_row);
}

static job job_of(const cpu_direct *d, const void *weights, const void *residual, void *dst, void *scratch) {
    static const direct_tiles *const tiles[CPU_DIRECT_KINDS] = {&CPU_FN(direct_f32_tiles), BF16_TILES, BYTES_TILES};
    const float infinity = __builtin_inff();
    uint32_t *strip = scratch;
    job j = {.d = d,
             .tiles = tiles[d->kind],
             .weights = weights,
             .strip = strip,
             .nothing = strip + cpu_direct_strip_row(d) * cpu_direct_ring(d),
             .sums = (float *)scratch + cpu_direct_strip_words(d),
             .residual = residual,
             .dst = dst,
             .is_plain = residual == NULL && d->act != FR_ACT_LEAKY};
    j.lowest = vf_all(d->act == FR_ACT_RELU ? 0.0f : d->act == FR_ACT_CLIP ? d->act_a : -infinity);
    j.highest = vf_all(d->act == FR_ACT_CLIP ? d->act_b : infinity);
    if (d->kind == CPU_DIRECT_BYTES && d->dtype == FR_U8) { /* in what dst counts */
        j.lowest = vf_max(j.lowest, vf_all(0.0f));
        j.highest = vf_min(j.highest, vf_all(255.0f));
    }
    return j;
}

static void CPU_LEVEL_FN(direct_ready)(const cpu_direct *d, void *scratch) {
    uint32_t *strip = scratch, flip = strip_flip(d);
    for (int64_t i = 0; i < cpu_direct_strip_row(d) * (cpu_direct_ring(d) + 1); i++)
        strip[i] = flip;
    /* behind a half there are zeros */
    memset(strip + cpu_direct_strip_words(d), 0,
           cpu_direct_scratch_bytes(d, VF) - cpu_direct_strip_words(d) * sizeof *strip);
}

static void CPU_LEVEL_FN(direct_run)(const cpu_direct *d, const void *src, const void *weights, const void *residual,
                                     void *dst, void *scratch) {
    const job j = job_of(d, weights, residual, dst, scratch);
    const int32_t ring = cpu_direct_ring(d), blocks = cpu_direct_blocks(d, VF);
    const int64_t row = cpu_direct_strip_row(d);
    direct_row r = {.offsets = (const int32_t *)(j.weights + cpu_direct_offsets(d, VF)),
                    .taps = cpu_direct_taps(d),
                    .columns = d->columns,
                    .lowest = j.lowest,
                    .highest = j.highest};
    int32_t loaded = 0; /* rows of the source so far */
    for (int32_t y = 0; y < d->rows; y++) {
        int32_t top = y * d->sh - d->pad_top, end = top + ring < d->h ? top + ring : d->h;
        for (loaded = loaded < top ? top : loaded; loaded < end; loaded++)
            strip_row(d, src, loaded, j.nothing, j.strip + loaded % ring * row);
        int32_t skipped = 0;
        r.kh = 0;
        for (int32_t ky = 0; ky < d->kh; ky++) {
            int32_t at = top + ky * d->dh;
            bool outside = at < 0 || at >= d->h;
            skipped += outside && at < 0 && !d->is_signed;
            if (!outside || d->is_signed) /* padding of signed bytes is no zero */
                r.rows[r.kh++] = outside ? j.nothing : j.strip + at % ring * row;
        }
        panel p;
        for (int32_t b = 0; b < blocks; b += p.blocks) {
            p = panel_at(d, b);
            panel_row(&j, p, y, skipped, &r);
        }
    }
}

const cpu_direct_kernels CPU_LEVEL_FN(direct_kernels) = {
    .lanes = VF,
    .half = DIRECT_HALF,
    .has = {[CPU_DIRECT_F32] = true, [CPU_DIRECT_BF16] = HAS_BF16, [CPU_DIRECT_BYTES] = HAS_BYTES},
    .ready = CPU_LEVEL_FN(direct_ready),
    .run = CPU_LEVEL_FN(direct_run)};

#endif
