#include "gpu/bindings.h"

#include "common/host_device.h"

void gpu_bindings_measure(const fr_step *step, uint64_t scratch_bytes, gpu_bindings *out) {
    const fr_step *first = fr_step_first(step), *last = fr_step_last(step);
    *out = (gpu_bindings){.n_src = step->n_src, .scratch_bytes = scratch_bytes};
    for (int32_t i = 0; i < step->n_src; i++)
        out->src_bytes[i] = fr_tensor_bytes(&step->src[i], step->n);
    out->dst_bytes = fr_tensor_bytes(&step->dst, step->n);
    if (first->kind == FR_STEP_INGEST) {
        fr_tensor image = step->src[0];
        image.c = first->image_c;
        out->src_is_user = true;
        out->src_bytes[0] = fr_tensor_bytes(&image, 1);
        out->most_valid = step->n * first->images;
    }
    if (last->kind == FR_STEP_EMIT) {
        out->dst_is_user = true;
        out->dst_bytes = (uint64_t)last->src[0].c * (uint64_t)last->src[0].h * (uint64_t)last->src[0].w /
                         (uint64_t)last->images * fr_dtype_bytes((fr_dtype)step->dst.dtype);
        out->most_valid = step->n * last->images;
    }
}

uint64_t gpu_bindings_bytes(const gpu_bindings *bindings, int32_t role, int32_t valid) {
    if (role == GPU_SCRATCH)
        return bindings->scratch_bytes;
    if (role == GPU_DST)
        return bindings->dst_bytes * (bindings->dst_is_user ? (uint64_t)valid : 1);
    return bindings->src_bytes[role] * (role == 0 && bindings->src_is_user ? (uint64_t)valid : 1);
}

fr_status gpu_bindings_check(const fr_host *host, const gpu_bindings *bindings, const fr_launch *launch,
                             gpu_binding_check_fn check) {
    bool is_user_end = bindings->src_is_user || bindings->dst_is_user;
    if (is_user_end && (launch->valid < 0 || launch->valid > bindings->most_valid))
        return host_fail(host, FR_INVALID, "launch: %d images are valid of at most %d", launch->valid,
                         bindings->most_valid);
    for (int32_t i = 0; i < bindings->n_src; i++)
        HOST_TRY(check(host, &launch->src[i], gpu_bindings_bytes(bindings, i, launch->valid), "source"));
    HOST_TRY(check(host, &launch->dst, gpu_bindings_bytes(bindings, GPU_DST, launch->valid), "destination"));
    return check(host, &launch->scratch, bindings->scratch_bytes, "scratch");
}
