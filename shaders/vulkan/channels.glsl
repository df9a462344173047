/* Steps that look along the channels at each place of a map: an item is a place. */
PARAMS(CHANNELS_PARAMS)
READS(0, src, SRC_DTYPE)
WRITES(1, dst, DST_DTYPE)
FIRST_PLACE(src)
FIRST_PLACE(dst)

int place_n, src_base, dst_base; /* the item's: its input, and elements of the first channel there */

bool has_place() {
    int x = item_index();
    if (x >= p.n * p.h * p.w)
        return false;
    int y = split(x, p.w);
    place_n = split(y, p.h);
    src_base = y * p.src_y + x * p.src_x;
    dst_base = y * p.dst_y + x * p.dst_x;
    return true;
}

int src_at(int c) { return src_base + src_first_place(place_n, c); }
float stored_at(int c) { return src_load(src_at(c)); }
float number_at(int c) { return NUMBER(SRC_DTYPE, stored_at(c), p.src_scale); }
void put(int c, float value) {
    dst_store(dst_base + dst_first_place(place_n, c), STORED(DST_DTYPE, value, p.dst_scale));
}

/* Padding of a block, behind the `count` channels that were written. */
void zero_padding(int count) {
    for (int c = count; c < p.dst_stored; c++)
        put(c, 0.0);
}
