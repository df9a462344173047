/*
 * Winograd with products of 16-bit integers, for any tile: see fixed.h. The including file gives DOWN and ACROSS, the outputs
 * of a tile, as plain numbers, and KERNELS, the name of the table it defines.
 */
#include "epilogue.h"
#include "fixed.h"
#include "fixed_lines.h"
#include "fixed_load.h"
#include "wino.h"
#include "wino_lines.h"

#define LINES_OF(what, n) what##n
#define LINES(what, n)    LINES_OF(what, n)

#define NOT_INLINE static __attribute__((noinline))

enum { IN_DOWN = DOWN + 2, IN_ACROSS = ACROSS + 2, PLACES = IN_DOWN * IN_ACROSS };

/* Accumulators, two vectors of weights and one broadcast fill the registers: 2*14+3 of 32, 2*6+3 of 16. */
#if defined(__AVX512F__)
enum { TILES = 14 };
#else
enum { TILES = 6 };
#endif

extern const cpu_fixed_kernels KERNELS;

typedef struct tile_place {
    int32_t image, y, x;
} tile_place; /* y, x: of its first output */

ALWAYS_INLINE tile_place place_of(const cpu_fixed *f, int64_t tile) {
    int32_t across = (f->out_w + ACROSS - 1) / ACROSS, down = (f->out_h + DOWN - 1) / DOWN;
    int64_t line = tile / across;
    return (tile_place){(int32_t)(line / down), (int32_t)(line % down) * DOWN, (int32_t)(tile % across) * ACROSS};
}

/* From place to place of V and M, in elements. An odd number of vectors: else the places of a tile share few sets of the
 * cache. */
ALWAYS_INLINE int64_t v_step_of(const cpu_fixed *f, int32_t rows) {
    return ((int64_t)rows * cpu_fixed_in_blocks(f, &KERNELS) * TILES | 1) * VH;
}

ALWAYS_INLINE int64_t m_step_of(const cpu_fixed *f, int32_t rows) {
    return ((int64_t)rows * cpu_fixed_out_blocks(f, &KERNELS) * TILES | 1) * VF;
}

#include "fixed_input.h"
#include "fixed_output.h"
#include "fixed_pack.h"
#include "fixed_product.h"

static void run_all(const cpu_fixed *f, const void *packed, const void *src, const void *residual, void *dst,
                    void *scratch) {
    const cpu_fixed_parts parts = cpu_fixed_parts_of(f, &KERNELS);
    const char *at = packed;
    const float *limits = (const float *)(const void *)(at + parts.limits);
    const int32_t rows = cpu_fixed_chunk_rows(f, &KERNELS);
    const int64_t tiles = cpu_fixed_tile_count(f, &KERNELS), chunk = (int64_t)rows * TILES;
    int16_t *v = scratch;
    float *m = (float *)(void *)(v + PLACES * v_step_of(f, rows));
    float *units = m + PLACES * m_step_of(f, rows);
    image_units image = {.image = -1};
    for (int64_t first = 0; first < tiles; first += chunk) {
        int64_t last = first + chunk < tiles ? first + chunk : tiles;
        input_chunk(f, src, limits, first, last, rows, &image, v, units);
        /* a tile that no image has holds what an earlier chunk left: its products go nowhere */
        multiply_chunk(f, v, packed, rows, last - first, m);
        output_chunk(f, m, (const float *)(const void *)(at + parts.units),
                     (const float *)(const void *)(at + parts.bias), units, first, last, rows, residual, dst);
    }
}

const cpu_fixed_kernels KERNELS = {
    .lanes = VF, .tiles = TILES, .down = DOWN, .across = ACROSS, .pack = pack, .run = run_all};
