/*
 * Winograd in three kernels, V and M in global memory: see backends/gpu/wino3.c. The first and the last take a
 * rectangle of tiles of one image a group. The product's group takes p.chunk blocks of TB tiles at one place: one
 * item all panels of the weights, several items (LY along the blocks) one panel, through local memory.
 */
// needs: wino_parts
KERNEL void wino3_input(const __global SRC_T *src, __global float *v, const wino_params params, const uint8 at) {
    LOCAL_ARRAY(float, room, ROOM) __attribute__((aligned(64)));
    const wino_params *p = &params;
    const part g = part_of(p);
    make_v(src + at.s0, p, &g, room, v + at.s1);
}

#if ITEMS == 1

KERNEL void wino3_product(const __global float *v, const __global float *w, __global float *m,
                          const wino_params params, const uint8 at) {
    const wino_params *p = &params;
    int pos = (int)get_group_id(2), block = (int)get_group_id(0) * p->chunk, end = min(block + p->chunk, p->blocks);
    v += at.s0 + pos * p->v_step;
    w += at.s1 + pos * p->panels * p->depth * PANEL;
    m += at.s2 + pos * p->m_step;
    for (int panel = 0; panel < p->panels; panel++)
        for (int t = block; t < end; t++) {
            SUMS_BEGIN
            product(acc, v + t * p->c_blocks * TB * VW, w + panel * p->depth * PANEL, p->depth);
            SUMS_END(m + t * TB * p->m_tile + panel * PANEL, p->m_tile)
        }
}

#else

#define PIECE 4 /* vectors of input channels at a time */

KERNEL void wino3_product(const __global float *v, const __global float *w, __global float *m,
                          const wino_params params, const uint8 at) {
    LOCAL_ARRAY(float, some_v, LY * PIECE * TB * VW);
    LOCAL_ARRAY(float, some_w, PIECE * VW * PANEL);
    const wino_params *p = &params;
    int pos = (int)get_group_id(2), panel = (int)get_group_id(1), block = (int)get_group_id(0) * LY;
    int item = ITEM_Y * LX + ITEM_X, blocks = min(p->blocks - block, LY);
    v += at.s0 + pos * p->v_step + block * p->c_blocks * TB * VW;
    w += at.s1 + (pos * p->panels + panel) * p->depth * PANEL;
    SUMS_BEGIN
    for (int c = 0; c < p->c_blocks; c += PIECE) {
        int depth = min(p->depth - c * VW, PIECE * VW);
        for (int t = ITEM_Y; t < blocks; t += LY)
            for (int i = ITEM_X; i < depth / VW * TB; i += LX)
                STOREV_WHOLE(LOADV_WHOLE(v, (t * p->c_blocks + c) * TB * VW + i * VW), some_v,
                             (t * PIECE * TB + i) * VW);
        for (int i = item; i < depth * COLUMNS; i += ITEMS)
            STOREV_WHOLE(LOADV_WHOLE(w, c * VW * PANEL + i * VW), some_w, i * VW);
        SYNC
        product(acc, some_v + ITEM_Y * PIECE * TB * VW, some_w + ITEM_X * CB * VW, depth);
        SYNC
    }
    if (ITEM_Y < blocks) {
        m += at.s2 + pos * p->m_step + (block + ITEM_Y) * TB * p->m_tile + panel * PANEL + ITEM_X * CB * VW;
        SUMS_END(m, p->m_tile)
    }
}

#endif

KERNEL void wino3_output(__global float *m, const __global float *w, const __global SRC_T *residual,
                         __global DST_T *dst, const wino_params params, const uint8 at) {
    LOCAL_ARRAY(float, no_maps, 1);
    const wino_params *p = &params;
    const part g = part_of(p);
    make_y(w + at.s1 + p->bias_at, residual + at.s2, dst + at.s3, p, &g, 0, p->out_blocks, m + at.s0, no_maps);
}
