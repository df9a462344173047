/* Channels and places of a stored tensor, for the kernels that move numbers about. */
#ifndef CPU_MAPS_H
#define CPU_MAPS_H

#include "cpu.h"

/* From one place of a channel to the next, in elements; a place is y * w + x. */
static inline uint64_t cpu_place_step(const fr_tensor *t) {
    return t->layout == FR_LAYOUT_NHWC || t->layout == FR_LAYOUT_USER_HWC ? (uint64_t)t->c
                                                                          : (uint64_t)fr_layout_block(t->layout);
}

static inline cpu_end cpu_end_of(const fr_tensor *t) {
    return (cpu_end){t->dtype, t->scale, cpu_place_step(t)};
}

/* Address of (n, c, 0, 0). */
static inline char *cpu_channel_at(const fr_tensor *t, const void *data, int32_t n, int32_t c) {
    union {
        const void *read;
        char *any;
    } at = {data};
    return at.any + fr_tensor_index(t, n, c, 0, 0) * fr_dtype_bytes((fr_dtype)t->dtype);
}

/* Numbers that lie together at one place (as in cpu_pool), and how many such maps an image has. */
static inline uint64_t cpu_place_channels(const fr_tensor *t) {
    return t->layout == FR_LAYOUT_NHWC ? (uint64_t)t->c : (uint64_t)fr_layout_block(t->layout);
}
static inline uint64_t cpu_places(const fr_tensor *t) {
    return (uint64_t)t->h * (uint64_t)t->w;
}

/* Makes the channels that only pad the last block zero, in image n. */
void cpu_zero_tail(const fr_tensor *t, void *data, int32_t n);

/* Offers the step in each of the common layouts, the same for all sources and dst. */
void cpu_offer_alike(const fr_step *step, const char *what, cpu_offers *offers);

#endif
