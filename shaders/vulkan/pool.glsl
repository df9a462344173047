/*
 * Pools: an item is one vector, or a few. The includer declares src. Maps are seen in groups of VW channels
 * (backends/gpu/maps.h); group g of input n is map n * groups + g.
 */
WRITES(1, dst, DST_DTYPE)
FIRST_PLACE(src)
FIRST_PLACE(dst)
VECTORS_OUT(dst)

/* The item's vector, of rows x columns of them on each map: its input, its first channel, and its place among them. */
struct pool_item {
    int n, c, y, x;
};

bool find_item(int rows, int columns, out pool_item item) {
    int i = item_index(), c, n;
    if (i >= p.planes * rows * columns)
        return false;
    if (p.is_nhwc != 0) { /* neighbours in memory are neighbours here */
        n = split(i, p.groups * rows * columns);
        const int place = split(i, p.groups);
        c = i;
        i = place;
    } else {
        c = split(i, rows * columns);
        n = split(c, p.groups);
    }
    const int y = split(i, columns);
    item = pool_item(n, c * VW, y, i);
    return true;
}
