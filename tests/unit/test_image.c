#include "formats/image.h"

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "check.h"

/* 3x2 RGB: red, green, blue / black, grey, white; made by hand as a PPM, and as a PNG of the same pixels. */
static const uint8_t pixels[18] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0, 128, 128, 128, 255, 255, 255};
static const char ppm_head[] = "P6\n# made by hand\n3 2\n255\n";
static const uint8_t png[] = {0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
                              0x44, 0x52, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x02, 0x08, 0x02, 0x00, 0x00,
                              0x00, 0x12, 0x16, 0xf1, 0x4d, 0x00, 0x00, 0x00, 0x16, 0x49, 0x44, 0x41, 0x54, 0x78,
                              0xda, 0x63, 0xf8, 0xcf, 0xc0, 0xc0, 0x00, 0xc3, 0x0c, 0x0d, 0x0d, 0x0d, 0xff, 0xff,
                              0xff, 0x07, 0x00, 0x3a, 0x61, 0x07, 0x7b, 0x02, 0x9f, 0xdf, 0xf4, 0x00, 0x00, 0x00,
                              0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82};
static const uint8_t jpeg[] = {
    0xff, 0xd8, 0xff, 0xe0, 0x00, 0x10, 0x4a, 0x46, 0x49, 0x46, 0x00, 0x01, 0x01, 0x00, 0x00, 0x01, 0x00, 0x01,
    0x00, 0x00, 0xff, 0xdb, 0x00, 0x43, 0x00, 0x0d, 0x09, 0x0a, 0x0b, 0x0a, 0x08, 0x0d, 0x0b, 0x0a, 0x0b, 0x0e,
    0x0e, 0x0d, 0x0f, 0x13, 0x20, 0x15, 0x13, 0x12, 0x12, 0x13, 0x27, 0x1c, 0x1e, 0x17, 0x20, 0x2e, 0x29, 0x31,
    0x30, 0x2e, 0x29, 0x2d, 0x2c, 0x33, 0x3a, 0x4a, 0x3e, 0x33, 0x36, 0x46, 0x37, 0x2c, 0x2d, 0x40, 0x57, 0x41,
    0x46, 0x4c, 0x4e, 0x52, 0x53, 0x52, 0x32, 0x3e, 0x5a, 0x61, 0x5a, 0x50, 0x60, 0x4a, 0x51, 0x52, 0x4f, 0xff,
    0xdb, 0x00, 0x43, 0x01, 0x0e, 0x0e, 0x0e, 0x13, 0x11, 0x13, 0x26, 0x15, 0x15, 0x26, 0x4f, 0x35, 0x2d, 0x35,
    0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f,
    0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f,
    0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0x4f, 0xff, 0xc0, 0x00, 0x11,
    0x08, 0x00, 0x08, 0x00, 0x08, 0x03, 0x01, 0x22, 0x00, 0x02, 0x11, 0x01, 0x03, 0x11, 0x01, 0xff, 0xc4, 0x00,
    0x15, 0x00, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x02, 0xff, 0xc4, 0x00, 0x14, 0x10, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xc4, 0x00, 0x14, 0x01, 0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x05, 0xff, 0xc4, 0x00, 0x14, 0x11, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xff, 0xda, 0x00, 0x0c,
    0x03, 0x01, 0x00, 0x02, 0x11, 0x03, 0x11, 0x00, 0x3f, 0x00, 0x90, 0x03, 0x9f, 0x7f, 0xff, 0xd9};

static size_t ppm_file(uint8_t *out) {
    memcpy(out, ppm_head, sizeof ppm_head - 1);
    memcpy(out + sizeof ppm_head - 1, pixels, sizeof pixels);
    return sizeof ppm_head - 1 + sizeof pixels;
}

static bool has_codecs(void) {
    fr_image image;
    fr_status status = fr_image_parse(png, sizeof png, "a.png", 3, &image);
    fr_free(image.pixels);
    return status != FR_UNAVAILABLE;
}

TEST(ppm_reads) {
    uint8_t file[128];
    fr_image image;
    CHECK_OK(fr_image_parse(file, ppm_file(file), "a.ppm", 3, &image));
    CHECK_INT(image.height, 2);
    CHECK_INT(image.width, 3);
    CHECK_INT(image.channels, 3);
    CHECK(memcmp(image.pixels, pixels, sizeof pixels) == 0);
    fr_free(image.pixels);
}

TEST(colours_become_grey_and_back) {
    uint8_t file[128];
    fr_image image;
    CHECK_OK(fr_image_parse(file, ppm_file(file), "a.ppm", 1, &image));
    const uint8_t want[6] = {77, 149, 29, 0, 128, 255};
    for (int i = 0; i < 6; i++)
        CHECK_NEAR(image.pixels[i], want[i], 1);
    fr_free(image.pixels);
    CHECK_OK(fr_image_parse("P5 2 1 255 \x07\xf0", 13, "a.pgm", 3, &image));
    CHECK(memcmp(image.pixels, "\x07\x07\x07\xf0\xf0\xf0", 6) == 0);
    fr_free(image.pixels);
}

TEST(png_reads) {
    fr_image image;
    if (!has_codecs())
        SKIP("built without libpng");
    CHECK_OK(fr_image_parse(png, sizeof png, "a.png", 3, &image));
    CHECK_INT(image.height, 2);
    CHECK_INT(image.width, 3);
    CHECK(memcmp(image.pixels, pixels, sizeof pixels) == 0);
    fr_free(image.pixels);
}

TEST(jpeg_reads) {
    fr_image image;
    if (!has_codecs())
        SKIP("built without libjpeg");
    CHECK_OK(fr_image_parse(jpeg, sizeof jpeg, "a.jpg", 3, &image));
    CHECK_INT(image.height, 8);
    CHECK_INT(image.width, 8);
    for (int i = 0; i < 64; i++) { /* one colour, (200, 100, 50): lossy by a little */
        CHECK_NEAR(image.pixels[3 * i], 200, 4);
        CHECK_NEAR(image.pixels[3 * i + 1], 100, 4);
        CHECK_NEAR(image.pixels[3 * i + 2], 50, 4);
    }
    fr_free(image.pixels);
}

static void every_cut(const uint8_t *file, size_t bytes, const char *where) {
    for (size_t cut = 0; cut < bytes; cut++) {
        uint8_t *exact = fr_alloc(cut);
        fr_image image;
        memcpy(exact, file, cut);
        fr_status status = fr_image_parse(exact, cut, where, 3, &image);
        fr_free(exact);
        /* A cut within the last chunk of a PNG or before a JPEG's end marker may be seen or not; within the rest it must. */
        if (cut < bytes - 16)
            CHECK(status == FR_INVALID || status == FR_UNSUPPORTED);
        CHECK((status == FR_OK) == (image.pixels != NULL));
        if (status != FR_OK)
            CHECK_HAS(fr_error_sentence(), where);
        fr_free(image.pixels);
    }
}

TEST(every_cut_is_refused) {
    uint8_t file[128];
    size_t bytes = ppm_file(file);
    every_cut(file, bytes, "cut.ppm");
    if (has_codecs()) {
        every_cut(png, sizeof png, "cut.png");
        every_cut(jpeg, sizeof jpeg, "cut.jpg");
    }
}

TEST(flipped_bits_never_crash) {
    if (!has_codecs())
        SKIP("built without libpng");
    const uint8_t *files[] = {png, jpeg};
    const size_t sizes[] = {sizeof png, sizeof jpeg};
    for (int f = 0; f < 2; f++) {
        for (size_t bit = 0; bit < 8 * sizes[f]; bit++) {
            uint8_t *copy = fr_alloc(sizes[f]);
            fr_image image;
            memcpy(copy, files[f], sizes[f]);
            copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
            fr_status status = fr_image_parse(copy, sizes[f], "flipped", 3, &image);
            CHECK((status == FR_OK) == (image.pixels != NULL));
            fr_free(image.pixels);
            fr_free(copy);
        }
    }
}

static void refused(const char *data, size_t bytes, int32_t channels, fr_status want, const char *words) {
    fr_image image;
    CHECK_INT(fr_image_parse(data, bytes, "bad", channels, &image), want);
    CHECK(image.pixels == NULL);
    CHECK_HAS(fr_error_sentence(), words);
}
#define REFUSED(text, want, words) refused(text, sizeof(text) - 1, 3, want, words)

TEST(bad_images_say_why) {
    REFUSED("", FR_INVALID, "empty");
    REFUSED("GIF89a whatever", FR_UNSUPPORTED, "not a PNG, JPEG, PPM or PGM");
    REFUSED("P6 0 4 255 ", FR_INVALID, "empty (4x0)");
    REFUSED("P5 1000000 1000000 255 x", FR_INVALID, "claims 1000000x1000000");
    REFUSED("P6 99999999999 1 255 x", FR_INVALID, "damaged header");
    REFUSED("P6 4 4 65535 x", FR_UNSUPPORTED, "65535");
    REFUSED("P6 2 2 255 xxxxxxxxx", FR_INVALID, "3 bytes are missing");
    REFUSED("P3 1 1 255 1 2 3", FR_UNSUPPORTED, "type P3");
    REFUSED("P6 -1 2 255 x", FR_INVALID, "damaged header");
    refused("P5 1 1 255 x", 12, 4, FR_UNSUPPORTED, "4 are wanted");
}

/* The IHDR of a PNG with another size, its checksum made good again. */
static uint32_t crc32_of(const uint8_t *data, size_t bytes) {
    uint32_t crc = 0xffffffffu;
    for (size_t i = 0; i < bytes; i++) {
        crc ^= data[i];
        for (int k = 0; k < 8; k++)
            crc = crc & 1 ? crc >> 1 ^ 0xedb88320u : crc >> 1;
    }
    return ~crc;
}

static void put32(uint8_t *at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

TEST(png_sizes_are_judged_before_memory_is_taken) {
    uint8_t file[sizeof png];
    fr_image image;
    if (!has_codecs())
        SKIP("built without libpng");
    const uint32_t sizes[][2] = {{0, 2}, {3, 0}, {100000, 100000}, {0x7fffffff, 0x7fffffff}, {0xffffffff, 1}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        memcpy(file, png, sizeof png);
        put32(file + 16, sizes[i][0]);
        put32(file + 20, sizes[i][1]);
        put32(file + 29, crc32_of(file + 12, 17));
        uint64_t peak = fr_alloc_read().peak_bytes;
        CHECK_INT(fr_image_parse(file, sizeof file, "huge.png", 3, &image), FR_INVALID);
        CHECK_HAS(fr_error_sentence(), "huge.png");
        CHECK(fr_alloc_read().peak_bytes < peak + (1u << 20));
    }
}

TEST(resizing_to_its_own_size_changes_nothing) {
    fr_image image = {2, 3, 3, (uint8_t *)(uintptr_t)pixels};
    uint8_t out[18];
    CHECK_OK(fr_image_resize(&image, 2, 3, out));
    CHECK(memcmp(out, pixels, 18) == 0);
}

TEST(shrinking_averages_the_area) {
    uint8_t src[36], out[4];
    fr_image image = {6, 6, 1, src};
    for (int i = 0; i < 36; i++)
        src[i] = (uint8_t)(7 * i);
    CHECK_OK(fr_image_resize(&image, 2, 2, out));
    for (int oy = 0; oy < 2; oy++)
        for (int ox = 0; ox < 2; ox++) {
            double sum = 0;
            for (int y = 0; y < 3; y++)
                for (int x = 0; x < 3; x++)
                    sum += src[(3 * oy + y) * 6 + 3 * ox + x];
            CHECK_NEAR(out[2 * oy + ox], sum / 9, 0.51);
        }
    /* 3 -> 2: each output covers one and a half inputs */
    const uint8_t three[3] = {0, 90, 240};
    image = (fr_image){1, 3, 1, (uint8_t *)(uintptr_t)three};
    CHECK_OK(fr_image_resize(&image, 1, 2, out));
    CHECK_INT(out[0], 30);
    CHECK_INT(out[1], 190);
}

TEST(growing_interpolates_between_centres) {
    const uint8_t two[2] = {0, 200};
    uint8_t out[4];
    fr_image image = {1, 2, 1, (uint8_t *)(uintptr_t)two};
    CHECK_OK(fr_image_resize(&image, 1, 4, out)); /* centres at -0.25, 0.25, 0.75, 1.25 */
    const uint8_t want[4] = {0, 50, 150, 200};
    CHECK(memcmp(out, want, 4) == 0);
}

TEST(a_flat_image_stays_flat) {
    enum { H = 37, W = 53 };
    static uint8_t src[H * W * 3], out[200 * 100 * 3];
    const int sizes[][2] = {{1, 1}, {22, 52}, {37, 5}, {36, 54}, {200, 100}};
    fr_image image = {H, W, 3, src};
    for (size_t i = 0; i < sizeof src; i++)
        src[i] = (uint8_t)(10 + 80 * (i % 3));
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        CHECK_OK(fr_image_resize(&image, sizes[s][0], sizes[s][1], out));
        for (int i = 0; i < sizes[s][0] * sizes[s][1] * 3; i++)
            CHECK_INT(out[i], 10 + 80 * (i % 3));
    }
}

TEST(no_allocation_failure_leaks) {
    uint8_t file[128];
    size_t bytes = ppm_file(file);
    for (int kind = 0; kind < 3; kind++) {
        const void *data = kind == 0 ? (const void *)file : kind == 1 ? (const void *)png : (const void *)jpeg;
        size_t size = kind == 0 ? bytes : kind == 1 ? sizeof png : sizeof jpeg;
        if (kind > 0 && !has_codecs())
            continue;
        for (uint64_t n = 1; n < 100; n++) {
            fr_image image;
            uint64_t live = fr_alloc_read().live_blocks;
            fr_alloc_fail_at(n);
            fr_status status = fr_image_parse(data, size, "a", 1, &image);
            fr_alloc_fail_at(0);
            fr_free(image.pixels);
            CHECK_INT(fr_alloc_read().live_blocks, live);
            if (status == FR_OK)
                break;
            CHECK_INT(status, FR_NO_MEMORY);
            CHECK(n < 99);
        }
    }
}

CHECK_MAIN
