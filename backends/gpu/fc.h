/* What the two families of fully connected layers share: which steps they take, their weights, and the kernel that adds up
 * partial sums and does the epilogue. */
#ifndef FR_BACKENDS_GPU_FC_H
#define FR_BACKENDS_GPU_FC_H

#include "gpu/gpu.h"

/* The step as a product: dst[n][n_out] = src[n][k] * weight. Rows are contiguous, whatever the layouts, since weights are
 * packed in the order in which src is stored. */
typedef struct gpu_fc_shape {
    int32_t n, k, n_out;
    int32_t dst_row, res_row; /* numbers from one input to the next, a block's padding included */
} gpu_fc_shape;

/* Layouts of the candidate, and the shape. `layout`: of src when the step leaves it open; 0 = the device's own. A reason when no
 * family of this kind takes the step. */
fr_reason gpu_fc_open(const gpu_traits *traits, const fr_step *step, uint16_t layout, fr_candidate *candidate,
                      gpu_fc_shape *out_shape);

/* recipe->packed: weight[panel][k][columns] in `dtype`, then n_columns biases at *out_bias_at (zeros without a bias). */
fr_status gpu_fc_pack(const fr_host *host, const fr_step *step, const fr_weights *weights, uint16_t dtype,
                      int32_t columns, int32_t n_columns, gpu_recipe *recipe, uint64_t *out_bias_at) FR_MUST_CHECK;

/* FC_PARAMS with an epilogue or, for partial sums, without. */
typedef struct gpu_fc_work {
    int32_t item_rows, k_part, parts;
    int32_t sum_row; /* of partial sums: numbers from one row to the next */
    bool is_partial;
} gpu_fc_work;
void gpu_fc_params(gpu_dispatch *d, const fr_step *step, const gpu_fc_shape *shape, const gpu_fc_work *work);

/* Adds sums[parts][n][sum_row], at the beginning of scratch, up and does the epilogue. */
fr_status gpu_fc_add_sum(const fr_host *host, gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step,
                         const gpu_fc_shape *shape, int32_t parts, int32_t sum_row, uint64_t bias_at) FR_MUST_CHECK;

#endif
