#version 450
#extension GL_GOOGLE_include_directive : require
/* Logits of any layout into the user's rows: an item is one place of one image's share of the channels. */
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(EMIT_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(1, dst, DST_DTYPE)
FIRST_PLACE(src)

int n, first, at; /* the item's: its input, its image's first channel, and where its place is in a map */

float logit(int k) { return NUMBER(SRC_DTYPE, src_load(at + src_first_place(n, first + k)), p.src_scale); }

void main() {
    int x = item_index();
    const int places = p.h * p.w, image = split(x, places);
    if (image >= min(p.rows, VALID))
        return;
    const int to = image * p.classes * places + x, y = split(x, p.w);
    first = image;
    n = split(first, p.images);
    first *= p.classes;
    at = y * p.src_y + x * p.src_x;
    float highest = 0.0, sum = 1.0;
    if (p.is_softmax != 0) {
        highest = LOWEST;
        for (int k = 0; k < p.classes; k++)
            highest = max(highest, logit(k));
        sum = 0.0;
        for (int k = 0; k < p.classes; k++)
            sum += exp(logit(k) - highest);
    }
    for (int k = 0; k < p.classes; k++)
        dst_store(to + k * places, p.is_softmax != 0 ? exp(logit(k) - highest) / sum : logit(k));
}
