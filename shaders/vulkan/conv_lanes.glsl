/*
 * Channels of one place of a map in any layout, for the convolutions that take CONV_PARAMS. What of a place lies side by side
 * is its tensor's `side`: 0 = one channel, 1 = whole vectors, a block's padding included, 2 = all channels.
 */
#define CHANNEL_AT(t, c) ((c) / p.t##_block * p.t##_b + (c) % p.t##_block * p.t##_c)
#define PLACE_AT(t, n, y, x) ((n) * p.t##_n + (y) * p.t##_y + (x) * p.t##_x)

/* CONV_ENDS(residual, dst): those bindings, and
 *   vec4 residual_lanes(place, o, count)    channels o..o+count of the place; the other lanes are anything
 *   void store_lanes(v, place, o, count)    activated numbers, to where they belong; a block's padding is zero
 *   void store_zeros(place)                 channels that no vector reaches */
#define CONV_ENDS(RES, DST)                                                                      \
    READS(RES, res, RES_DTYPE)                                                                   \
    WRITES(DST, dst, DST_DTYPE)                                                                  \
    vec4 residual_lanes(int place, int o, int count) {                                           \
        int at = place + CHANNEL_AT(res, o);                                                     \
        vec4 v = vec4(0.0);                                                                      \
        if ((p.res_side == 1 || (p.res_side == 2 && count >= 4)) && (at + AT(RES)) % 4 == 0)     \
            v = res_loadv(at);                                                                   \
        else                                                                                     \
            [[unroll]] for (int i = 0; i < 4; i++)                                               \
                if (i < count)                                                                   \
                    v[i] = res_load(place + CHANNEL_AT(res, o + i));                             \
        return NUMBER(RES_DTYPE, v, p.res_scale);                                                \
    }                                                                                            \
    void store_lanes(vec4 v, int place, int o, int count) {                                      \
        int at = place + CHANNEL_AT(dst, o);                                                     \
        v = STORED(DST_DTYPE, v, p.dst_scale);                                                   \
        if (p.dst_side == 1 || (p.dst_side == 2 && count >= 4 && (at + AT(DST)) % 4 == 0))       \
            dst_storev(at, keep_lanes(v, count));                                                \
        else                                                                                     \
            [[unroll]] for (int i = 0; i < 4; i++)                                               \
                if (i < count)                                                                   \
                    dst_store(place + CHANNEL_AT(dst, o + i), v[i]);                             \
    }                                                                                            \
    void store_zeros(int place) {                                                                \
        for (int c = p.zeros_from; c < p.padded; c++)                                            \
            dst_store(place + CHANNEL_AT(dst, c), 0.0);                                          \
    }
