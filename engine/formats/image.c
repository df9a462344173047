#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "formats/image_parts.h"

fr_status fr_image_new(int64_t height, int64_t width, int32_t channels, const char *where, fr_image *out_image) {
    *out_image = (fr_image){0};
    if (height <= 0 || width <= 0)
        return fr_fail(FR_INVALID, "%s: the image is empty (%lldx%lld)", where, (long long)height, (long long)width);
    if (height > FR_IMAGE_MAX_PIXELS || width > FR_IMAGE_MAX_PIXELS / height)
        return fr_fail(FR_INVALID, "%s: the image claims %lldx%lld pixels; at most %d are read", where,
                       (long long)height, (long long)width, (int)FR_IMAGE_MAX_PIXELS);
    size_t bytes = (size_t)height * (size_t)width * (size_t)channels;
    uint8_t *pixels = fr_alloc(bytes);
    if (!pixels)
        return fr_no_memory(bytes, "an image");
    *out_image = (fr_image){(int32_t)height, (int32_t)width, channels, pixels};
    return FR_OK;
}

/* ITU-R BT.601 luma, in 256ths. */
static uint8_t luma(const uint8_t *rgb) {
    return (uint8_t)((77u * rgb[0] + 150u * rgb[1] + 29u * rgb[2] + 128u) >> 8);
}

fr_status fr_image_convert(fr_image *image, int32_t channels, const char *where) {
    fr_image other;
    if (image->channels == channels)
        return FR_OK;
    FR_TRY(fr_image_new(image->height, image->width, channels, where, &other));
    size_t pixels = (size_t)image->height * (size_t)image->width;
    for (size_t i = 0; i < pixels; i++) {
        if (channels == 1)
            other.pixels[i] = luma(image->pixels + 3 * i);
        else
            memset(other.pixels + 3 * i, image->pixels[i], 3);
    }
    fr_free(image->pixels);
    *image = other;
    return FR_OK;
}

static fr_status parse_any(const uint8_t *data, size_t bytes, const char *where, fr_image *out_image) {
    if (bytes == 0)
        return fr_fail(FR_INVALID, "%s: the file is empty", where);
    if (bytes >= 4 && memcmp(data, "\x89PNG", 4) == 0)
        return fr_png_parse(data, bytes, where, out_image);
    if (bytes >= 3 && memcmp(data, "\xff\xd8\xff", 3) == 0)
        return fr_jpeg_parse(data, bytes, where, out_image);
    if (bytes >= 2 && data[0] == 'P' && data[1] >= '1' && data[1] <= '7')
        return fr_pnm_parse(data, bytes, where, out_image);
    return fr_fail(FR_UNSUPPORTED, "%s: not a PNG, JPEG, PPM or PGM image", where);
}

fr_status fr_image_parse(const void *data, size_t bytes, const char *where, int32_t channels, fr_image *out_image) {
    *out_image = (fr_image){0};
    if (channels != 1 && channels != 3)
        return fr_fail(FR_UNSUPPORTED,
                       "%s: image files have 1 or 3 channels, and %d are wanted: bring a .npy file or raw frames",
                       where, channels);
    fr_status status = parse_any(data, bytes, where, out_image);
    if (status == FR_OK)
        status = fr_image_convert(out_image, channels, where);
    if (status != FR_OK) {
        fr_free(out_image->pixels);
        *out_image = (fr_image){0};
    }
    return status;
}

fr_status fr_image_load(const char *path, int32_t channels, fr_image *out_image) {
    char *data;
    size_t bytes;
    *out_image = (fr_image){0};
    FR_TRY(fr_file_read(path, (size_t)1 << 30, &data, &bytes)); /* 2^28 pixels of 3 bytes, uncompressed, fit */
    fr_status status = fr_image_parse(data, bytes, path, channels, out_image);
    fr_free(data);
    return status;
}
