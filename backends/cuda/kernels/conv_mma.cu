// needs: conv_mma_patch.cuh
/*
 * Convolution by a warp's matrix instructions. A block keeps its tile of outputs (NT times 8) and takes job after job: a tile of
 * the map, or several whole small maps, with the source's patch below it in shared memory. Warps take MT times 16 pixels of the
 * tile at a time and go through all of K for all outputs of the tile.
 *
 * K lies in steps of 32 bytes; a table says where a run of them lies, seen from a pixel's first tap. Plain: runs of 16 bytes of
 * channels, so that lanes read by ldmatrix and copies come straight from global memory. PACKED, for channels that do not fill
 * such runs: a row of the window is one run of numbers, and lanes gather words. A pixel whose row begins at an odd half reads
 * from a second copy of the patch, one half further on.
 *
 * slices > 1: channels come slice by slice, weights too, and the sums stay in registers. POOL: the tile's map stays in shared
 * memory and is pooled there; tiles overlap where windows do.
 *
 * NUMBERS: of sources and products: 1 = tf32 of f32, 2 = f16, 3 = bf16, 4 = u8, 5 = s8 (by s8, never PACKED). STORED, ADDED: what
 * dst and the residual are stored as, the same or another of these for bytes, or 1. POOL: 0, 1 max, 2 mean; POOL_K: its window,
 * or 0. STRAIGHT: the activation is made of lines.
 */
/* ---- the warp's share -------------------------------------------------------------------------------------------------- */

#if PACKED
enum { WORDS = 4 };
#else
enum { WORDS = 1 };
#endif

/* Where the lane's rows of A begin. */
static inline void find_rows(const mma_params &p, const char *patch, int chunk, mma_at (*rows)[WORDS]) {
    const int lane = mma_lane();
    #pragma unroll
    for (int m = 0; m < MT; m++)
        #pragma unroll
        for (int i = 0; i < WORDS; i++) {
            int at = chunk * CHUNK + m * 16 + (PACKED ? mma_word_row(lane, i) : mma_a_row(lane));
            pixel to = pixel_at(p, at < p.pixels ? at : 0);
            int byte = to.image * p.patch_image + to.y * p.win_sh * p.patch_row + to.x * p.win_sw * p.patch_pixel;
            if (PACKED && p.twin && byte & 2)
                byte += p.twin + 2;
            rows[m][i] = mma_at_of(patch + byte);
        }
}

static inline void load_a(mma_a *a, const mma_at (*rows)[WORDS], const int *table, int step) {
    const int lane = mma_lane();
#if PACKED
    int offset[4];
    #pragma unroll
    for (int i = 0; i < 4; i++)
        offset[i] = table[step * 8 + mma_word(lane, i)];
    #pragma unroll
    for (int m = 0; m < MT; m++)
        #pragma unroll
        for (int i = 0; i < 4; i++)
            a[m].r[i] = mma_read4(rows[m][i] + offset[i]);
#else
    const int offset = table[step * 2 + mma_a_k(lane) / 8];
    #pragma unroll
    for (int m = 0; m < MT; m++)
        mma_load_a(a[m], rows[m][0] + offset);
#endif
#if NUMBERS == 1
    #pragma unroll
    for (int m = 0; m < MT; m++)
        mma_round(a[m]);
#endif
}

/* columns: of the lane, those of a pair of tiles and of a single one */
static inline void load_b(mma_b *b, mma_at pairs, mma_at single, int pitch) {
    #pragma unroll
    for (int n = 0; n + 1 < NT; n += 2)
        mma_load_b2(b[n], b[n + 1], pairs + n * 8 * pitch);
    if (NT % 2)
        mma_load_b(b[NT - 1], single + (NT - 1) * 8 * pitch);
}

static inline void sum_up(const mma_params &p, sums (*c)[NT], const mma_at (*rows)[WORDS], const int *table,
                          const char *weights) {
    const int lane = mma_lane();
    mma_at pairs = mma_at_of(weights) + mma_b2_col(lane) * p.w_pitch + mma_b2_k(lane) * 2;
    mma_at single = mma_at_of(weights) + mma_b_col(lane) * p.w_pitch + mma_b_k(lane) * 2;
    __syncwarp(); /* lanes come from loops of their own, and matrices are loaded together */
    #pragma unroll 2
    for (int step = 0; step < p.k_steps; step++) {
        mma_a a[MT];
        mma_b b[NT];
        load_a(a, rows, table, step);
        load_b(b, pairs + step * MMA_STEP_BYTES, single + step * MMA_STEP_BYTES, p.w_pitch);
        #pragma unroll
        for (int n = 0; n < NT; n++)
            #pragma unroll
            for (int m = 0; m < MT; m++)
                multiply(c[m][n], a[m], b[n]);
    }
}

/* ---- the end ------------------------------------------------------------------------------------------------------------- */

struct outputs {
    int first, valid; /* channel of dst, and how many from there on are the tile's */
};

/* The number in dst or in the residual's map of pixel i of the tile; < 0: there is none. */
struct strides {
    int n, y, x;
};
static inline int place_of(const mma_params &p, job j, int i, strides by) {
    pixel at = pixel_at(p, i);
    int image = j.image + at.image, y = j.y + at.y, x = j.x + at.x;
    bool exists = i < p.pixels && image < p.n && y >= 0 && y < p.map_h && x >= 0 && x < p.map_w;
    return exists ? image * by.n + y * by.y + x * by.x : -1;
}

/* What is added to a chunk's pixels, into their cells. */
static inline void fetch_residual(const mma_params &p, const added *res, job j, outputs o, int chunk, char *cells) {
    const strides by = {p.res_n, p.res_y, p.res_x};
    for (int i = mma_lane(); i < CHUNK * WIDE; i += 32) {
        int row = i / WIDE, col = i % WIDE, place = place_of(p, j, chunk * CHUNK + row, by);
        float v = 0.0f;
        if (place >= 0 && col < o.valid)
            v = real_of(res[place + channel_at(o.first + col, p.res_run, ADDED_RUN)]) * p.res_scale;
        char *cell = cells + row * p.map_pitch + col * CELL_BYTES;
        if (WIDE_CELLS)
            put((float *)cell, v);
        else
            put((unsigned short *)cell, v);
    }
}

/* STRAIGHT: act_a and act_b are limits, below zero there is a slope. What is no number stays. */
#if STRAIGHT
static inline float activated(float v, const mma_params &p) {
#if MMA_IS_80 && !defined(FR_PAPER)
    float limited;
    asm("{ .reg .f32 a; max.NaN.f32 a, %1, %2; min.NaN.f32 %0, a, %3; }"
        : "=f"(limited) : "f"(v), "f"(p.act_a), "f"(p.act_b));
#else
    float above = v < p.act_a ? p.act_a : v, limited = above > p.act_b ? p.act_b : above;
#endif
    return p.slope != 0.0f ? limited + p.slope * fminf(v, 0.0f) : limited;
}
#else
static __noinline__ float activated_by(float v, int act, float a, float b) { return act_scalar(v, act, a, b); }
static inline float activated(float v, const mma_params &p) { return activated_by(v, p.act, p.act_a, p.act_b); }
#endif

static inline void finish(const mma_params &p, sums (*c)[NT], const float *bias, outputs o, char *cells) {
    const int lane = mma_lane();
    #pragma unroll
    for (int n = 0; n < NT; n++) {
        int col = n * 8 + mma_c_col(lane, 0);
        float b0 = bias[col], b1 = bias[col + 1];
        #pragma unroll
        for (int m = 0; m < MT; m++) {
            complete(c[m][n]);
            #pragma unroll
            for (int half = 0; half < 2; half++) {
                char *to = cells + (m * 16 + mma_c_row(lane, 2 * half)) * p.map_pitch + col * CELL_BYTES;
                float v0 = (float)c[m][n].v[2 * half], v1 = (float)c[m][n].v[2 * half + 1];
                if (IS_INT8) {
                    v0 *= bias[WIDE + col];
                    v1 *= bias[WIDE + col + 1];
                }
                v0 += b0;
                v1 += b1;
                if (p.has_res) {
                    v0 += cell_at(to, 0);
                    v1 += cell_at(to, 1);
                }
                v0 = col < o.valid ? activated(v0, p) : 0.0f; /* a block's padding is zero */
                v1 = col + 1 < o.valid ? activated(v1, p) : 0.0f;
                put_cells(to, v0 * p.inverse_scale, v1 * p.inverse_scale);
            }
        }
    }
}

/* Columns of a place: RUN at once where dst's runs of 16 bytes are whole. */
static inline void write_run(const mma_params &p, stored *dst, outputs o, int col, uint4 run) {
    if (p.dst_wide) {
        *(uint4 *)(dst + channel_at(o.first + col, p.dst_run, RUN)) = run;
        return;
    }
    for (int i = 0; i < RUN; i++)
        if (col + i < o.valid)
            dst[channel_at(o.first + col + i, p.dst_run, RUN)] = ((const stored *)&run)[i];
}

#if !POOL
static inline void write_chunk(const mma_params &p, stored *dst, job j, outputs o, int chunk, const char *cells) {
    const strides by = {p.dst_n, p.dst_y, p.dst_x};
    if (p.dst_wide) {
        for (int i = mma_lane(); i < CHUNK * (WIDE / RUN); i += 32) {
            /* neighbours in memory are neighbours here */
            int row = p.dst_by_run ? i % CHUNK : i / (WIDE / RUN), col = (p.dst_by_run ? i / CHUNK : i % (WIDE / RUN)) * RUN;
            int place = place_of(p, j, chunk * CHUNK + row, by);
            if (place >= 0 && col < o.valid)
                write_run(p, dst + place, o, col, cells_as_stored(cells + row * p.map_pitch + col * CELL_BYTES));
        }
        return;
    }
    for (int i = mma_lane(); i < CHUNK * WIDE; i += 32) {
        int row = i / WIDE, col = i % WIDE, place = place_of(p, j, chunk * CHUNK + row, by);
        if (place >= 0 && col < o.valid)
            put(dst + place + channel_at(o.first + col, p.dst_run, RUN), cell_at(cells + row * p.map_pitch, col));
    }
}
#else
static inline unsigned larger_word(unsigned a, unsigned b) {
    if (!WIDE_CELLS)
        return mma_larger<NUMBERS>(a, b);
    return __uint_as_float(b) > __uint_as_float(a) ? b : a;
}

/* Rounded to nearest: a division may be a few units off. */
static inline float mean_of(float sum, float count) {
    const float part = 1.0f / count, near = sum * part;
    return fmaf(fmaf(-near, count, sum), part, near);
}

/* A window: rows and columns of the map from (top, left) on, clipped to it. */
static inline uint4 pool_run(const mma_params &p, job j, const char *cells, int image, int top, int left, int col) {
    int y0 = max(-top, 0), y1 = min((int)POOL_KH, p.map_h - top), x0 = max(-left, 0), x1 = min((int)POOL_KW, p.map_w - left);
    const char *corner = cells + ((image * p.tile_h + top - j.y) * p.tile_w + left - j.x) * p.map_pitch;
#if POOL == 1
    enum { PIECES = RUN * CELL_BYTES / 16 };
    const unsigned least = WIDE_CELLS ? 0xff800000u : NUMBERS == 3 ? 0xff80ff80u : 0xfc00fc00u;
    uint4 best[PIECES];
    #pragma unroll
    for (int i = 0; i < PIECES; i++)
        best[i] = uint4{least, least, least, least};
    for (int y = 0; y < POOL_KH; y++)
        for (int x = 0; x < POOL_KW; x++) { /* outside: the nearest place inside, once more */
            int place = min(max(y, y0), y1 - 1) * p.tile_w + min(max(x, x0), x1 - 1);
            #pragma unroll
            for (int i = 0; i < PIECES && y1 > y0 && x1 > x0; i++) {
                uint4 v = *(const uint4 *)(corner + place * p.map_pitch + col * CELL_BYTES + i * 16);
                best[i].x = larger_word(best[i].x, v.x);
                best[i].y = larger_word(best[i].y, v.y);
                best[i].z = larger_word(best[i].z, v.z);
                best[i].w = larger_word(best[i].w, v.w);
            }
        }
    return cells_as_stored((const char *)best);
#else
    uint4 out;
    float totals[RUN];
    int count = max(y1 - y0, 0) * max(x1 - x0, 0);
    if (POOL_COUNTS_PADDING)
        count = min((int)POOL_KH, p.map_h + p.pool_pb - top) * min((int)POOL_KW, p.map_w + p.pool_pr - left);
    for (int i = 0; i < RUN; i++)
        totals[i] = 0.0f;
    for (int y = y0; y < y1; y++)
        for (int x = x0; x < x1; x++)
            for (int i = 0; i < RUN; i++)
                totals[i] += cell_at(corner + (y * p.tile_w + x) * p.map_pitch, col + i);
    for (int i = 0; i < RUN; i++)
        put((stored *)&out + i, count > 0 ? mean_of(totals[i], (float)count) : 0.0f);
    return out;
#endif
}

static inline void write_pooled(const mma_params &p, stored *dst, job j, outputs o, int index, const char *cells) {
    const int runs = WIDE / RUN, places = p.part_h * p.part_w;
    int tile_y = index / p.tiles_x % p.tiles_y * p.part_h, tile_x = index % p.tiles_x * p.part_w;
    for (int i = threadIdx.x; i < p.images * places * runs; i += LX) {
        int all = i / runs, col = i % runs * RUN;
        if (p.dst_by_run) {
            int in_image = i / places;
            all = in_image / runs * places + i % places;
            col = in_image % runs * RUN;
        }
        int image = all / places, y = all % places / p.part_w, x = all % p.part_w;
        y += tile_y;
        x += tile_x;
        if (col < o.valid && y < p.dst_h && x < p.dst_w && j.image + image < p.n)
            write_run(p, dst + (j.image + image) * p.dst_n + y * p.dst_y + x * p.dst_x, o, col,
                      pool_run(p, j, cells, image, y * POOL_SH - p.pool_pt, x * POOL_SW - p.pool_pl, col));
    }
}
#endif

/* ---- the block ------------------------------------------------------------------------------------------------------------ */

KERNEL void conv_mma(const number *src, const added *res, const char *wgt, stored *dst, mma_params p, uint8 words) {
    MMA_DYNAMIC(shared);
    const int warp = threadIdx.x / 32, tile = blockIdx.y, group = tile / p.n_tiles, first = tile % p.n_tiles * WIDE;
    const outputs o = {group * p.co + first, min((int)WIDE, p.co - first)};
    const char *weights = wgt + gridDim.y * (FACTORS * WIDE * 4) + (size_t)tile * p.slices * p.w_bytes;
    float *bias = (float *)shared;
    int *table = (int *)(shared + p.at_table);
    char *cells = shared + p.at_map;
    for (int i = threadIdx.x; i < FACTORS * WIDE; i += LX)
        bias[i] = ((const float *)wgt)[tile * FACTORS * WIDE + i];
    for (int i = threadIdx.x; i < p.k_steps * (PACKED ? 8 : 2); i += LX)
        table[i] = offset_at(p, i);
    src += group * p.c / BLOCK * p.src_run; /* groups begin at runs */

    const int mine = (p.jobs - (int)blockIdx.x + (int)gridDim.x - 1) / (int)gridDim.x, total = mine * p.slices;
    sums c[MT][NT];
    int staged = 0;
    for (int s = 0; s < total; s++) {
        const int slice = s % p.slices, buffer = s % p.stages, index = blockIdx.x + s / p.slices * gridDim.x;
        const bool is_last = slice == p.slices - 1;
        const job j = job_at(p, index);
        for (; staged < total && staged < s + p.stages; staged++) {
            const int next = staged % p.slices, to = staged % p.stages;
            if (p.slices > 1 || staged == 0)
                stage_weights(p, weights + next * p.w_bytes, shared + p.at_weights + (p.slices > 1 ? to * p.w_bytes : 0));
            stage_patch(p, src, shared + p.at_patch + to * p.patch_bytes,
                        job_at(p, blockIdx.x + staged / p.slices * gridDim.x), next);
            mma_copy_commit();
        }
        if (staged > s + 1)
            mma_copy_wait<1>();
        else
            mma_copy_wait<0>();
        __syncthreads();
        for (int chunk = warp; chunk < p.chunks; chunk += WARPS) {
            mma_at rows[MT][WORDS];
            find_rows(p, shared + p.at_patch + buffer * p.patch_bytes, chunk, rows);
            if (slice == 0) {
                #pragma unroll
                for (int m = 0; m < MT; m++)
                    #pragma unroll
                    for (int n = 0; n < NT; n++)
                        clear(c[m][n]);
            }
            sum_up(p, c, rows, table, shared + p.at_weights + (p.slices > 1 ? buffer * p.w_bytes : 0));
            if (!is_last)
                continue;
            char *here = cells + (POOLED ? chunk : warp) * CHUNK * p.map_pitch;
            if (p.has_res) {
                fetch_residual(p, res, j, o, chunk, here);
                __syncwarp();
            }
            finish(p, c, bias, o, here);
#if !POOL
            __syncwarp();
            write_chunk(p, dst, j, o, chunk, here);
            __syncwarp();
#endif
        }
        __syncthreads();
#if POOL
        if (is_last) {
            write_pooled(p, dst, j, o, index, cells);
            __syncthreads();
        }
#endif
    }
}
