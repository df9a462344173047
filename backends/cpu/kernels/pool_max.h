/*
 * Max pools of one dtype. The including file gives
 *   NAME, TYPE               of the function and of what is stored
 *   VEC, LANES, LOWEST, LOAD, MAX, STORE    vectors of it, LANES channels each
 *   KEY, KEY_OF, KEY_LOWEST, OF_KEY         one of it, as something that > orders
 */
#define POOL_JOIN_OF(name, part) name##_##part
#define POOL_JOIN(name, part)    POOL_JOIN_OF(name, part)

/* One place of the output, whatever the window. */
static void POOL_JOIN(NAME, place)(const cpu_pool *p, const TYPE *src, reach r, TYPE *dst) {
    const size_t channels = (size_t)p->channels;
    size_t c = 0;
    for (; c + LANES <= channels; c += LANES) {
        VEC best = LOWEST;
        for (int32_t y = r.y; y < r.y_end; y += p->win.dh)
            for (int32_t x = r.x; x < r.x_end; x += p->win.dw)
                best = MAX(LOAD(src + ((size_t)y * (size_t)p->w + (size_t)x) * channels + c), best);
        STORE(dst + c, best);
    }
    for (; c < channels; c++) {
        KEY best = KEY_LOWEST;
        for (int32_t y = r.y; y < r.y_end; y += p->win.dh)
            for (int32_t x = r.x; x < r.x_end; x += p->win.dw) {
                KEY key = KEY_OF(src[((size_t)y * (size_t)p->w + (size_t)x) * channels + c]);
                best = key > best ? key : best;
            }
        dst[c] = OF_KEY(best);
    }
}

static inline __attribute__((always_inline)) VEC POOL_JOIN(NAME, column)(const TYPE *at, size_t row, const int side) {
    VEC best = MAX(LOAD(at), LOAD(at + row));
    return side == 3 ? MAX(best, LOAD(at + 2 * row)) : best;
}

/* `count` places whose square windows lie on the map, for LANES channels: the columns' maxima are shared by neighbours. */
static inline __attribute__((always_inline)) void POOL_JOIN(NAME, run)(const TYPE *at, size_t row, size_t place,
                                                                       int32_t count, const int side, const int stride,
                                                                       TYPE *dst) {
    VEC a = POOL_JOIN(NAME, column)(at, row, side), b = a;
    if (side == 3 && stride == 1)
        b = POOL_JOIN(NAME, column)(at + place, row, side);
    for (int32_t i = 0; i < count; i++, at += (size_t)stride * place, dst += place) {
        if (side == 2 && stride == 2)
            a = POOL_JOIN(NAME, column)(at, row, side);
        if (side == 3 && stride == 2)
            b = POOL_JOIN(NAME, column)(at + place, row, side);
        VEC last = POOL_JOIN(NAME, column)(at + (size_t)(side - 1) * place, row, side);
        STORE(dst, side == 3 ? MAX(MAX(a, b), last) : MAX(a, last));
        a = side == 3 && stride == 1 ? b : last;
        b = last;
    }
}

static void POOL_JOIN(NAME, inside)(const cpu_pool *p, const TYPE *at, int32_t count, TYPE *dst) {
    const size_t channels = (size_t)p->channels, row = (size_t)p->w * channels;
    for (size_t c = 0; c < channels; c += LANES) {
        if (p->win.kh == 3 && p->win.sw == 1)
            POOL_JOIN(NAME, run)(at + c, row, channels, count, 3, 1, dst + c);
        else if (p->win.kh == 3)
            POOL_JOIN(NAME, run)(at + c, row, channels, count, 3, 2, dst + c);
        else if (p->win.sw == 1)
            POOL_JOIN(NAME, run)(at + c, row, channels, count, 2, 1, dst + c);
        else
            POOL_JOIN(NAME, run)(at + c, row, channels, count, 2, 2, dst + c);
    }
}

/* Rows [first_row, end_row) of the output; dst is the first of them. */
static void NAME(const cpu_pool *p, const TYPE *src, TYPE *dst, int32_t first_row, int32_t end_row) {
    const size_t channels = (size_t)p->channels;
    bool usual = usual_window(p) && channels % LANES == 0;
    for (int32_t oy = first_row; oy < end_row; oy++)
        for (int32_t ox = 0, count; ox < p->out_w; ox += count, dst += (size_t)count * channels) {
            reach r = reach_of(p, oy, ox);
            count = usual ? whole_windows(p, &r, ox) : 0;
            if (count > 0) {
                POOL_JOIN(NAME, inside)(p, src + ((size_t)r.y * (size_t)p->w + (size_t)r.x) * channels, count, dst);
                continue;
            }
            POOL_JOIN(NAME, place)(p, src, r, dst);
            count = 1;
        }
}

#undef NAME
#undef TYPE
#undef VEC
#undef LANES
#undef LOWEST
#undef LOAD
#undef MAX
#undef STORE
#undef KEY
#undef KEY_OF
#undef KEY_LOWEST
#undef OF_KEY
#undef POOL_JOIN
#undef POOL_JOIN_OF
