/* Candidates and compiled steps. */
#include "program.h"

#include <string.h>

/* ---- candidates ------------------------------------------------------------------------------------------------- */

fr_status vlk_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count) {
    return gpu_candidates(&device->found->traits, "vk", step, gpu_bad_verdict, &device->bad, out, capacity, out_count);
}

/* ---- compile ----------------------------------------------------------------------------------------------------- */

static uint64_t round_up(uint64_t value, uint64_t step) {
    return (value + step - 1) / step * step;
}

/* What a descriptor can reach; not a fault of the kernel, so that a smaller batch is tried with it. */
static fr_status check_reach(const fr_program *program, const gpu_bind *bind, bool is_texels, const char *kernel) {
    const fr_device *device = program->device;
    const gpu_bindings *b = &program->bindings;
    uint64_t limit = is_texels ? device->found->max_texels * 4 * bind->elem_bytes / 2
                               : device->found->properties.limits.maxStorageBufferRange;
    uint64_t whole =
        bind->role == GPU_WEIGHT ? program->weight_bytes : gpu_bindings_bytes(b, bind->role, b->most_valid);
    if (bind->at > whole)
        return host_fail(device->base.host, FR_INTERNAL, "vulkan: kernel %s wants what lies behind a buffer's end",
                         kernel);
    if (whole - bind->at + 2 * vlk_descriptor_step(device) <= limit)
        return FR_OK;
    return host_fail(device->base.host, FR_NO_MEMORY,
                     "vulkan: kernel %s wants %llu bytes in one buffer, this device binds %llu at most; a smaller "
                     "batch needs less",
                     kernel, (unsigned long long)(whole - bind->at), (unsigned long long)limit);
}

static fr_status check_grid(const fr_device *device, const gpu_dispatch *d) {
    const uint32_t *most = device->found->properties.limits.maxComputeWorkGroupCount;
    if (d->groups[1] <= most[1] && d->groups[2] <= most[2])
        return FR_OK;
    return host_fail(device->base.host, FR_NO_MEMORY,
                     "vulkan: kernel %s wants %u x %u x %u groups, this device runs %u x %u x %u at most; a smaller "
                     "batch needs fewer",
                     d->kernel, d->groups[0], d->groups[1], d->groups[2], most[0], most[1], most[2]);
}

static fr_status add_dispatch(fr_program *program, const gpu_dispatch *from) {
    fr_device *device = program->device;
    vlk_dispatch *to = &program->dispatches[program->n_dispatches];
    if (from->call != GPU_CALL_KERNEL)
        return host_fail(device->base.host, FR_INTERNAL, "vulkan: there is no library of matrix products");
    for (int32_t i = 0; i < from->n_buffers; i++)
        HOST_TRY(check_reach(program, &from->buffers[i], from->texels >> i & 1, from->kernel));
    HOST_TRY(check_grid(device, from));
    HOST_TRY(vlk_pipeline_get(device, from, &to->pipeline, &program->is_bad));
    to->n_binds = from->n_buffers;
    to->texels = from->texels;
    memcpy(to->binds, from->buffers, sizeof to->binds);
    memcpy(to->groups, from->groups, sizeof to->groups);
    program->n_dispatches++;
    return FR_OK;
}

/* Where the parameters lie behind the weights; the bytes of all. */
static uint64_t place_params(fr_program *program, const gpu_recipe *recipe) {
    const fr_device *device = program->device;
    uint64_t asked = device->found->properties.limits.minUniformBufferOffsetAlignment, step = asked > 256 ? asked : 256,
             end = round_up(program->weight_bytes, step);
    for (int32_t i = 0; i < program->n_dispatches; i++) {
        vlk_dispatch *d = &program->dispatches[i];
        d->params_at = end;
        d->params_bytes =
            (uint32_t)round_up((uint64_t)recipe->dispatches[i].n_params * sizeof(gpu_word), 16); /* std140 */
        end += round_up(d->params_bytes, step);
    }
    return end > step ? end : step; /* never empty: it stands in for buffers of which nothing is read */
}

static fr_status upload(fr_program *program, const gpu_recipe *recipe) {
    fr_device *device = program->device;
    uint64_t bytes = place_params(program, recipe);
    fr_status status;
    void *block;
    HOST_TRY(vlk_buffer_make(device, VLK_ON_DEVICE, bytes, "weights", &program->packed));
    host_account_add(&device->base, FR_BUFFER_WEIGHT, bytes);
    HOST_TRY(host_alloc(device->base.host, bytes, "packed weights", &block));
    char *all = block;
    if (recipe->packed_bytes > 0)
        memcpy(all, recipe->packed, recipe->packed_bytes);
    for (int32_t i = 0; i < program->n_dispatches; i++)
        memcpy(all + program->dispatches[i].params_at, recipe->dispatches[i].params,
               (size_t)recipe->dispatches[i].n_params * sizeof(gpu_word));
    status = vlk_buffer_fill(program->packed, all, bytes);
    device->base.host->free(all);
    return status;
}

static fr_status make_program(fr_program *program, const gpu_recipe *recipe) {
    program->weight_bytes = recipe->packed_bytes;
    for (int32_t i = 0; i < recipe->n_dispatches; i++)
        HOST_TRY(add_dispatch(program, &recipe->dispatches[i]));
    return upload(program, recipe);
}

fr_status vlk_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program) {
    const fr_host *host = device->base.host;
    gpu_recipe recipe = {.n_dispatches = 0};
    fr_status status = FR_OK;
    void *block;
    *out_program = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_program), "a program", &block));
    fr_program *program = block;
    program->device = device;
    HOST_GO(done, gpu_recipe_make(host, &device->found->traits, step, candidate, weights, &recipe));
    gpu_bindings_measure(step, recipe.scratch_bytes, &program->bindings);
    status = make_program(program, &recipe);
    if (program->is_bad && gpu_bad_add(host, &device->bad, candidate->name))
        host->log(2, "vulkan: %s is left out on %s: this driver does not make its pipeline", candidate->name,
                  device->found->facts.name);
    if (status == FR_OK)
        *out_program = program;
done:
    gpu_recipe_free(host, &recipe);
    if (status != FR_OK)
        vlk_program_free(program);
    return status;
}

void vlk_program_free(fr_program *program) {
    if (!program)
        return;
    fr_device *device = program->device;
    if (program->packed) {
        host_account_drop(&device->base, FR_BUFFER_WEIGHT, program->packed->bytes);
        vlk_buffer_free(program->packed);
    }
    device->base.host->free(program);
}
