/* The tiles of some images, chunk by chunk: see wino.h. */
#include "wino.h"

/* V and M of a chunk: a core's L2 holds them beside the weights of a layer. */
enum { CHUNK_BYTES = 400 * 1024 };

static int64_t up(int64_t a, int64_t b) {
    return (a + b - 1) / b;
}

static int64_t tile_count(const cpu_wino *w) {
    return w->n * up(w->out_h, w->side_y) * up(w->out_w, w->side_x);
}

/* An odd number of lines of 64 bytes: the places of a tile are written one after the other, and lie in different sets of L1. */
static int64_t place_step(const cpu_wino_kernels *k, int64_t rows, int64_t blocks) {
    return (rows * blocks * k->tiles * k->lanes / 16 | 1) * 16;
}

static int64_t most_rows(const cpu_wino *w, const cpu_wino_kernels *k) {
    int64_t row_bytes =
        cpu_wino_places(w) * (w->in_blocks + w->out_blocks) * k->lanes * k->tiles * (int64_t)sizeof(float);
    int64_t rows = CHUNK_BYTES / row_bytes, all = up(tile_count(w), k->tiles);
    rows = rows < 1 ? 1 : rows;
    return rows < all ? rows : all;
}

uint64_t cpu_wino_scratch_bytes(const cpu_wino *w, const cpu_wino_kernels *k) {
    int64_t rows = most_rows(w, k);
    return (uint64_t)(cpu_wino_places(w) * (place_step(k, rows, w->in_blocks) + place_step(k, rows, w->out_blocks))) *
           sizeof(float);
}

/* Chunks, and rows in a chunk, of nearly equal size: a product of few tiles is slow. */
void cpu_wino_run(const cpu_wino *w, const cpu_wino_kernels *k, const void *src, const float *u, const float *bias,
                  const void *residual, void *dst, float *scratch) {
    const cpu_wino_tile *tile = k->tile[w->side_y - CPU_WINO_LEAST_SIDE][w->side_x - CPU_WINO_LEAST_SIDE];
    const int64_t all = tile_count(w), chunks = up(all, most_rows(w, k) * k->tiles);
    for (int64_t i = 0; i < chunks; i++) {
        cpu_wino_chunk chunk = {.first = all * i / chunks};
        chunk.tiles = (int32_t)(all * (i + 1) / chunks - chunk.first);
        chunk.rows = (int32_t)up(chunk.tiles, k->tiles);
        chunk.per_row = (int32_t)up(chunk.tiles, chunk.rows);
        chunk.v_place = place_step(k, chunk.rows, w->in_blocks);
        chunk.m_place = place_step(k, chunk.rows, w->out_blocks);
        chunk.v = scratch;
        chunk.m = scratch + cpu_wino_places(w) * chunk.v_place;
        tile->input(w, &chunk, src);
        k->multiply(w, &chunk, u);
        tile->output(w, &chunk, bias, residual, dst);
    }
}
