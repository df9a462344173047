#version 450
#extension GL_GOOGLE_include_directive : require
/*
 * Bytes whose three channels lie beside each other, into groups of four channels: an item is four places of a group.
 * The bytes come in words. A group's channels are those of at most two images, and those of the second are read as if
 * they followed the first's in each pixel.
 */
#include "prelude.glsl"
#include "maps.glsl"
#include "ingest.glsl"

TEXELS(1, table)

/* 16 bytes from byte `from` of the launch on; words past the last image repeat its last one. */
uvec4 bytes_from(int from) {
    from += AT(0);
    const int last = (AT(0) + VALID * p.image_size - 1) >> 2, word = from >> 2, by = (from & 3) * 8;
    const uvec4 low = uvec4(src_word[min(word, last)], src_word[min(word + 1, last)], src_word[min(word + 2, last)],
                            src_word[min(word + 3, last)]);
    return low >> by | (uvec4(low.yzw, 0u) << 1) << (31 - by); /* nothing is shifted by 32 */
}

/* The four bytes at byte 3 * place: one pixel and the next byte. */
vec4 pixel_of(uvec4 bytes, int place) {
    const uint word = place == 0   ? bytes.x
                      : place == 1 ? bytes.x >> 24 | bytes.y << 8
                      : place == 2 ? bytes.y >> 16 | bytes.z << 16
                                   : bytes.z >> 8 | bytes.w << 24;
    return BYTES_OF_(word);
}

void main() {
    const int groups = p.stored / 4;
    int place = item_index();
    int first = split(place, (p.places + 3) >> 2);
    const int n = split(first, groups);
    if (n >= p.n)
        return;
    first *= 4;
    place *= 4;
    int c = first;
    const int image = n * p.images + split(c, 3), own = 3 - c; /* lanes of the first image */
    const bvec4 is_own = lessThan(ivec4(0, 1, 2, 3), ivec4(own));
    const int exist = min(VALID - image, p.images), lanes = exist <= 0 ? 0 : exist == 1 ? own : 4;
    uvec4 mine = uvec4(0u), next = uvec4(0u);
    if (lanes > 0)
        mine = bytes_from(image * p.image_size + place * 3 + c);
    if (lanes > own && p.images > 1)
        next = bytes_from((image + 1) * p.image_size + place * 3 - own);
    const vec4 mean = table_loadv(first), scale = keep_lanes(table_loadv(p.stored + first), lanes);
    const int to = dst_first_place(n, first) + place * p.dst_x;
    [[unroll]] for (int k = 0; k < 4; k++) {
        const vec4 pixel = mix(pixel_of(next, k), pixel_of(mine, k), is_own);
        const vec4 value = STORED(DST_DTYPE, (pixel - mean) * scale, p.dst_scale);
        if (place + k < p.places)
            dst_storev(to + k * p.dst_x, value);
    }
}
