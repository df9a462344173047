/* What families build recipes with: dispatches, parameters in order, packed weights. */
#include <string.h>

#include "base/convert.h"
#include "common/host_device.h"
#include "gpu/gpu.h"

gpu_dispatch *gpu_add(gpu_recipe *recipe, const char *file, const char *kernel) {
    if (recipe->n_dispatches >= GPU_MAX_DISPATCHES)
        return NULL;
    gpu_dispatch *d = &recipe->dispatches[recipe->n_dispatches++];
    memset(d, 0, sizeof *d);
    d->file = file;
    d->kernel = kernel;
    for (int i = 0; i < 3; i++)
        d->groups[i] = d->local[i] = 1;
    return d;
}

/* Too many of anything is noticed by gpu_recipe_make: the count passes the limit and the entry is dropped. */

void gpu_define_int(gpu_dispatch *d, const char *name, int32_t value) {
    if (d->n_defines < GPU_MAX_DEFINES) {
        gpu_define *made = &d->defines[d->n_defines];
        size_t length = strlen(name);
        length = length < sizeof made->name - 1 ? length : sizeof made->name - 1;
        memcpy(made->name, name, length);
        made->name[length] = '\0';
        made->value = value;
    }
    d->n_defines++;
}

void gpu_bind_buffer(gpu_dispatch *d, int32_t role, uint64_t at, uint32_t elem_bytes) {
    if (d->n_buffers < GPU_MAX_BUFFERS)
        d->buffers[d->n_buffers] = (gpu_bind){.role = (uint8_t)role, .elem_bytes = (uint8_t)elem_bytes, .at = at};
    d->n_buffers++;
}

void gpu_param(gpu_dispatch *d, int32_t value) {
    if (d->n_params < GPU_PARAM_WORDS)
        d->params[d->n_params].i = value;
    d->n_params++;
}

void gpu_param_f(gpu_dispatch *d, float value) {
    if (d->n_params < GPU_PARAM_WORDS)
        d->params[d->n_params].f = value;
    d->n_params++;
}

void gpu_grid(gpu_dispatch *d, uint32_t gx, uint32_t gy, uint32_t gz, uint32_t lx, uint32_t ly, uint32_t lz) {
    const uint32_t groups[3] = {gx, gy, gz}, local[3] = {lx, ly, lz};
    memcpy(d->groups, groups, sizeof groups);
    memcpy(d->local, local, sizeof local);
}

void gpu_param_act(gpu_dispatch *d, const fr_step *step) {
    gpu_param(d, step->act);
    gpu_param_f(d, step->act_a);
    gpu_param_f(d, step->act_b);
}

void gpu_param_strides(gpu_dispatch *d, const fr_tensor *t) {
    int32_t hw = t->h * t->w, block = fr_layout_block(t->layout);
    bool is_dense = t->layout == FR_LAYOUT_NHWC || t->layout == FR_LAYOUT_USER_HWC;
    int32_t place = is_dense ? t->c : block; /* from one place of the map to the next */
    gpu_param(d, (int32_t)fr_tensor_elements(t));
    gpu_param(d, is_dense ? 0 : hw * block);
    gpu_param(d, is_dense || block > 1 ? 1 : 0);
    gpu_param(d, t->w * place);
    gpu_param(d, place);
    gpu_param(d, is_dense ? t->c : block); /* one block of all channels is NHWC */
}

void gpu_param_window(gpu_dispatch *d, const fr_window *w) {
    const int32_t words[] = {w->kh, w->kw, w->sh, w->sw, w->dh, w->dw, w->pad_top, w->pad_left};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        gpu_param(d, words[i]);
}

uint16_t gpu_block_layout(int32_t vec) {
    switch (vec) {
    case 4: return FR_LAYOUT_NCHW4C;
    case 8: return FR_LAYOUT_NCHW8C;
    case 16: return FR_LAYOUT_NCHW16C;
    case 32: return FR_LAYOUT_NCHW32C;
    default: return FR_LAYOUT_NCHW;
    }
}

fr_status gpu_pack_new(const fr_host *host, gpu_recipe *recipe, uint64_t bytes) {
    HOST_TRY(host_alloc(host, bytes, "packed weights", &recipe->packed));
    recipe->packed_bytes = bytes;
    return FR_OK;
}

void gpu_pack_put(gpu_recipe *recipe, uint64_t at, uint16_t dtype, uint64_t index, float value) {
    char *place = (char *)recipe->packed + at + index * fr_dtype_bytes((fr_dtype)dtype);
    switch (dtype) {
    case FR_F16: {
        uint16_t half = fr_f32_to_f16(value);
        memcpy(place, &half, sizeof half);
        break;
    }
    case FR_BF16: {
        uint16_t half = fr_f32_to_bf16(value);
        memcpy(place, &half, sizeof half);
        break;
    }
    case FR_U8: *(uint8_t *)place = (uint8_t)value; break;
    case FR_S8: *(int8_t *)place = (int8_t)value; break;
    case FR_S32: {
        int32_t whole = (int32_t)value;
        memcpy(place, &whole, sizeof whole);
        break;
    }
    default: memcpy(place, &value, sizeof value); break;
    }
}

double gpu_guess_ns(const gpu_traits *traits, double flops, double bytes, double efficiency) {
    /* per unit and nanosecond: a core does about 100 operations, a GPU's unit about 250; either moves about 8 bytes */
    double units = traits->units ? traits->units : 1, ops = traits->is_cpu ? 100 : 250;
    double time = flops / (units * ops * efficiency), traffic = bytes / (units * 8);
    return 10000 + (time > traffic ? time : traffic);
}
