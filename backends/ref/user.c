/* The two ends: the user's images and the user's rows. */
#include "ref.h"

/* Image i of input n is image n * images + i of the user's, dense, image_c channels each. */
void ref_ingest(const fr_program *program, const void *src, double *maps, void *dst, int32_t valid) {
    const fr_step *step = &program->step;
    fr_tensor image = step->src[0];
    image.c = step->image_c;
    image.scale = 1.0f; /* pixels are taken as they are stored */
    for (int32_t n = 0; n < step->n; n++) {
        double *to = maps;
        for (int32_t i = 0; i < step->images; i++) {
            int32_t from = n * step->images + i;
            for (int32_t c = 0; c < image.c; c++) {
                double mean = program->mean ? (double)program->mean[c] : 0.0,
                       scale = program->scale ? (double)program->scale[c] : 1.0;
                for (int32_t y = 0; y < image.h; y++)
                    for (int32_t x = 0; x < image.w; x++)
                        *to++ = from < valid
                                    ? (ref_get(&image, src, fr_tensor_index(&image, from, c, y, x)) - mean) * scale
                                    : 0.0;
            }
        }
        ref_store(&step->dst, dst, n, maps);
    }
}

/* A row is one image's share of the channels, in CHW order. */
void ref_emit(const fr_program *program, const void *src, double *maps, void *dst, int32_t valid) {
    const fr_step *step = &program->step;
    int32_t classes = step->src[0].c / step->images;
    uint64_t map = (uint64_t)step->src[0].h * (uint64_t)step->src[0].w, row = (uint64_t)classes * map;
    for (int32_t n = 0; n < step->n && n * step->images < valid; n++) {
        ref_load(&step->src[0], src, n, false, maps);
        for (int32_t i = 0; i < step->images && n * step->images + i < valid; i++) {
            double *from = maps + (uint64_t)i * row;
            for (uint64_t at = 0; step->softmax && at < map; at++)
                ref_softmax_row(from + at, classes, map);
            for (uint64_t k = 0; k < row; k++)
                ref_put(&step->dst, dst, (uint64_t)(n * step->images + i) * row + k, from[k]);
        }
    }
}
