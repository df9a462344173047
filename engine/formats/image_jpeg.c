/* JPEG through libjpeg, which reports errors by longjmp: every local that must survive one is in jpeg_job. */
#include "formats/image_parts.h"

#include "base/alloc.h"
#include "base/status.h"

#ifdef FOLDRUN_WITH_IMAGES
#include <setjmp.h>
#include <stdbool.h>
#include <stdio.h>

#include <jpeglib.h>
#include <jerror.h>

enum { MAX_SCANS = 1000 }; /* a few bytes can claim a pass over the whole image, thousands of times */

typedef struct jpeg_job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    const char *where;
    fr_image image;
    fr_status status;
    char message[JMSG_LENGTH_MAX];
} jpeg_job;

static void on_error(j_common_ptr common) {
    jpeg_job *job = common->client_data;
    common->err->format_message(common, job->message);
    longjmp(job->back, 1);
}

/* libjpeg fills what is missing with grey and only warns: a damaged image would go unseen. */
static void on_warning(j_common_ptr common, int level) {
    int code = common->err->msg_code;
    if (level < 0 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER))
        on_error(common);
}

static void on_output(j_common_ptr common) {
    (void)common;
}

static void on_progress(j_common_ptr common) {
    jpeg_job *job = common->client_data;
    if (common->is_decompressor && job->jpeg.input_scan_number > MAX_SCANS) {
        snprintf(job->message, sizeof job->message, "more than %d scans", MAX_SCANS);
        longjmp(job->back, 1);
    }
}

static void read_pixels(jpeg_job *job, const void *data, size_t bytes) {
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->client_data = job;
    jpeg->progress = &job->progress;
    jpeg_mem_src(jpeg, data, (unsigned long)bytes);
    (void)jpeg_read_header(jpeg, TRUE);
    bool grey = jpeg->jpeg_color_space == JCS_GRAYSCALE;
    if (jpeg->jpeg_color_space == JCS_CMYK || jpeg->jpeg_color_space == JCS_YCCK) {
        job->status = fr_fail(FR_UNSUPPORTED, "%s: a CMYK JPEG; convert it to RGB", job->where);
        longjmp(job->back, 1);
    }
    jpeg->out_color_space = grey ? JCS_GRAYSCALE : JCS_RGB;
    job->status = fr_image_new(jpeg->image_height, jpeg->image_width, grey ? 1 : 3, job->where, &job->image);
    if (job->status != FR_OK)
        longjmp(job->back, 1);
    (void)jpeg_start_decompress(jpeg);
    size_t row_bytes = (size_t)job->image.width * (size_t)job->image.channels;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW row = job->image.pixels + (size_t)jpeg->output_scanline * row_bytes;
        (void)jpeg_read_scanlines(jpeg, &row, 1);
    }
    (void)jpeg_finish_decompress(jpeg);
}

fr_status fr_jpeg_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) {
    *out_image = (fr_image){0};
    jpeg_job *job = fr_alloc(sizeof *job);
    if (!job)
        return fr_no_memory(sizeof *job, "a JPEG reader");
    job->where = where;
    job->jpeg.err = jpeg_std_error(&job->errors);
    job->jpeg.client_data = job;
    job->errors.error_exit = on_error;
    job->errors.emit_message = on_warning;
    job->errors.output_message = on_output;
    job->progress.progress_monitor = on_progress;
    if (setjmp(job->back) == 0)
        read_pixels(job, data, bytes);
    else if (job->status == FR_OK)
        job->status = fr_fail(job->errors.msg_code == JERR_OUT_OF_MEMORY ? FR_NO_MEMORY : FR_INVALID,
                              "%s: damaged JPEG: %s", where, job->message);
    jpeg_destroy_decompress(&job->jpeg);
    fr_status status = job->status;
    if (status == FR_OK)
        *out_image = job->image;
    else
        fr_free(job->image.pixels);
    fr_free(job);
    return status;
}

#else

fr_status fr_jpeg_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) {
    (void)data;
    (void)bytes;
    *out_image = (fr_image){0};
    return fr_fail(
        FR_UNAVAILABLE,
        "%s: built without JPEG: install libpng-dev and libjpeg62-turbo-dev and build again, or convert it to PPM",
        where);
}

#endif
