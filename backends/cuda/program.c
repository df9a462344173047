/* Candidates and compiled steps. */
#include "program.h"

#include <stdio.h>
#include <string.h>

/* ---- candidates ------------------------------------------------------------------------------------------------- */

fr_status cud_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count) {
    cud_ways ways = {device};
    gpu_others others;
    cud_ways_offer(&ways, &others);
    return gpu_candidates_and(&device->found->traits, "cuda", step, gpu_bad_verdict, &device->bad, &others, out,
                              capacity, out_count);
}

/* ---- compile ------------------------------------------------------------------------------------------------------ */

fr_status cud_dispatch_prepare(fr_device *device, const gpu_dispatch *from, cud_dispatch *out, bool *out_bad) {
    memset(out, 0, sizeof *out);
    *out_bad = false;
    out->call = from->call;
    out->gemm = from->gemm;
    out->n_binds = from->n_buffers;
    out->n_params = from->n_params;
    out->shared_bytes = from->shared_bytes;
    memcpy(out->binds, from->buffers, sizeof out->binds);
    memcpy(out->params, from->params, sizeof out->params);
    memcpy(out->groups, from->groups, sizeof out->groups);
    memcpy(out->local, from->local, sizeof out->local);
    (void)snprintf(out->name, sizeof out->name, "%s", from->call == GPU_CALL_GEMM ? "gemm" : from->kernel);
    if (from->call == GPU_CALL_GEMM)
        return FR_OK;
    return cud_kernel_get(device, from, &out->kernel, out_bad);
}

static fr_status upload(fr_program *program, const gpu_recipe *recipe) {
    fr_device *device = program->device;
    if (recipe->packed_bytes == 0)
        return FR_OK;
    HOST_TRY(cud_memory_new(device, recipe->packed_bytes, "weights", &program->packed));
    program->packed_bytes = recipe->packed_bytes;
    host_account_add(&device->base, FR_BUFFER_WEIGHT, program->packed_bytes);
    return cud_memory_fill(device, program->packed, recipe->packed, recipe->packed_bytes);
}

static fr_status make_of_recipe(fr_program *program, const fr_step *step, const fr_candidate *candidate,
                                const fr_weights *weights) {
    fr_device *device = program->device;
    const fr_host *host = device->base.host;
    gpu_recipe recipe;
    bool is_bad = false;
    HOST_TRY(gpu_recipe_make(host, &device->found->traits, step, candidate, weights, &recipe));
    gpu_bindings_measure(step, recipe.scratch_bytes, &program->bindings);
    fr_status status = upload(program, &recipe);
    for (int32_t i = 0; i < recipe.n_dispatches && status == FR_OK; i++)
        status =
            cud_dispatch_prepare(device, &recipe.dispatches[i], &program->dispatches[program->n_dispatches++], &is_bad);
    gpu_recipe_free(host, &recipe);
    if (is_bad && gpu_bad_add(host, &device->bad, candidate->name))
        host->log(2, "cuda: %s is left out on %s: its kernel does not build", candidate->name,
                  device->found->facts.name);
    return status;
}

static fr_status make_of_way(fr_program *program, const fr_step *step, const fr_candidate *candidate,
                             const fr_weights *weights) {
    HOST_TRY(cud_way_make(program->device, step, candidate, weights, &program->op));
    gpu_bindings_measure(step, candidate->scratch_bytes, &program->bindings);
    host_account_add(&program->device->base, FR_BUFFER_WEIGHT, program->op->weight_bytes);
    return FR_OK;
}

fr_status cud_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program) {
    void *block;
    *out_program = NULL;
    HOST_TRY(cud_enter(device));
    HOST_TRY(host_alloc(device->base.host, sizeof(fr_program), "a program", &block));
    fr_program *program = block;
    program->device = device;
    fr_status status = cud_is_way(candidate) ? make_of_way(program, step, candidate, weights)
                                             : make_of_recipe(program, step, candidate, weights);
    if (status != FR_OK) {
        cud_program_free(program);
        return status;
    }
    *out_program = program;
    return FR_OK;
}

void cud_program_free(fr_program *program) {
    if (!program)
        return;
    fr_device *device = program->device;
    cud_enter_to_free(device);
    if (program->op) {
        host_account_drop(&device->base, FR_BUFFER_WEIGHT, program->op->weight_bytes);
        program->op->free(device, program->op);
    }
    if (program->packed) {
        cud_memory_free(device, program->packed);
        host_account_drop(&device->base, FR_BUFFER_WEIGHT, program->packed_bytes);
    }
    device->base.host->free(program);
}
