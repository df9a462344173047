/* The model of AMX's tiles that the CPU backend's kernels are tested on: its sums, and what it lets nobody do. */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "kernels/amx_tiles.h"

static cpu_amx_config config_of(uint8_t rows, uint16_t chunk_bytes) {
    cpu_amx_config config = {.palette = 1};
    for (int tile = 0; tile < CPU_AMX_TILES; tile++) {
        bool of_places = tile == CPU_AMX_PLACES || tile == CPU_AMX_PLACES + 1, of_weights = tile >= CPU_AMX_WEIGHTS;
        config.rows[tile] = of_weights ? (uint8_t)(chunk_bytes / 4) : rows;
        config.row_bytes[tile] = of_places ? chunk_bytes : 12;
    }
    return config;
}

/* Two rows of places, three outs, 8 bytes a row. */
static void dot_small(const void *places_at, const void *weights_at, uint16_t from, uint32_t out[6]) {
    cpu_amx_config config = config_of(2, 8);
    tiles_configure(&config);
    tile_zero(0);
    tile_load(CPU_AMX_PLACES, places_at, 8);
    tile_load(CPU_AMX_WEIGHTS, weights_at, 12);
    tile_dot(0, from);
    tile_dot(0, from); /* sums go on */
    tile_store(0, out, 12);
    tiles_release();
}

TEST(the_model_multiplies_bytes) {
    static const uint8_t bytes[16] = {255, 1, 2, 3, 128, 0, 0, 0, 200, 0, 0, 7, 1, 1, 1, 1};
    static const int8_t weights[24] = {-128, 1, 1, 1, 2, 2, 2, 2, 127, 0, 0, 0, -1, 5, 5, 5, 0, 0, 0, 0, 127, 1, 1, 1};
    uint32_t got[6];
    for (int is_signed = 0; is_signed < 2; is_signed++) {
        dot_small(bytes, weights, is_signed ? FR_S8 : FR_U8, got);
        for (int y = 0; y < 2; y++)
            for (int x = 0; x < 3; x++) {
                int sum = 0;
                for (int k = 0; k < 8; k++)
                    sum += (is_signed ? (int)(int8_t)bytes[y * 8 + k] : (int)bytes[y * 8 + k]) *
                           (int)weights[k / 4 * 12 + x * 4 + k % 4];
                CHECK_INT((int32_t)got[y * 3 + x], 2 * sum);
            }
    }
}

TEST(the_model_sums_even_and_odd_numbers_apart) {
    float numbers[8] = {0x1p24f, 1, 1, 1, 0x1p-126f, 0, 0x1p-127f, 1};
    uint16_t halves[8], weights[12];
    for (int i = 0; i < 8; i++)
        halves[i] = fr_f32_to_bf16(numbers[i]);
    for (int i = 0; i < 12; i++)
        weights[i] = fr_f32_to_bf16(i < 2 ? 1.0f : i == 2 || i == 8 ? 0.5f : i == 4 || i == 10 ? 1.0f : 0.0f);
    weights[6] = fr_f32_to_bf16(1.0f), weights[7] = fr_f32_to_bf16(1.0f);
    uint32_t bits[6];
    float got[6];
    dot_small(halves, weights, FR_BF16, bits);
    memcpy(got, bits, sizeof got);
    CHECK_NEAR(got[0], 2 * (0x1p24 + 2), 0); /* 2^24 + 1 is 2^24, and 1 + 1 comes on top: one sum would lose both */
    CHECK_NEAR(got[4], 0, 0);                /* 2^-127 comes out as 0, and so it goes in */
    CHECK_NEAR(got[5], 0x1p-125, 0);
}

TEST(the_model_keeps_zeros_beyond_what_is_configured) {
    uint8_t ones[16 * 64];
    memset(ones, 1, sizeof ones);
    cpu_amx_config config = config_of(3, 8);
    tiles_configure(&config);
    tile_load(CPU_AMX_PLACES, ones, 64);
    const model_tile *tile = model_at(CPU_AMX_PLACES);
    int sum = 0;
    for (int row = 0; row < CPU_AMX_SIDE; row++)
        for (int i = 0; i < CPU_AMX_ROW_BYTES; i++)
            sum += tile->at[row][i];
    CHECK_INT(sum, 3 * 8);
    tiles_configure(&config);
    CHECK_INT(model_at(CPU_AMX_PLACES)->at[0][0], 0);
    tiles_release();
}

typedef enum misuse {
    NOT_CONFIGURED,
    RELEASED,
    TILE_LEFT_OUT,
    OTHER_PALETTE,
    RESERVED_BYTE,
    NINTH_TILE,
    TOO_MANY_ROWS,
    TOO_LONG_ROWS,
    ROWS_ALONE,
    BROKEN_GROUPS,
    NO_MATCH,
    STORED_OVER_EACH_OTHER,
    MISUSES
} misuse;

static void misuse_model(misuse what) {
    uint8_t bytes[16 * 64] = {0};
    cpu_amx_config config = config_of(2, 8);
    switch (what) {
    case TILE_LEFT_OUT: config.rows[4] = 0, config.row_bytes[4] = 0; break;
    case OTHER_PALETTE: config.palette = 2; break;
    case RESERVED_BYTE: config.reserved[13] = 1; break;
    case NINTH_TILE: config.rows[8] = 1, config.row_bytes[8] = 4; break;
    case TOO_MANY_ROWS: config.rows[0] = 17; break;
    case TOO_LONG_ROWS: config.row_bytes[0] = 68; break;
    case ROWS_ALONE: config.row_bytes[0] = 0; break;
    case BROKEN_GROUPS: config.row_bytes[CPU_AMX_PLACES] = 10; break;
    case NO_MATCH: config.row_bytes[CPU_AMX_PLACES] = 12; break;
    default: break;
    }
    if (what != NOT_CONFIGURED)
        tiles_configure(&config);
    if (what == RELEASED)
        tiles_release();
    tile_load(CPU_AMX_PLACES, bytes, 12);
    tile_load(CPU_AMX_WEIGHTS, bytes, 12);
    tile_dot(0, FR_U8);
    tile_store(0, bytes, what == STORED_OVER_EACH_OTHER ? 8 : 12);
}

static bool ends(misuse what) {
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        static const struct rlimit no_core;
        setrlimit(RLIMIT_CORE, &no_core);
        fclose(stderr);
        signal(SIGABRT, SIG_DFL);
        misuse_model(what);
        _exit(0);
    }
    int status = 0;
    return child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

TEST(the_model_ends_where_a_processor_would_fault) {
    for (int what = 0; what < MISUSES; what++) {
        if (!ends((misuse)what))
            fprintf(stderr, "misuse %d went through\n", what);
        CHECK(ends((misuse)what));
    }
    CHECK(!ends(MISUSES)); /* without any */
}

CHECK_MAIN
