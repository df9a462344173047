/*
 * The user's images into folded inputs. Image i of the launch is image i % images of input i / images, and its channels
 * follow those of the image before it: in NCHW the folding changes nothing. Images from `valid` on do not exist and
 * become zero.
 * table: mean of each channel as stored, then scale of each; both are zero in a block's padding.
 */
PARAM_STRUCT(ingest_params, INGEST_PARAMS)

/* Element of an image, at a place of the map. */
static inline int pixel_at(const ingest_params *p, int place, int c)
{
    return p->is_chw ? c * p->places + place : place * p->image_c + c;
}

static inline float number_of(float pixel, float mean, float scale, const ingest_params *p)
{
    return DST_STORED((pixel - mean) * scale, p->dst_scale);
}

static inline float image_number(__global const SRC_T *src, __global const float *table, const ingest_params *p,
                                 int valid, int n, int channel, int place)
{
    const int image = n * p->images + channel / p->image_c, c = channel % p->image_c;
    if (channel >= p->channels || image >= valid)
        return 0.0f;
    return number_of(SRC_LOAD(src, image * p->image_size + pixel_at(p, place, c)), table[channel],
                     table[p->stored + channel], p);
}

/* Any layout: an item walks some places of one stored channel. */
KERNEL void ingest_any(__global const SRC_T *restrict src, __global const float *restrict table,
                       __global DST_T *restrict dst, ingest_params p, uint8 at)
{
    const int plane = get_global_id(0), n = plane / p.stored, channel = plane % p.stored;
    const int first = get_global_id(1) * p.places_each, end = min(first + p.places_each, p.places);
    const int image = n * p.images + channel / p.image_c, from = channel % p.image_c;
    const bool exists = channel < p.channels && image < (int)at.s6;
    const float mean = table[at.s1 + channel], scale = table[at.s1 + p.stored + channel];
    const int step = p.is_chw ? 1 : p.image_c;
    src += at.s0 + (exists ? image * p.image_size + (p.is_chw ? from * p.places : from) : 0);
    dst += at.s2 + MAP_AT(p, dst, n, channel, 0, 0);
    for (int place = first; place < end; place++)
        DST_STORE(exists ? number_of(SRC_LOAD(src, place * step), mean, scale, &p) : 0.0f, dst, place * p.dst_x);
}

/* Any layout whose channels lie beside each other in groups of VW: an item is one vector. */
KERNEL void ingest_item(__global const SRC_T *restrict src, __global const float *restrict table,
                        __global DST_T *restrict dst, ingest_params p, uint8 at)
{
    const int groups = p.stored / VW, i = get_global_id(0);
    if (i >= p.n * groups * p.places)
        return;
    const int place = i % p.places, n = i / p.places / groups, first = i / p.places % groups * VW;
    float lanes[VW];
    for (int k = 0; k < VW; k++)
        lanes[k] = image_number(src + at.s0, table + at.s1, &p, at.s6, n, first + k, place);
    DST_STOREV(VEC_OF_LANES(lanes), dst + at.s2, MAP_AT(p, dst, n, first, 0, 0) + place * p.dst_x);
}

#if VW == 4 && LX > 1
/* NHWC, from pixels whose channels lie beside each other: an item is four numbers on end, found by
 * counting on, since divisions cost more than all else. */
KERNEL void ingest_run(__global const SRC_T *restrict src, __global const float *restrict table,
                       __global DST_T *restrict dst, ingest_params p, uint8 at)
{
    const int i = get_global_id(0) * VW, valid = at.s6;
    if (i >= p.n * p.places * p.channels)
        return;
    int channel = i % p.channels, place = i / p.channels % p.places, first = i / p.channels / p.places * p.images;
    int c = channel % p.image_c, image = first + channel / p.image_c;
    float lanes[VW];
    src += at.s0;
    table += at.s1;
#pragma unroll
    for (int k = 0; k < VW; k++) {
        const float mean = table[channel], scale = table[p.stored + channel];
        const int from = image * p.image_size + place * p.image_c + c;
        lanes[k] = image < valid ? number_of(SRC_LOAD(src, from), mean, scale, &p) : 0.0f;
        channel++;
        if (++c == p.image_c) {
            c = 0;
            if (++image == first + p.images) {
                channel = 0;
                place++;
                if (place == p.places) {
                    place = 0;
                    first += p.images;
                }
                image = first;
            }
        }
    }
    if (i + VW <= p.n * p.places * p.channels) {
        DST_STOREV(VEC_OF_LANES(lanes), dst + at.s2, i);
        return;
    }
#pragma unroll
    for (int k = 0; k < VW; k++)
        if (i + k < p.n * p.places * p.channels)
            DST_STORE(lanes[k], dst + at.s2, i + k);
}
#endif

#if VW == 16
#define PUT_ROW(pixels, c, to) \
    DST_STOREV(DST_STORED(((pixels) - (VEC)table[c]) * (VEC)table[p.stored + (c)], p.dst_scale), dst, to)
/* Lane by lane, and of two vectors at a time: a compiler makes one instruction of that. */
#define FIRST_10(v) v.s0, v.s1, v.s2, v.s3, v.s4, v.s5, v.s6, v.s7, v.s8, v.s9

/* NCHW: an item walks some places of some images, 16 places at a time. SPLIT_3: takes pixels of three channels apart. */
KERNEL void ingest_planes(__global const SRC_T *restrict src, __global const float *restrict table,
                          __global DST_T *restrict dst, ingest_params p, uint8 at)
{
    const int first = get_global_id(0) * p.images_each, end = min(first + p.images_each, p.n * p.images);
    const int p0 = get_global_id(1) * p.places_each, p1 = min(p0 + p.places_each, p.places);
    const int whole = p0 + (p1 - p0) / 16 * 16;
    table += at.s1;
    dst += at.s2;
    for (int image = first; image < end; image++) {
        __global const SRC_T *from = src + at.s0 + image * p.image_size;
        const int to = image * p.image_size;
        if (image >= (int)at.s6) {
            for (int c = 0; c < p.image_c; c++)
                for (int place = p0; place < p1; place++)
                    DST_STORE(0.0f, dst, to + c * p.places + place);
            continue;
        }
#ifdef SPLIT_3
        for (int place = p0; place < whole; place += 16) {
            const VEC a = SRC_LOADV(from, place * 3), b = SRC_LOADV(from, place * 3 + 16),
                      c = SRC_LOADV(from, place * 3 + 32);
            const VEC r = (VEC)(a.s0, a.s3, a.s6, a.s9, a.sc, a.sf, b.s2, b.s5, b.s8, b.sb,
                                b.se, b.s0, b.s0, b.s0, b.s0, b.s0);
            const VEC g = (VEC)(a.s1, a.s4, a.s7, a.sa, a.sd, b.s0, b.s3, b.s6, b.s9, b.sc,
                                b.sf, b.s0, b.s0, b.s0, b.s0, b.s0);
            const VEC u = (VEC)(a.s2, a.s5, a.s8, a.sb, a.se, b.s1, b.s4, b.s7, b.sa, b.sd,
                                b.s0, b.s0, b.s0, b.s0, b.s0, b.s0);
            PUT_ROW(((VEC)(FIRST_10(r), r.sa, c.s1, c.s4, c.s7, c.sa, c.sd)), 0, to + place);
            PUT_ROW(((VEC)(FIRST_10(g), g.sa, c.s2, c.s5, c.s8, c.sb, c.se)), 1, to + p.places + place);
            PUT_ROW(((VEC)(FIRST_10(u), c.s0, c.s3, c.s6, c.s9, c.sc, c.sf)), 2, to + 2 * p.places + place);
        }
#else
        for (int c = 0; c < p.image_c; c++)
            for (int place = p0; place < whole; place += 16)
                PUT_ROW(SRC_LOADV(from, c * p.places + place), c, to + c * p.places + place);
#endif
        for (int c = 0; c < p.image_c; c++)
            for (int place = whole; place < p1; place++)
                DST_STORE(number_of(SRC_LOAD(from, pixel_at(&p, place, c)), table[c], table[p.stored + c], &p), dst,
                          to + c * p.places + place);
    }
}
#endif

/*
 * Blocks of VW channels, from pixels whose channels lie beside each other: a vector is loaded so that the image's channels
 * come to lie in their lanes, and what else it holds is dropped. Near the ends of the user's memory the lanes are loaded
 * one by one.
 */
#if VW > 1
KERNEL void ingest_block(__global const SRC_T *restrict src, __global const float *restrict table,
                         __global DST_T *restrict dst, ingest_params p, uint8 at)
{
    const int groups = p.stored / VW, plane = get_global_id(0), n = plane / groups, first = plane % groups * VW;
    const int p0 = get_global_id(1) * p.places_each, p1 = min(p0 + p.places_each, p.places), valid = at.s6;
    const IVEC owner = (LANES + (IVEC)first) / (IVEC)p.image_c;
    const int i0 = first / p.image_c, i1 = min((min(first + VW, p.channels) - 1) / p.image_c, valid - 1 - n * p.images);
    src += at.s0;
    table += at.s1;
    const VEC mean = CAT(vload, VW)(0, table + first);
    /* a lane of no image is zero by its scale */
    const VEC scale = select((VEC)0.0f, CAT(vload, VW)(0, table + p.stored + first), owner <= (IVEC)i1);
    dst += at.s2 + MAP_AT(p, dst, n, first, 0, 0);
    const long size = (long)valid * p.image_size;
    for (int place = p0; place < p1; place++) {
        VEC pixel = mean;
        for (int i = i0; i <= i1; i++) {
            const long from = (long)(n * p.images + i) * p.image_size + place * p.image_c - (i * p.image_c - first);
            if (from >= 0 && from + VW <= size) {
                pixel = select(pixel, SRC_LOADV(src, from), owner == (IVEC)i);
            } else {
                float lanes[VW];
                for (int k = 0; k < VW; k++)
                    lanes[k] = (first + k) / p.image_c == i ? SRC_LOAD(src, from + k) : 0.0f;
                pixel = select(pixel, VEC_OF_LANES(lanes), owner == (IVEC)i);
            }
        }
        DST_STOREV(DST_STORED(KEEP_LANES((pixel - mean) * scale, p.channels - first), p.dst_scale), dst,
                   place * p.dst_x);
    }
}
#endif
