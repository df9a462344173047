/* Logits of any layout into the user's rows: an item is one place of one image's share of the channels. */
PARAM_STRUCT(emit_params, EMIT_PARAMS)

#define LOGIT(k) SRC_NUMBER(SRC_LOAD(src, MAP_AT(p, src, n, first + (k), y, x)), p.src_scale)

KERNEL void emit_any(__global const SRC_T *restrict src, __global DST_T *restrict dst, emit_params p, uint8 at)
{
    const int i = get_global_id(0), image = i / (p.h * p.w), place = i % (p.h * p.w), y = place / p.w, x = place % p.w;
    const int n = image / p.images, first = image % p.images * p.classes;
    if (image >= min(p.rows, (int)at.s6))
        return;
    src += at.s0;
    dst += at.s1 + image * p.classes * p.h * p.w + place;
    float highest = 0.0f, sum = 1.0f;
    if (p.is_softmax) {
        highest = -INFINITY;
        for (int k = 0; k < p.classes; k++)
            highest = fmax(highest, LOGIT(k));
        sum = 0.0f;
        for (int k = 0; k < p.classes; k++)
            sum += exp(LOGIT(k) - highest);
    }
    for (int k = 0; k < p.classes; k++)
        DST_STORE(p.is_softmax ? exp(LOGIT(k) - highest) / sum : LOGIT(k), dst, k * p.h * p.w);
}
