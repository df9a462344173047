/* PNG through libpng, which reports errors by longjmp: every local that must survive one is in png_job. */
#include "formats/image_parts.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

#ifdef FOLDRUN_WITH_IMAGES
#include <png.h>
#include <setjmp.h>

typedef struct png_job {
    png_structp png;
    png_infop info;
    const uint8_t *at, *end;
    const char *where;
    fr_image image;
    png_bytep *rows;
    fr_status status;
    bool no_memory;
    char message[128];
} png_job;

static void on_error(png_structp png, png_const_charp message) {
    png_job *job = png_get_error_ptr(png);
    strncpy(job->message, message, sizeof job->message - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message) {
    (void)png;
    (void)message;
}

static png_voidp on_alloc(png_structp png, png_alloc_size_t bytes) {
    png_job *job = png_get_mem_ptr(png);
    void *block = fr_alloc(bytes);
    job->no_memory |= block == NULL;
    return block;
}

static void on_free(png_structp png, png_voidp block) {
    (void)png;
    fr_free(block);
}

static void on_read(png_structp png, png_bytep dst, size_t bytes) {
    png_job *job = png_get_io_ptr(png);
    if (bytes > (size_t)(job->end - job->at))
        png_error(png, "the file is cut short");
    memcpy(dst, job->at, bytes);
    job->at += bytes;
}

/* Palettes, 1 to 16 bits and transparency all become 8-bit grey or RGB. */
static void set_transforms(png_job *job) {
    png_set_expand(job->png);
    png_set_scale_16(job->png);
    png_set_strip_alpha(job->png);
    (void)png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
}

static void read_pixels(png_job *job) {
    png_init_io(job->png, NULL);
    png_set_read_fn(job->png, job, on_read);
    png_set_user_limits(job->png, FR_IMAGE_MAX_PIXELS, FR_IMAGE_MAX_PIXELS);
    png_set_chunk_malloc_max(job->png, 1u << 24);
    png_set_crc_action(job->png, PNG_CRC_ERROR_QUIT, PNG_CRC_WARN_DISCARD);
    png_read_info(job->png, job->info);
    set_transforms(job);
    int32_t channels = png_get_channels(job->png, job->info);
    uint32_t height = png_get_image_height(job->png, job->info), width = png_get_image_width(job->png, job->info);
    if (channels != 1 && channels != 3)
        png_error(job->png, "neither grey nor RGB");
    job->status = fr_image_new(height, width, channels, job->where, &job->image);
    if (job->status != FR_OK)
        png_longjmp(job->png, 1);
    if (png_get_rowbytes(job->png, job->info) != (size_t)width * (size_t)channels)
        png_error(job->png, "unexpected row size");
    job->rows = fr_alloc_array(height, sizeof *job->rows);
    if (!job->rows) {
        job->status = fr_no_memory(height * sizeof *job->rows, "an image's rows");
        png_longjmp(job->png, 1);
    }
    for (uint32_t y = 0; y < height; y++)
        job->rows[y] = job->image.pixels + (size_t)y * width * (size_t)channels;
    png_read_image(job->png, job->rows);
    png_read_end(job->png, NULL);
}

fr_status fr_png_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) {
    *out_image = (fr_image){0};
    png_job *job = fr_alloc(sizeof *job);
    if (!job)
        return fr_no_memory(sizeof *job, "a PNG reader");
    job->at = data;
    job->end = job->at + bytes;
    job->where = where;
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, on_alloc, on_free);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    if (!job->info) {
        job->status = fr_no_memory(bytes, "a PNG reader");
    } else if (setjmp(png_jmpbuf(job->png)) == 0) {
        read_pixels(job);
    } else if (job->status == FR_OK) {
        job->status = job->no_memory ? fr_no_memory(bytes, "a PNG image")
                                     : fr_fail(FR_INVALID, "%s: damaged PNG: %s", where, job->message);
    }
    if (job->png)
        png_destroy_read_struct(&job->png, &job->info, NULL);
    fr_status status = job->status;
    if (status == FR_OK)
        *out_image = job->image;
    else
        fr_free(job->image.pixels);
    fr_free(job->rows);
    fr_free(job);
    return status;
}

#else

fr_status fr_png_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) {
    (void)data;
    (void)bytes;
    *out_image = (fr_image){0};
    return fr_fail(
        FR_UNAVAILABLE,
        "%s: built without PNG: install libpng-dev and libjpeg62-turbo-dev and build again, or convert it to PPM",
        where);
}

#endif
