#include "maps.h"

#include <string.h>

void cpu_zero_tail(const fr_tensor *t, void *data, int32_t n) {
    int32_t block = fr_layout_block(t->layout), tail = t->c % block;
    if (tail == 0)
        return;
    size_t width = fr_dtype_bytes((fr_dtype)t->dtype);
    char *at = cpu_channel_at(t, data, n, t->c - tail);
    for (uint64_t place = 0; place < cpu_places(t); place++, at += (size_t)block * width)
        memset(at + (size_t)tail * width, 0, (size_t)(block - tail) * width);
}

void cpu_offer_alike(const fr_step *step, const char *what, cpu_offers *offers) {
    static const uint16_t layouts[] = {FR_LAYOUT_NCHW16C, FR_LAYOUT_NHWC, FR_LAYOUT_NCHW8C, FR_LAYOUT_NCHW};
    const char *word = cpu_dtype_word(step->dst.dtype);
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        bool fits = cpu_layout_fits(&step->dst, layouts[i]);
        for (int32_t s = 0; s < step->n_src; s++)
            fits = fits && cpu_layout_fits(&step->src[s], layouts[i]);
        if (!fits) {
            cpu_refuse(offers, FR_WHY_LAYOUT, "cpu.%s.%s.%s", what, cpu_layout_word(layouts[i]), word);
            continue;
        }
        fr_candidate *c = cpu_offer(offers, "cpu.%s.%s.%s", what, cpu_layout_word(layouts[i]), word);
        for (int32_t s = 0; s < step->n_src; s++)
            c->src_layout[s] = layouts[i];
        c->dst_layout = layouts[i];
    }
}
