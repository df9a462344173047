/* Any layout and dims to any other, number by number in CHW order. An item: `each` numbers of dst's stored channels. */
PARAM_STRUCT(reorder_params, REORDER_PARAMS)

KERNEL void reorder_any(__global const SRC_T *restrict src, __global DST_T *restrict dst, reorder_params p, uint8 at)
{
    const int map = p.h * p.w, out_map = p.out_h * p.out_w, size = p.stored * out_map;
    const int parts = (size + p.each - 1) / p.each, n = get_global_id(0) / parts;
    const int first = (get_global_id(0) - n * parts) * p.each, end = min(first + p.each, size);
    if (n >= p.n)
        return;
    src += at.s0;
    dst += at.s1;
    /* channel and place on both sides; both walk on together */
    int c = first / out_map, place = first - c * out_map, sc = first / map, s_place = first - sc * map;
    int from = MAP_AT(p, src, n, sc, 0, 0), to = MAP_AT(p, dst, n, c, 0, 0);
    for (int i = first; i < end; i++) {
        float value = 0.0f;
        if (c < p.channels)
            value = SRC_NUMBER(SRC_LOAD(src, from + s_place * p.src_x), p.src_scale);
        DST_STORE(DST_STORED(value, p.dst_scale), dst, to + place * p.dst_x);
        if (++place == out_map) {
            place = 0;
            c++;
            to = MAP_AT(p, dst, n, c, 0, 0);
        }
        if (++s_place == map) {
            s_place = 0;
            sc++;
            from = MAP_AT(p, src, n, sc, 0, 0);
        }
    }
}
