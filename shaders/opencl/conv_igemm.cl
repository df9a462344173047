/*
 * A convolution as a matrix product whose left side, pixels x (window and channels), is never written down: LX * LY items
 * fetch a tile of it and one of the weights into local memory, STEP of the sum at a time, and every item has TILE_PX pixels,
 * LX apart, and TILE_CB vectors of outputs of that tile. VW is 4.
 */
// needs: conv_lanes.cl
PARAM_STRUCT(igemm_params, CONV_IGEMM_PARAMS)
#define ROWS (LX * TILE_PX)        /* pixels of a group's tile */
#define WIDE (LY * TILE_CB * VW)   /* its outputs */
#define ITEMS (LX * LY)

/* Where channel c of the pixel whose window begins at (top, left) lies, a place (ky, kx) of the window on; -1 outside. */
static inline int igemm_place(igemm_params p, map_view from, int n, int top, int left, int ky, int kx, int c) {
    int y = top + ky * p.win_dh, x = left + kx * p.win_dw;
    int channel = from.block == VW ? c / VW * from.b + c % VW * from.c : channel_at(from, c);
    bool is_inside = n >= 0 && y >= 0 && y < p.src_h && x >= 0 && x < p.src_w;
    return is_inside ? n * p.src_n + y * p.src_y + x * p.src_x + channel : -1;
}

KERNEL void conv_igemm(const __global SRC_T *src, const __global RES_T *res, const __global float *wgt, __global DST_T *dst,
                       igemm_params p, uint8 words) {
    LOCAL_ARRAY(float, a, STEP * ROWS);
    LOCAL_ARRAY(float, b, STEP * WIDE);
    LOCAL_ARRAY(int, pixel_n, ROWS);
    LOCAL_ARRAY(int, pixel_top, ROWS);
    LOCAL_ARRAY(int, pixel_left, ROWS);
    map_view from = MAP_VIEW(p, src), to = MAP_VIEW(p, dst), residual = MAP_VIEW(p, res);
    int lx = get_local_id(0), ly = get_local_id(1), item = ly * LX + lx;
    int tile = get_group_id(1), group = tile / p.tiles, first = tile % p.tiles * WIDE, map = p.map_h * p.map_w;
    const __global float *weights = wgt + words.s2 + p.groups * p.tiles * WIDE + tile * p.depth * WIDE;
    src += words.s0;
    for (int m = item; m < ROWS; m += ITEMS) {
        int at = get_group_id(0) * ROWS + m;
        pixel_n[m] = at < p.pixels ? at / map : -1;
        pixel_top[m] = at % map / p.map_w * p.win_sh - p.win_pt;
        pixel_left[m] = at % p.map_w * p.win_sw - p.win_pl;
    }
    VEC acc[TILE_PX * TILE_CB];
    #pragma unroll
    for (int k = 0; k < TILE_PX * TILE_CB; k++)
        acc[k] = (VEC)0.0f;
    int ky = 0, kx = 0, c = 0; /* by_vectors: of all STEP numbers */
    for (int done = 0; done < p.depth; done += STEP) {
        barrier(CLK_LOCAL_MEM_FENCE);
        if (p.by_vectors) {
            for (int e = item; e < STEP / VW * ROWS; e += ITEMS) {
                int m = e % ROWS, k = e / ROWS * VW;
                int at = igemm_place(p, from, pixel_n[m], pixel_top[m], pixel_left[m], ky, kx, group * p.c + c + k);
                VEC x = at < 0 ? (VEC)0.0f : SRC_LOADV(src, max(at, 0));
                a[k * ROWS + m] = x.x;
                a[(k + 1) * ROWS + m] = x.y;
                a[(k + 2) * ROWS + m] = x.z;
                a[(k + 3) * ROWS + m] = x.w;
            }
            c += STEP;
            kx += c == p.c;
            ky += kx == p.win_kw;
            c = c == p.c ? 0 : c;
            kx = kx == p.win_kw ? 0 : kx;
        } else {
            for (int e = item; e < STEP * ROWS; e += ITEMS) {
                int m = e % ROWS, number = done + e / ROWS, tap = number / p.c;
                int at = igemm_place(p, from, number < p.depth ? pixel_n[m] : -1, pixel_top[m], pixel_left[m],
                                     tap / p.win_kw, tap % p.win_kw, group * p.c + number % p.c);
                a[e] = at < 0 ? 0.0f : SRC_LOAD(src, max(at, 0));
            }
        }
        for (int e = item; e < STEP * WIDE; e += ITEMS)
            b[e] = done * WIDE + e < p.depth * WIDE ? weights[done * WIDE + e] : 0.0f;
        barrier(CLK_LOCAL_MEM_FENCE);
        #pragma unroll 4
        for (int i = 0; i < STEP; i++) {
            VEC w[TILE_CB];
            #pragma unroll
            for (int j = 0; j < TILE_CB; j++)
                w[j] = LOADV_WHOLE(b, i * WIDE + (ly * TILE_CB + j) * VW);
            #pragma unroll
            for (int k = 0; k < TILE_PX; k++) {
                VEC x = (VEC)(a[i * ROWS + k * LX + lx]);
                #pragma unroll
                for (int j = 0; j < TILE_CB; j++)
                    acc[k * TILE_CB + j] = fma(x, w[j], acc[k * TILE_CB + j]);
            }
        }
    }
    const __global float *bias = wgt + words.s2 + tile * WIDE;
    bool is_last = tile == p.groups * p.tiles - 1 && ly == 0;
    VEC sums[TILE_PX * TILE_CB];
    #pragma unroll
    for (int k = 0; k < TILE_PX * TILE_CB; k++)
        sums[k] = acc[k];
    BUILD_LOOP
    for (int k = 0; k < TILE_PX; k++) {
        int at = get_group_id(0) * ROWS + k * LX + lx, n = at / map, y = at % map / p.map_w, x = at % p.map_w;
        if (at >= p.pixels)
            continue;
        __global DST_T *place = dst + words.s3 + n * p.dst_n + y * p.dst_y + x * p.dst_x;
        BUILD_LOOP
        for (int j = 0; j < TILE_CB; j++) {
            int mine = (ly * TILE_CB + j) * VW, left = min(p.co - first - mine, VW), o = group * p.co + first + mine;
            if (left <= 0)
                continue;
            VEC v = SRC_NUMBER(sums[k * TILE_CB + j], p.src_scale) + LOADV_WHOLE(bias, mine);
            if (p.has_res)
                v += residual_lanes(res + words.s1 + n * p.res_n + y * p.res_y + x * p.res_x, residual, o,
                                    channel_at(residual, o), left);
            store_lanes(ACTIVATE(v, p), place, to, o, channel_at(to, o), left);
        }
        for (int c = p.zeros_from; is_last && c < p.padded; c++)
            DST_STORE(0.0f, place, channel_at(to, c));
    }
}
