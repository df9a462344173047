/*
 * Steps that look at one number of each source at a time, or only move numbers:
 * dst[first + c, y, x] = act(src[c, y - shift_y, x - shift_x] op src1[c, y, x]), pad_value outside src. Maps are walked in
 * groups of VW channels (see backends/gpu/maps.h); `groups` of them are written for each input, zeros from `channels` on.
 */
PARAM_STRUCT(map_params, MAP_PARAMS)

enum { OP_ADD = 1, OP_MUL = 2, OP_SUB = 3, OP_DIV = 4, OP_MAX = 5, OP_MIN = 6 };

#ifdef SRC1_DTYPE
#define SRC1_T TYPE(SRC1_DTYPE)
#define SRC1_NUMBER(i) CAT(NUMBER_, DTYPE(SRC1_DTYPE))(CAT(load_, DTYPE(SRC1_DTYPE))(src1, i), p->src1_scale)
#define SRC1_NUMBERV(i) CAT(NUMBER_, DTYPE(SRC1_DTYPE))(CAT(loadv_, DTYPE(SRC1_DTYPE))(src1, i), p->src1_scale)
#else
#define SRC1_T SRC_T
#endif

#define COMBINE_BODY_                   \
    {                                   \
        switch (op) {                   \
        case OP_ADD: return a + b;      \
        case OP_MUL: return a * b;      \
        case OP_SUB: return a - b;      \
        case OP_DIV: return a / b;      \
        case OP_MAX: return fmax(a, b); \
        case OP_MIN: return fmin(a, b); \
        default: return a;              \
        }                               \
    }
static inline VEC combine(VEC a, VEC b, int op) COMBINE_BODY_
static inline float combine1(float a, float b, int op) COMBINE_BODY_

typedef struct {
    int c, src, src1, dst;
    bool is_stored; /* src has these channels */
} map_group;

static inline map_group group_of(const map_params *p, int map)
{
    map_group m;
    const int n = map / p->groups;
    m.c = map % p->groups * VW;
    m.src = MAP_AT((*p), src, n, m.c, 0, 0);
    m.src1 = MAP_AT((*p), src1, n, m.c, 0, 0);
    m.dst = MAP_AT((*p), dst, n, p->first + m.c, 0, 0);
    m.is_stored = m.c < p->channels;
    return m;
}

static inline void do_vector(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                             __global DST_T *restrict dst, const map_params *p, const map_group *m, int y, int x)
{
    const int sy = y - p->shift_y, sx = x - p->shift_x;
    VEC value = (VEC)0.0f;
    if (m->is_stored) {
        value = (VEC)p->pad_value;
        if (sy >= 0 && sy < p->h && sx >= 0 && sx < p->w)
            value = SRC_NUMBER(SRC_LOADV(src, m->src + sy * p->src_y + sx * p->src_x), p->src_scale);
#ifdef SRC1_DTYPE
        value = combine(value, SRC1_NUMBERV(m->src1 + y * p->src1_y + x * p->src1_x), p->op);
#endif
        value = ACTIVATE(value, (*p));
    }
    value = DST_STORED(KEEP_LANES(value, p->channels - m->c), p->dst_scale);
    DST_STOREV(value, dst, m->dst + y * p->dst_y + x * p->dst_x);
}

/* An item: `planes_each` groups, `rows_each` rows of them. */
KERNEL void map_walk(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                     __global DST_T *restrict dst, map_params p, uint8 at)
{
    const int begin = get_global_id(0) * p.planes_each, end = min(begin + p.planes_each, p.planes);
    const int y0 = get_global_id(1) * p.rows_each, y1 = min(y0 + p.rows_each, p.out_h);
    for (int map = begin; map < end; map++) {
        const map_group m = group_of(&p, map);
        for (int y = y0; y < y1; y++)
            for (int x = 0; x < p.out_w; x++)
                do_vector(src + at.s0, src1 + at.s1, dst + at.s2, &p, &m, y, x);
    }
}

/* An item: one vector. */
KERNEL void map_item(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                     __global DST_T *restrict dst, map_params p, uint8 at)
{
    int i = get_global_id(0), g = 0;
    if (i >= p.planes * p.out_h * p.out_w)
        return;
    if (p.is_nhwc) { /* neighbours in memory are neighbours here */
        g = i % p.groups;
        i /= p.groups;
    }
    const int x = i % p.out_w, y = i / p.out_w % p.out_h, map = i / p.out_w / p.out_h;
    const map_group m = group_of(&p, p.is_nhwc ? map * p.groups + g : map);
    do_vector(src + at.s0, src1 + at.s1, dst + at.s2, &p, &m, y, x);
}

#if VW > 1
/* NCHW on all sides, nothing around the maps: lanes are places, of one channel at a time. */
static inline map_group channel_of(const map_params *p, int map)
{
    map_group m;
    const int n = map / p->groups;
    m.c = map % p->groups;
    m.src = n * p->src_n + m.c * p->src_b;
    m.src1 = n * p->src1_n + m.c * p->src1_b;
    m.dst = n * p->dst_n + (p->first + m.c) * p->dst_b;
    m.is_stored = true;
    return m;
}

static inline void do_places(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                             __global DST_T *restrict dst, const map_params *p, const map_group *m, int begin, int end)
{
    int i = begin;
    for (; i + VW <= end; i += VW) {
        VEC value = SRC_NUMBER(SRC_LOADV(src, m->src + i), p->src_scale);
#ifdef SRC1_DTYPE
        if (p->src1_x)
            value = combine(value, SRC1_NUMBERV(m->src1 + i), p->op);
        else
            value = combine(value, (VEC)SRC1_NUMBER(m->src1), p->op);
#endif
        value = DST_STORED(ACTIVATE(value, (*p)), p->dst_scale);
        DST_STOREV(value, dst, m->dst + i);
    }
    for (; i < end; i++) {
        float value = SRC_NUMBER(SRC_LOAD(src, m->src + i), p->src_scale);
#ifdef SRC1_DTYPE
        value = combine1(value, SRC1_NUMBER(m->src1 + i * p->src1_x), p->op);
#endif
        value = ACTIVATE1(value, (*p));
        DST_STORE(DST_STORED(value, p->dst_scale), dst, m->dst + i);
    }
}

KERNEL void map_places(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                       __global DST_T *restrict dst, map_params p, uint8 at)
{
    const int begin = get_global_id(0) * p.planes_each, end = min(begin + p.planes_each, p.planes);
    const int p0 = get_global_id(1) * p.rows_each * p.out_w, p1 = min(p0 + p.rows_each * p.out_w, p.out_h * p.out_w);
    for (int map = begin; map < end; map++) {
        const map_group m = channel_of(&p, map);
        do_places(src + at.s0, src1 + at.s1, dst + at.s2, &p, &m, p0, p1);
    }
}

/* A place of VW channels that NCHW has apart, and one of a group that has them side by side; past the last they are zero. */
static inline void weave_place(__global const SRC_T *restrict src, __global DST_T *restrict dst, const map_params *p,
                               const map_group *m, int place)
{
    float lanes[VW];
    if (m->c + VW <= p->channels) {
#pragma unroll
        for (int k = 0; k < VW; k++)
            lanes[k] = SRC_LOAD(src, m->src + k * p->src_b + place);
    } else {
#pragma unroll
        for (int k = 0; k < VW; k++)
            lanes[k] = m->c + k < p->channels ? SRC_LOAD(src, m->src + k * p->src_b + place) : 0.0f;
    }
    const VEC value = VEC_OF_LANES(lanes);
    DST_STOREV(DST_STORED(SRC_NUMBER(value, p->src_scale), p->dst_scale), dst, m->dst + place * p->dst_x);
}

static inline void unweave_place(__global const SRC_T *restrict src, __global DST_T *restrict dst, const map_params *p,
                                 const map_group *m, int place)
{
    float lanes[VW];
    const VEC number = SRC_NUMBER(SRC_LOADV(src, m->src + place * p->src_x), p->src_scale);
    LANES_OF_VEC(DST_STORED(number, p->dst_scale), lanes);
    if (m->c + VW <= p->channels) {
#pragma unroll
        for (int k = 0; k < VW; k++)
            DST_STORE(lanes[k], dst, m->dst + k * p->dst_b + place);
    } else {
        for (int k = 0; m->c + k < p->channels; k++)
            DST_STORE(lanes[k], dst, m->dst + k * p->dst_b + place);
    }
}

/* An item alone walks maps, and items side by side have a place each. */
#if LX == 1
#define WEAVE(one_place)                                                                                             \
    {                                                                                                                \
        const int begin = get_global_id(0) * p.planes_each, end = min(begin + p.planes_each, p.planes);              \
        const int p0 = get_global_id(1) * p.rows_each * p.out_w;                                                     \
        const int p1 = min(p0 + p.rows_each * p.out_w, p.out_h * p.out_w);                                           \
        for (int map = begin; map < end; map++) {                                                                    \
            const map_group m = group_of(&p, map);                                                                   \
            for (int place = p0; place < p1; place++)                                                                \
                one_place(src + at.s0, dst + at.s2, &p, &m, place);                                                  \
        }                                                                                                            \
    }
#else
#define WEAVE(one_place)                                                                                             \
    {                                                                                                                \
        const int i = get_global_id(0), places = p.out_h * p.out_w;                                                  \
        if (i >= p.planes * places)                                                                                  \
            return;                                                                                                  \
        const map_group m = group_of(&p, i / places);                                                                \
        one_place(src + at.s0, dst + at.s2, &p, &m, i % places);                                                     \
    }
#endif

/* From NCHW into groups of VW channels. */
KERNEL void map_weave(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                      __global DST_T *restrict dst, map_params p, uint8 at)
WEAVE(weave_place)

/* From groups of VW channels into NCHW. */
KERNEL void map_unweave(__global const SRC_T *restrict src, __global const SRC1_T *restrict src1,
                        __global DST_T *restrict dst, map_params p, uint8 at)
WEAVE(unweave_place)
#endif
