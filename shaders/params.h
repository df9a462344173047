/*
 * The parameter structs of the kernels, word for word as backends/gpu fills them (gpu_param, in this order). Read by OpenCL C
 * and by GLSL: I(name) declares an int, F(name) a float. Each list ends where its kernel's struct ends.
 */
#ifndef FR_SHADERS_PARAMS_H
#define FR_SHADERS_PARAMS_H

/* gpu_param_act */
#define ACT_PARAMS(I, F) I(act) F(act_a) F(act_b)
/* gpu_param_strides: six words a tensor */
#define STRIDE_PARAMS(I, t) I(t##_n) I(t##_b) I(t##_c) I(t##_y) I(t##_x) I(t##_block)
/* gpu_param_window: eight words */
#define WINDOW_PARAMS(I, w) I(w##_kh) I(w##_kw) I(w##_sh) I(w##_sw) I(w##_dh) I(w##_dw) I(w##_pt) I(w##_pl)

/* fc: the rows of src are p.k numbers each; dst and residual have their own row lengths; k_part and part_size: the numbers of
 * a part of K, and the elements of one part's sums */
#define FC_PARAMS(I, F)                                                                                      \
    I(n) I(k) I(n_out) I(dst_row) I(res_row) I(has_bias) I(has_residual) I(item_rows) I(k_part) I(part_size) \
    I(parts) I(sum_row) ACT_PARAMS(I, F) F(dst_scale)
/* im2col: an item's share of lines in `each` */
#define IM2COL_PARAMS(I, F) I(n) I(c) I(h) I(w) I(oh) I(ow) I(groups) I(each) WINDOW_PARAMS(I, win)
#define GEMM_END_PARAMS(I, F) I(lines) I(line) I(bias_lines) I(has_bias) I(has_residual) I(each) ACT_PARAMS(I, F)

/* pool: maps in groups of VW channels, `groups` of them an input, `planes` in all; padded_h, padded_w: where rows and
 * columns are no longer the padding's */
#define POOL_PARAMS(I, F)                                                                                    \
    STRIDE_PARAMS(I, src) STRIDE_PARAMS(I, dst) WINDOW_PARAMS(I, win) I(h) I(w) I(out_h) I(out_w) I(padded_h) \
    I(padded_w) I(planes) I(groups) I(channels) I(kind) I(planes_each) I(rows_each) I(is_nhwc) F(src_scale)  \
    F(dst_scale)

/* gpu_conv_add: what every float convolution is told. Channels are a group's; padded is what dst stores of all groups; side:
 * what lies side by side (conv_lanes). */
#define CONV_PARAMS(I, F)                                                                                    \
    STRIDE_PARAMS(I, src) STRIDE_PARAMS(I, dst) STRIDE_PARAMS(I, res) WINDOW_PARAMS(I, win) ACT_PARAMS(I, F) \
    I(groups) I(c) I(co) I(padded) I(src_h) I(src_w) I(map_h) I(map_w) I(has_res) I(src_side) I(dst_side)    \
    I(res_side) F(src_scale) F(res_scale) F(dst_scale)
/* A pool's window beside another window; kind: fr_pool_kind. */
#define CONV_POOL_PARAMS(I, w) WINDOW_PARAMS(I, w) I(w##_pb) I(w##_pr)
/* Strips of rows; tiles of outputs a group; runs of numbers side by side in a row of the window. */
#define CONV_DIRECT_PARAMS(I, F)                                                                              \
    CONV_PARAMS(I, F) I(pool) CONV_POOL_PARAMS(I, pool) I(dst_h) I(dst_w) I(strips) I(strip_rows) I(tiles)    \
    I(tiles_each) I(runs) I(run_step) I(run_count) I(staged) I(zeros_from) I(pool_is_inside)
/* part: of dst, an input's is parts_h x parts_w of them; pitch: a part's places of the unpooled map in a row. Without a pool a
 * part is part_pixels of all inputs. */
#define CONV_ITEMS_PARAMS(I, F)                                                                              \
    CONV_PARAMS(I, F) I(pool) CONV_POOL_PARAMS(I, pool) I(dst_h) I(dst_w) I(tiles) I(zeros_from) I(part_pixels) \
    I(pool_is_inside) I(part_h) I(part_w) I(parts_h) I(parts_w) I(pitch)
/* pixels of all inputs; depth: numbers in a sum */
#define CONV_IGEMM_PARAMS(I, F) CONV_PARAMS(I, F) I(tiles) I(zeros_from) I(pixels) I(depth) I(by_vectors)
/* As if there were one group of all channels; stored: channels that the weights have */
#define CONV_DEPTHWISE_PARAMS(I, F) CONV_PARAMS(I, F) I(stored) I(zeros_from) I(strip_rows)
/* The same; *_four: from channel to channel as far as whole fours go; total: strips of rows of one column, all inputs and fours
 * of channels counted */
#define CONV_COLUMNS_PARAMS(I, F) CONV_PARAMS(I, F) I(stored) I(src_four) I(dst_four) I(res_four) I(total)
#define CONV_PLAIN_PARAMS(I, F) CONV_PARAMS(I, F) I(total)
/* pixels of all inputs, or strips of TILE_PX of them, `strips` an input; blocks: of four channels; *_step: from one such block
 * to the next; min(max(x, low), high) + slope * min(x, 0) is the activation, where it is made of straight lines */
#define CONV_SPREAD_PARAMS(I, F)                                                                              \
    CONV_PARAMS(I, F) I(tiles) I(pixels) I(strips) I(blocks) I(src_step) I(dst_step) I(res_step) F(low) F(high) \
    F(slope)

/* conv_int8: a place is one of the conv's own map, all inputs counted; strides in elements. Steps are in words, from tile to
 * tile of outputs. stored: channels of dst as stored. Pooled: band_rows rows of dst an item, its map in band_bytes of
 * scratch. */
#define CONV_INT8_PARAMS(I, F)                                                                                   \
    I(src_n) I(src_b) I(src_x) STRIDE_PARAMS(I, dst) I(res_n) I(res_b) WINDOW_PARAMS(I, win) ACT_PARAMS(I, F)    \
    I(h) I(w) I(out_h) I(out_w) I(places) I(span) I(blocks) I(channels) I(stored) I(weights_step)                \
    I(constants_step) F(inverse_scale) F(res_scale) WINDOW_PARAMS(I, pool) I(pooled_h) I(pooled_w) I(bands)      \
    I(band_rows) I(band_bytes)
/* int8_plain: input and output channels of a group, all output channels, weights of one */
#define INT8_PLAIN_PARAMS(I, F)                                                                                  \
    STRIDE_PARAMS(I, src) STRIDE_PARAMS(I, dst) STRIDE_PARAMS(I, res) WINDOW_PARAMS(I, win) ACT_PARAMS(I, F)     \
    I(h) I(w) I(out_h) I(out_w) I(group_in) I(group_out) I(channels) I(weights_step) F(inverse_scale) F(res_scale)

/* ingest: `channels` of an input and those stored; image_size: numbers of an image; places_each, images_each: an item's */
#define INGEST_PARAMS(I, F)                                                                                 \
    STRIDE_PARAMS(I, dst) I(n) I(images) I(image_c) I(image_size) I(places) I(channels) I(stored) I(is_chw) \
    I(images_each) I(places_each) F(dst_scale)
/* rows: `images` rows an input, of `length` numbers; dst_row: what lies between the beginnings of two rows of dst */
#define ROWS_PARAMS(I, F)                                                                        \
    I(rows) I(images) I(src_n) I(length) I(dst_row) I(is_softmax) I(uses_valid) I(rows_each) F(src_scale) \
    F(dst_scale)
/* emit, of any layout */
#define EMIT_PARAMS(I, F) STRIDE_PARAMS(I, src) I(rows) I(images) I(classes) I(h) I(w) I(is_softmax) F(src_scale)

/*
 * chain.cl. The launch: how the ends lie in memory (the user's: one image, image_n is its elements). A layer: a record in the
 * packed weights. Maps lie in local memory as [row][place][channel]: src and dst are the elements where the first tap and
 * the first place are, *_y and *_x the steps to the next row and place; weight and bias count floats of the packed weights.
 * Winograd's V and M lie there too, [36][tile_count][v_tile or m_tile floats].
 */
#define CHAIN_PARAMS(I, F) I(inputs) I(layers) I(images) STRIDE_PARAMS(I, from) STRIDE_PARAMS(I, to)
#define CHAIN_LAYER(I, F)                                                                              \
    I(kind) I(src) I(src_y) I(src_x) I(dst) I(dst_y) I(dst_x) I(c) I(h) I(w) I(oc) I(oh) I(ow)         \
    I(border_t) I(border_l) I(border_b) I(border_r)                                                    \
    I(step_y) I(step_x) I(runs_y) I(runs_x) I(run) I(run_y) I(run_x) I(weight) I(bias) F(low) F(high)  \
    I(pairs) I(pair_tiles) I(singles) I(single_tiles)                                                  \
    I(tiles_x) I(tile_first) I(tile_count) I(v_at) I(v_tile) I(m_at) I(m_tile)                         \
    ACT_PARAMS(I, F) WINDOW_PARAMS(I, k) I(pool) I(limit_y) I(limit_x) I(image_c) I(softmax)

/* wino, wino3: an output of WINO_OUT x WINO_OUT is a tile. depth: input channels, by fours; bias_at: in the packed weights;
 * map: the conv's own output; a group takes strip_h x strip_w of dst in `images` inputs; v_at, m_at, map_at: in its local
 * memory; v_step, m_step, m_tile: from place to place of a tile, and from tile to tile, in floats; down, across: tiles of an
 * input, blocks: of TB tiles in all; k: the pool's window, k_pb and k_pr its bottom and right padding */
#define WINO_PARAMS(I, F)                                                                                        \
    I(n) I(h) I(w) I(pad_top) I(pad_left) I(c_blocks) I(depth) I(out_c) I(out_blocks) I(panels) I(bias_at)       \
    I(map_h) I(map_w) I(dst_h) I(dst_w) I(strip_h) I(strip_w) I(images) I(stage_blocks) I(v_at) I(m_at)          \
    I(map_at) I(v_step) I(m_step) I(m_tile) I(down) I(across) I(blocks) I(chunk) I(has_residual) I(pool)         \
    WINDOW_PARAMS(I, k) I(k_pb) I(k_pr) ACT_PARAMS(I, F)

/* map: sources as they are, dst's channels from `first` on; `groups` of VW channels an input, `planes` in all */
#define MAP_PARAMS(I, F)                                                                                        \
    STRIDE_PARAMS(I, src) STRIDE_PARAMS(I, src1) STRIDE_PARAMS(I, dst) I(h) I(w) I(out_h) I(out_w) I(shift_y)   \
    I(shift_x) I(planes) I(groups) I(channels) I(first) I(op) I(planes_each) I(rows_each) I(is_nhwc)            \
    ACT_PARAMS(I, F) F(pad_value) F(src_scale) F(src1_scale) F(dst_scale)
/* reorder of any dims: h, w of src, the rest of dst */
#define REORDER_PARAMS(I, F)                                                                                 \
    STRIDE_PARAMS(I, src) STRIDE_PARAMS(I, dst) I(n) I(h) I(w) I(out_h) I(out_w) I(channels) I(stored)       \
    I(each) F(src_scale) F(dst_scale)
/* channels: LRN's window is `before` channels to `after`; alpha is divided by its size */
#define CHANNELS_PARAMS(I, F)                                                                                \
    STRIDE_PARAMS(I, src) STRIDE_PARAMS(I, dst) I(n) I(h) I(w) I(channels) I(dst_stored) I(pick_last)        \
    I(before) I(after) I(rows_each) F(alpha) F(beta) F(k) F(src_scale) F(dst_scale)


/* conv_mma: steps in elements, *_run: from one run of 16 bytes of channels to the next; c, co: of a group, c_runs: runs of it;
 * n_tiles: of its outputs. A job: a tile of the map (of dst's places part_h x part_w where it is pooled) of `images` inputs, its
 * pixels in chunks; patch: of the source below it, in bytes, twin: where the second copy is. A slice: slice_runs of the
 * channels, k_steps of sums, w_bytes of weights. at_*: in shared memory; by_*: gpu_mma_magic of what is divided by. */
#define CONV_MMA_PARAMS(I, F)                                                                                   \
    I(src_n) I(src_y) I(src_x) I(src_run) I(dst_n) I(dst_y) I(dst_x) I(dst_run) I(res_n) I(res_y) I(res_x)      \
    I(res_run) WINDOW_PARAMS(I, win) ACT_PARAMS(I, F) I(n) I(h) I(w) I(map_h) I(map_w) I(c) I(c_runs) I(co)     \
    I(n_tiles) I(images) I(tile_h) I(tile_w) I(tiles_y) I(tiles_x) I(jobs) I(pixels) I(chunks) I(patch_h)       \
    I(patch_w) I(patch_pixel) I(patch_row) I(patch_image) I(patch_bytes) I(twin) I(slices) I(slice_runs)        \
    I(k_steps) I(w_pitch) I(w_bytes) I(stages) I(map_pitch) I(at_table) I(at_weights) I(at_patch) I(at_map)     \
    I(src_by_run) I(dst_by_run) I(dst_wide) I(has_res) I(by_tile_w) I(by_tile) I(by_line) I(by_runs)            \
    I(by_patch_h) I(pool_pt) I(pool_pl) I(pool_pb) I(pool_pr) I(dst_h) I(dst_w) I(part_h) I(part_w) F(slope)   \
    F(res_scale) F(inverse_scale) I(pool)

#endif
