#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"
#include "ingest.glsl"

READS(1, table, F32)
VECTORS_OUT(dst)

float image_number(int n, int channel, int place) {
    int c = channel;
    const int image = n * p.images + split(c, p.image_c);
    if (channel >= p.channels || image >= VALID)
        return 0.0;
    const int at = p.is_chw != 0 ? c * p.places + place : place * p.image_c + c;
    const float pixel = src_load(image * p.image_size + at);
    return STORED(DST_DTYPE, (pixel - table_load(channel)) * table_load(p.stored + channel), p.dst_scale);
}

/* An item: one vector of VW channels. */
void main() {
    const int groups = p.stored / VW;
    int place = item_index();
    int first = split(place, p.places);
    const int n = split(first, groups);
    if (n >= p.n)
        return;
    first *= VW;
    vec4 value = vec4(0.0);
    [[unroll]] for (int k = 0; k < VW; k++)
        value[k] = image_number(n, first + k, place);
    dst_put(dst_first_place(n, first) + place * p.dst_x, value);
}
