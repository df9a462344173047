/* Steps that look along the channels at each place of a map. */
PARAM_STRUCT(channels_params, CHANNELS_PARAMS)

/* Channels in order, without a division for each: `c` is the channel, `i` its element. */
#define EACH_CHANNEL(base, body)                                           \
    for (int c0 = 0, c = 0; c0 < p.channels; c0 += p.src_block)            \
        for (int k = 0; k < p.src_block && c < p.channels; k++, c++) {     \
            const int i = (base) + c0 / p.src_block * p.src_b + k * p.src_c; \
            body                                                           \
        }
#define NUMBER_AT(i) SRC_NUMBER(SRC_LOAD(src, i), p.src_scale)

/* base to the power of -beta; 3/4 is the usual one and needs no logarithm */
#define DAMPED(x, base) (p.beta == 0.75f ? (x) / (sqrt(base) * sqrt(sqrt(base))) : (x) / pow(base, p.beta))

typedef struct {
    int n, y, x;
} place_at;

static inline place_at place_of(const channels_params *p, int i)
{
    place_at at;
    at.x = i % p->w;
    at.y = i / p->w % p->h;
    at.n = i / p->w / p->h;
    return at;
}

/* Padding of a block, behind the `count` channels that were written. */
#define ZERO_PADDING(count)                       \
    for (int c = (count); c < p.dst_stored; c++) \
        DST_STORE(0.0f, dst, MAP_AT(p, dst, a.n, c, a.y, a.x));

KERNEL void softmax_any(__global const SRC_T *restrict src, __global DST_T *restrict dst, channels_params p, uint8 at)
{
    const int item = get_global_id(0);
    if (item >= p.n * p.h * p.w)
        return;
    const place_at a = place_of(&p, item);
    src += at.s0;
    dst += at.s1;
    const int from = MAP_AT(p, src, a.n, 0, a.y, a.x);
    float highest = -INFINITY, sum = 0.0f;
    EACH_CHANNEL(from, highest = fmax(highest, NUMBER_AT(i));)
    EACH_CHANNEL(from, sum += exp(NUMBER_AT(i) - highest);)
    EACH_CHANNEL(from, DST_STORE(DST_STORED(exp(NUMBER_AT(i) - highest) / sum, p.dst_scale), dst,
                                 MAP_AT(p, dst, a.n, c, a.y, a.x));)
    ZERO_PADDING(p.channels)
}

KERNEL void argmax_any(__global const SRC_T *restrict src, __global DST_T *restrict dst, channels_params p, uint8 at)
{
    const int item = get_global_id(0);
    if (item >= p.n * p.h * p.w)
        return;
    const place_at a = place_of(&p, item);
    src += at.s0;
    dst += at.s1;
    const int from = MAP_AT(p, src, a.n, 0, a.y, a.x);
    float best = SRC_LOAD(src, from);
    int winner = 0;
    EACH_CHANNEL(from, {
        const float value = SRC_LOAD(src, i);
        if (value > best || (p.pick_last && value == best)) {
            best = value;
            winner = c;
        }
    })
    DST_STORE(DST_STORED((float)winner, p.dst_scale), dst, MAP_AT(p, dst, a.n, 0, a.y, a.x));
    ZERO_PADDING(1)
}

KERNEL void lrn_any(__global const SRC_T *restrict src, __global DST_T *restrict dst, channels_params p, uint8 at)
{
    const int item = get_global_id(0);
    if (item >= p.n * p.h * p.w)
        return;
    const place_at a = place_of(&p, item);
    src += at.s0;
    dst += at.s1;
    for (int c = 0; c < p.channels; c++) {
        const int first = max(c - p.before, 0), last = min(c + p.after, p.channels - 1);
        float squares = 0.0f;
        for (int j = first; j <= last; j++) {
            const float value = NUMBER_AT(MAP_AT(p, src, a.n, j, a.y, a.x));
            squares += value * value;
        }
        const float base = p.k + p.alpha * squares, value = NUMBER_AT(MAP_AT(p, src, a.n, c, a.y, a.x));
        DST_STORE(DST_STORED(DAMPED(value, base), p.dst_scale), dst, MAP_AT(p, dst, a.n, c, a.y, a.x));
    }
    ZERO_PADDING(p.channels)
}

#ifdef LRN_SQUARES /* numbers of local memory */
#define POW_BETA(base) pow(base, (VEC)p.beta)
#define DAMPEDV(x, base) (p.beta == 0.75f ? (x) / (sqrt(base) * sqrt(sqrt(base))) : (x) / POW_BETA(base))

/* Groups of VW channels: the squares of some places are laid out in rows with zeros at both ends, so that a shifted window
 * of them is one load (long after their stores). An item: some rows of an input. */
KERNEL void lrn_lanes(__global const SRC_T *restrict src, __global DST_T *restrict dst, channels_params p, uint8 at)
{
    LOCAL_ARRAY(float, squares, LRN_SQUARES);
    const int n = get_global_id(0), y0 = get_global_id(1) * p.rows_each, y1 = min(y0 + p.rows_each, p.h);
    const int row = p.dst_stored + 2 * VW, most = LRN_SQUARES / row;
    src += at.s0;
    dst += at.s1;
    for (int i = 0; i < most * row; i += VW)
        CAT(vstore, VW)((VEC)0.0f, 0, squares + i);
    for (int first = y0 * p.w; first < y1 * p.w; first += most) {
        const int count = min(most, y1 * p.w - first);
        for (int c = 0; c < p.channels; c += VW) {
            const int from = MAP_AT(p, src, n, c, 0, 0) + first * p.src_x;
            for (int i = 0; i < count; i++) {
                const VEC value = SRC_NUMBER(SRC_LOADV(src, from + i * p.src_x), p.src_scale);
                CAT(vstore, VW)(value * value, 0, squares + i * row + VW + c);
            }
        }
        for (int c = 0; c < p.dst_stored; c += VW) {
            const int from = MAP_AT(p, src, n, c, 0, 0) + first * p.src_x;
            const int to = MAP_AT(p, dst, n, c, 0, 0) + first * p.dst_x;
            for (int i = 0; i < count; i++) {
                VEC sum = (VEC)0.0f, value = (VEC)0.0f;
                for (int j = -p.before; j <= p.after; j++)
                    sum += CAT(vload, VW)(0, squares + i * row + VW + c + j);
                if (c < p.channels)
                    value = SRC_NUMBER(SRC_LOADV(src, from + i * p.src_x), p.src_scale);
                const VEC base = (VEC)p.k + p.alpha * sum;
                value = DST_STORED(KEEP_LANES(DAMPEDV(value, base), p.channels - c), p.dst_scale);
                DST_STOREV(value, dst, to + i * p.dst_x);
            }
        }
    }
}

/* NCHW: lanes are places. An item: some rows of an input. */
KERNEL void lrn_places(__global const SRC_T *restrict src, __global DST_T *restrict dst, channels_params p, uint8 at)
{
    const int n = get_global_id(0), y0 = get_global_id(1) * p.rows_each, y1 = min(y0 + p.rows_each, p.h);
    src += at.s0 + n * p.src_n;
    dst += at.s1 + n * p.dst_n;
    for (int c = 0; c < p.channels; c++) {
        const int first = max(c - p.before, 0), last = min(c + p.after, p.channels - 1);
        int place = y0 * p.w;
        for (; place + VW <= y1 * p.w; place += VW) {
            VEC sum = (VEC)0.0f;
            for (int j = first; j <= last; j++) {
                const VEC value = SRC_NUMBER(SRC_LOADV(src, j * p.src_b + place), p.src_scale);
                sum = fma(value, value, sum);
            }
            const VEC base = (VEC)p.k + p.alpha * sum,
                      value = SRC_NUMBER(SRC_LOADV(src, c * p.src_b + place), p.src_scale);
            DST_STOREV(DST_STORED(DAMPEDV(value, base), p.dst_scale), dst, c * p.dst_b + place);
        }
        for (; place < y1 * p.w; place++) {
            float sum = 0.0f;
            for (int j = first; j <= last; j++) {
                const float value = NUMBER_AT(j * p.src_b + place);
                sum += value * value;
            }
            const float base = p.k + p.alpha * sum, value = NUMBER_AT(c * p.src_b + place);
            DST_STORE(DST_STORED(DAMPED(value, base), p.dst_scale), dst, c * p.dst_b + place);
        }
    }
}
#endif
