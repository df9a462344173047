/* Candidates and compiled steps. */
#include "program.h"

#include <stdio.h>
#include <string.h>

/* ---- candidates ------------------------------------------------------------------------------------------------- */

fr_status ocl_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count) {
    return gpu_candidates(&device->found->traits, "ocl", step, gpu_bad_verdict, &device->bad, out, capacity, out_count);
}

/* ---- compile ------------------------------------------------------------------------------------------------------ */

/* Everything that no launch changes: parameters and the packed weights. */
static fr_status set_fixed(fr_program *program, const gpu_dispatch *from, ocl_dispatch *to) {
    const fr_host *host = program->device->base.host;
    const ocl_api *cl = program->device->cl;
    cl_uint at = (cl_uint)from->n_buffers;
    for (int32_t i = 0; i < from->n_buffers; i++)
        if (from->buffers[i].role == GPU_WEIGHT)
            HOST_TRY(ocl_check(host,
                               cl->clSetKernelArg(to->kernel, (cl_uint)i, sizeof program->packed, &program->packed),
                               "clSetKernelArg", to->name));
    if (from->n_params > 0)
        HOST_TRY(ocl_check(
            host, cl->clSetKernelArg(to->kernel, at++, (size_t)from->n_params * sizeof(gpu_word), from->params),
            "clSetKernelArg", to->name));
    to->words_at = at;
    return FR_OK;
}

static fr_status add_dispatch(fr_program *program, const gpu_dispatch *from) {
    ocl_dispatch *to = &program->dispatches[program->n_dispatches++];
    to->call = from->call;
    to->gemm = from->gemm;
    to->n_binds = from->n_buffers;
    memcpy(to->binds, from->buffers, sizeof to->binds);
    snprintf(to->name, sizeof to->name, "%s", from->call == GPU_CALL_GEMM ? "gemm" : from->kernel);
    for (int i = 0; i < 3; i++) {
        to->local[i] = from->local[i];
        to->global[i] = (size_t)from->groups[i] * from->local[i];
    }
    if (from->call == GPU_CALL_GEMM)
        return FR_OK;
    HOST_TRY(ocl_kernel_new(program->device, from, &to->kernel, &program->is_bad));
    return set_fixed(program, from, to);
}

static fr_status upload(fr_program *program, const gpu_recipe *recipe) {
    fr_device *device = program->device;
    if (recipe->packed_bytes == 0)
        return FR_OK;
    HOST_TRY(ocl_memory_new(device, recipe->packed_bytes, "weights", &program->packed));
    program->packed_bytes = recipe->packed_bytes;
    host_account_add(&device->base, FR_BUFFER_WEIGHT, program->packed_bytes);
    return ocl_memory_fill(device, program->packed, recipe->packed, recipe->packed_bytes);
}

static fr_status make_program(fr_program *program, const gpu_recipe *recipe) {
    HOST_TRY(upload(program, recipe));
    for (int32_t i = 0; i < recipe->n_dispatches; i++)
        HOST_TRY(add_dispatch(program, &recipe->dispatches[i]));
    return FR_OK;
}

fr_status ocl_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program) {
    const fr_host *host = device->base.host;
    gpu_recipe recipe = {.n_dispatches = 0};
    fr_status status = FR_OK;
    void *block;
    *out_program = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_program), "a program", &block));
    fr_program *program = block;
    program->device = device;
    pthread_mutex_init(&program->lock, NULL);
    HOST_GO(done, gpu_recipe_make(host, &device->found->traits, step, candidate, weights, &recipe));
    gpu_bindings_measure(step, recipe.scratch_bytes, &program->bindings);
    status = make_program(program, &recipe);
    if (program->is_bad && gpu_bad_add(host, &device->bad, candidate->name))
        host->log(2, "opencl: %s is left out on %s: its kernel does not build with this driver", candidate->name,
                  device->found->facts.name);
    if (status == FR_OK)
        *out_program = program;
done:
    gpu_recipe_free(host, &recipe);
    if (status != FR_OK)
        ocl_program_free(program);
    return status;
}

void ocl_program_free(fr_program *program) {
    if (!program)
        return;
    fr_device *device = program->device;
    for (int32_t i = 0; i < program->n_dispatches; i++)
        if (program->dispatches[i].kernel)
            device->cl->clReleaseKernel(program->dispatches[i].kernel);
    if (program->packed) {
        device->cl->clReleaseMemObject(program->packed);
        host_account_drop(&device->base, FR_BUFFER_WEIGHT, program->packed_bytes);
    }
    pthread_mutex_destroy(&program->lock);
    device->base.host->free(program);
}
