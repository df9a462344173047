// needs: params.h
// needs: mma.cuh
/* What conv_mma.cu is made of before its sums: numbers, cells, places of a job, and the patch of the source below it. */
PARAM_STRUCT(mma_params, CONV_MMA_PARAMS)

enum { WARPS = LX / 32, WIDE = NT * 8, CHUNK = MT * 16, POOLED = POOL != 0 };
enum { IS_INT8 = NUMBERS >= 4, WIDE_CELLS = STORED == 1 || POOL >= 2 || IS_INT8 }; /* what waits in shared memory is f32 */

#define NUMBER_1 float
#define NUMBER_2 unsigned short
#define NUMBER_3 unsigned short
#define NUMBER_4 unsigned char
#define NUMBER_5 signed char
typedef CAT(NUMBER_, NUMBERS) number;
typedef CAT(NUMBER_, STORED) stored;
typedef CAT(NUMBER_, ADDED) added;
/* channels of a run of 16 bytes: of sources, of dst, of the residual */
enum { BLOCK = 16 / sizeof(number), RUN = 16 / sizeof(stored), ADDED_RUN = 16 / sizeof(added) };
enum { CELL_BYTES = WIDE_CELLS ? 4 : 2, FACTORS = IS_INT8 ? 2 : 1 }; /* of an output: its bias; what its sum is times */

static inline float real_of(float v) { return v; }
static inline float real_of(unsigned short v) { return mma_unpack<NUMBERS>(v); }
static inline float real_of(unsigned char v) { return (float)v; }
static inline float real_of(signed char v) { return (float)v; }
static inline void put(float *to, float v) { *to = v; }
static inline void put(unsigned short *to, float v) { *to = (unsigned short)mma_pack<NUMBERS>(v, 0.0f); }

static inline void put(unsigned char *to, float v) { *to = u8_of_number(v); }
static inline void put(signed char *to, float v) { *to = s8_of_number(v); }

#if NUMBERS >= 4
typedef mma_whole sums;
static inline void clear(sums &c) { c = mma_whole{}; }
static inline void multiply(sums &c, const mma_a &a, const mma_b &b) { mma_int8<NUMBERS == 5>(c, a, b); }
static inline void complete(sums &c) {}
#else
typedef mma_c sums;
static inline void clear(sums &c) { mma_zero(c); }
static inline void multiply(sums &c, const mma_a &a, const mma_b &b) { mma<NUMBERS>(c, a, b); }
static inline void complete(sums &c) { mma_done(c); }
#endif

static inline int over(int i, int magic) { /* i / d, magic = mma_magic(d) of conv_mma_plan.h */
    return magic ? (int)((unsigned long long)(unsigned)i * (unsigned)magic >> 32) : i;
}

/* ---- cells: sums on their way out, [pixel][WIDE] with p.map_pitch bytes a pixel --------------------------------------- */

static inline float cell_at(const char *cells, int i) {
    return WIDE_CELLS ? ((const float *)cells)[i] : mma_unpack<NUMBERS>(((const unsigned short *)cells)[i]);
}
static inline void put_cells(char *cells, float v0, float v1) { /* two neighbours */
    if (WIDE_CELLS) {
        ((float *)cells)[0] = v0;
        ((float *)cells)[1] = v1;
    } else {
        *(unsigned *)cells = mma_pack<NUMBERS>(v0, v1);
    }
}
/* RUN cells as dst stores them */
static inline uint4 cells_as_stored(const char *cells) {
    if (!WIDE_CELLS || STORED == 1)
        return *(const uint4 *)cells;
    uint4 out;
    for (int i = 0; i < RUN; i++)
        put((stored *)&out + i, cell_at(cells, i));
    return out;
}

/* The pool: p.pool packs what pool_word() of conv_mma.c says. POOL_K: a square window of so many, or 0: any. */
#define POOL_SH (p.pool >> 8 & 255)
#define POOL_SW (p.pool >> 16 & 255)
#if POOL_K
#define POOL_KH POOL_K
#define POOL_KW POOL_K
#else
#define POOL_KH (p.pool & 15)
#define POOL_KW (p.pool >> 4 & 15)
#endif
#define POOL_COUNTS_PADDING (p.pool >> 24 != 0)

/* ---- places ------------------------------------------------------------------------------------------------------------ */

struct job {
    int image, y, x; /* the first image; where the tile begins in the map */
};

static inline job job_at(const mma_params &p, int index) {
    int x = index % p.tiles_x, rest = index / p.tiles_x, y = rest % p.tiles_y;
    job j = {rest / p.tiles_y * p.images, y * p.tile_h, x * p.tile_w};
#if POOL
    j.y = y * p.part_h * POOL_SH - p.pool_pt;
    j.x = x * p.part_w * POOL_SW - p.pool_pl;
#endif
    return j;
}

struct pixel {
    int image, y, x; /* of the tile */
};

static inline pixel pixel_at(const mma_params &p, int i) {
    int image = over(i, p.by_tile), in = i - image * p.tile_h * p.tile_w, y = over(in, p.by_tile_w);
    pixel at = {image, y, in - y * p.tile_w};
    return at;
}

static inline int channel_at(int c, int block_step, int block) { return c / block * block_step + c % block; }

/* ---- the patch ----------------------------------------------------------------------------------------------------------- */

#if PACKED
/* By words where pixels are whole words; by halves, into both copies, where they are not. */
static inline void stage_patch(const mma_params &p, const number *src, char *patch, job j, int slice) {
    const int top = j.y * p.win_sh - p.win_pt, left = (j.x * p.win_sw - p.win_pl) * p.c;
    const int each = p.twin ? 1 : 4 / (int)sizeof(number), pitch = p.patch_row / (each * (int)sizeof(number));
    const int length = p.patch_w * p.c, width = p.w * p.c;
    number *twin = (number *)(patch + p.twin) + 1;
    #pragma unroll 4
    for (int i = threadIdx.x; i < p.images * p.patch_h * pitch; i += LX) {
        int line = over(i, p.by_line), k = (i - line * pitch) * each, image = over(line, p.by_patch_h);
        int y = top + line - image * p.patch_h, x = left + k;
        bool exists = k < length && y >= 0 && y < p.h && x >= 0 && x < width && j.image + image < p.n;
        const number *from = exists ? src + (j.image + image) * p.src_n + y * p.src_y + x : src;
        if (p.twin) {
            number v = exists ? *from : (number)0;
            ((number *)patch)[i] = v;
            twin[i] = v;
        } else {
            mma_copy<4>(patch + i * 4, from, exists);
        }
    }
}
#else
static inline void stage_patch(const mma_params &p, const number *src, char *patch, job j, int slice) {
    const int top = j.y * p.win_sh - p.win_pt, left = j.x * p.win_sw - p.win_pl;
    const int runs = p.slice_runs, each = p.src_by_run ? p.patch_w : p.patch_w * runs;
    const int lines = p.images * p.patch_h * (p.src_by_run ? runs : 1);
    #pragma unroll 2
    for (int i = threadIdx.x; i < lines * each; i += LX) {
        int line = over(i, p.by_line), k = i - line * each, x = k, run;
        if (p.src_by_run) {
            run = line;
            line = over(line, p.by_runs);
            run -= line * runs;
        } else {
            x = over(k, p.by_runs);
            run = k - x * runs;
        }
        int image = over(line, p.by_patch_h), row = line - image * p.patch_h, y = top + row, all = slice * runs + run;
        bool exists = all < p.c_runs && y >= 0 && y < p.h && left + x >= 0 && left + x < p.w && j.image + image < p.n;
        const number *from = src + (j.image + image) * p.src_n + y * p.src_y + (left + x) * p.src_x + all * p.src_run;
        mma_copy<16>(patch + image * p.patch_image + row * p.patch_row + x * p.patch_pixel + run * 16,
                     exists ? from : src, exists);
    }
}
#endif

static inline void stage_weights(const mma_params &p, const char *from, char *to) {
    #pragma unroll 2
    for (int i = threadIdx.x * 16; i < p.w_bytes; i += LX * 16)
        mma_copy<16>(to + i, from + i, true);
}

/* Bytes from a pixel's first tap to run (PACKED: word) i of K. */
static inline int offset_at(const mma_params &p, int i) {
#if PACKED
    const int numbers = 4 / (int)sizeof(number), taps = p.win_dw == 1 ? 1 : p.win_kw;
    const int length = p.win_dw == 1 ? p.win_kw * p.c : p.c, words = (length + numbers - 1) / numbers;
    int row = i / (taps * words), tap = i / words % taps;
    return row >= p.win_kh ? 0 : row * p.win_dh * p.patch_row + tap * p.win_dw * p.patch_pixel + i % words * 4;
#else
    int tap = i / p.slice_runs, y = tap / p.win_kw, x = tap % p.win_kw;
    return y >= p.win_kh ? 0 : y * p.win_dh * p.patch_row + x * p.win_dw * p.patch_pixel + i % p.slice_runs * 16;
#endif
}
