/*
 * Resizing is separable: out = V * in * H, with a few taps a line. An axis that shrinks takes the average of the area an
 * output pixel covers; one that grows is interpolated between the two nearest centres, ((i + 0.5) * in / out - 0.5).
 */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "formats/image_parts.h"

typedef struct axis_taps {
    int32_t *first, *count; /* of each output place */
    size_t *offset;         /* into weight */
    float *weight;
} axis_taps;

static void free_taps(axis_taps *taps) {
    fr_free(taps->first);
    fr_free(taps->count);
    fr_free(taps->offset);
    fr_free(taps->weight);
}

static void area_taps(int32_t in, int32_t out, int32_t i, axis_taps *taps, size_t *used) {
    double from = (double)i * in / out, to = (double)(i + 1) * in / out;
    int32_t first = (int32_t)floor(from), last = (int32_t)ceil(to) - 1;
    if (last >= in)
        last = in - 1;
    taps->first[i] = first;
    taps->count[i] = last - first + 1;
    for (int32_t k = first; k <= last; k++) {
        double low = k > from ? k : from, high = k + 1 < to ? k + 1 : to;
        taps->weight[(*used)++] = (float)((high - low) / (to - from));
    }
}

static void linear_taps(int32_t in, int32_t out, int32_t i, axis_taps *taps, size_t *used) {
    double centre = (i + 0.5) * in / out - 0.5;
    centre = centre < 0 ? 0 : centre > in - 1 ? in - 1 : centre;
    int32_t first = (int32_t)centre;
    taps->first[i] = first;
    taps->count[i] = first + 1 < in ? 2 : 1;
    taps->weight[(*used)++] = taps->count[i] == 2 ? (float)(1 - (centre - first)) : 1.0f;
    if (taps->count[i] == 2)
        taps->weight[(*used)++] = (float)(centre - first);
}

static fr_status make_taps(int32_t in, int32_t out, axis_taps *taps) {
    size_t n = (size_t)out, most = (size_t)in + 2 * n; /* neighbours share at most one input line */
    taps->first = fr_alloc_array(n, sizeof *taps->first);
    taps->count = fr_alloc_array(n, sizeof *taps->count);
    taps->offset = fr_alloc_array(n, sizeof *taps->offset);
    taps->weight = fr_alloc_array(most, sizeof *taps->weight);
    if (!taps->first || !taps->count || !taps->offset || !taps->weight)
        return fr_no_memory(most * sizeof *taps->weight, "resizing");
    size_t used = 0;
    for (int32_t i = 0; i < out; i++) {
        taps->offset[i] = used;
        if (in > out)
            area_taps(in, out, i, taps, &used);
        else
            linear_taps(in, out, i, taps, &used);
    }
    return FR_OK;
}

static void resize_row(const uint8_t *src, const axis_taps *taps, int32_t width, int32_t channels, float *dst) {
    for (int32_t x = 0; x < width; x++) {
        const float *weight = taps->weight + taps->offset[x];
        for (int32_t c = 0; c < channels; c++) {
            const uint8_t *at = src + (size_t)taps->first[x] * (size_t)channels + c;
            float sum = 0;
            for (int32_t k = 0; k < taps->count[x]; k++, at += channels)
                sum += weight[k] * *at;
            *dst++ = sum;
        }
    }
}

static uint8_t to_byte(float value) {
    return value <= 0 ? 0 : value >= 255 ? 255 : (uint8_t)(value + 0.5f);
}

fr_status fr_image_resize(const fr_image *image, int32_t height, int32_t width, uint8_t *out) {
    fr_status status;
    axis_taps across = {0}, down = {0};
    float *row = NULL, *sum = NULL;
    if (!image->pixels || image->height <= 0 || image->width <= 0 || height <= 0 || width <= 0)
        return fr_fail(FR_INVALID, "cannot resize %dx%d to %dx%d", image->height, image->width, height, width);
    size_t line = (size_t)width * (size_t)image->channels, src_line = (size_t)image->width * (size_t)image->channels;
    if (height == image->height && width == image->width) {
        memcpy(out, image->pixels, (size_t)height * line);
        return FR_OK;
    }
    FR_GO(done, make_taps(image->width, width, &across));
    FR_GO(done, make_taps(image->height, height, &down));
    row = fr_alloc_array(line, sizeof *row);
    sum = fr_alloc_array(line, sizeof *sum);
    if (!row || !sum) {
        status = fr_no_memory(line * sizeof *row, "resizing");
        goto done;
    }
    int32_t held = -1; /* input line in `row`: the next output line may begin with it */
    for (int32_t y = 0; y < height; y++) {
        memset(sum, 0, line * sizeof *sum);
        for (int32_t k = 0; k < down.count[y]; k++) {
            int32_t from = down.first[y] + k;
            float weight = down.weight[down.offset[y] + (size_t)k];
            if (from != held)
                resize_row(image->pixels + (size_t)from * src_line, &across, width, image->channels, row);
            held = from;
            for (size_t i = 0; i < line; i++)
                sum[i] += weight * row[i];
        }
        for (size_t i = 0; i < line; i++)
            out[(size_t)y * line + i] = to_byte(sum[i]);
    }
    status = FR_OK;
done:
    free_taps(&across);
    free_taps(&down);
    fr_free(row);
    fr_free(sum);
    return status;
}
