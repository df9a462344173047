/* Engines of an operation graph: which of them keep to a step's precision, and plans of them. */
#include "dnn.h"

#ifdef CUDA_WITH_CUDNN

#include <stdio.h>
#include <string.h>

enum { MOST_RESULTS = 64, MOST_NOTES = 32 };

/* ---- what may be used ---------------------------------------------------------------------------------------------------- */

static bool is_winograd(cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_WINOGRAD || note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4 ||
           note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6 || note == CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13;
}

static bool is_never(cudnnBackendNumericalNote_t note) {
    return note == CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS ||
           note == CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION || note == CUDNN_NUMERICAL_NOTE_FFT ||
           note == CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
}

static bool notes_allow(const cudnnBackendNumericalNote_t *notes, int64_t count, const dnn_rules *rules) {
    bool has_winograd = false;
    for (int64_t i = 0; i < count; i++) {
        has_winograd |= is_winograd(notes[i]);
        if (is_never(notes[i]) || (notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE && !rules->tensor_cores))
            return false;
    }
    return has_winograd == rules->winograd_only;
}

/* Engines that want weights or biases in an order of their own. */
static bool behaviour_allows(const cudnnBackendBehaviorNote_t *notes, int64_t count) {
    for (int64_t i = 0; i < count; i++)
        if (notes[i] == CUDNN_BEHAVIOR_NOTE_REQUIRES_FILTER_INT8x32_REORDER ||
            notes[i] == CUDNN_BEHAVIOR_NOTE_REQUIRES_BIAS_INT8x32_REORDER)
            return false;
    return true;
}

static bool allows(const dnn_lib *lib, cudnnBackendDescriptor_t config, const dnn_rules *rules) {
    const cud_dnn_api *api = lib->api;
    cudnnBackendNumericalNote_t notes[MOST_NOTES];
    cudnnBackendBehaviorNote_t behaviour[MOST_NOTES];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t count = 0, n_notes = 0, n_behaviour = 0;
    if (api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) != CUDNN_STATUS_SUCCESS)
        return false;
    bool allowed = api->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                 &count, &engine) == CUDNN_STATUS_SUCCESS &&
                   api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                                 MOST_NOTES, &n_notes, notes) == CUDNN_STATUS_SUCCESS &&
                   api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE,
                                                 MOST_NOTES, &n_behaviour, behaviour) == CUDNN_STATUS_SUCCESS;
    /* more notes than there is room for are notes of which nothing is known here */
    allowed = allowed && n_notes <= MOST_NOTES && n_behaviour <= MOST_NOTES && notes_allow(notes, n_notes, rules) &&
              behaviour_allows(behaviour, n_behaviour);
    (void)api->cudnnBackendDestroyDescriptor(engine);
    return allowed;
}

/* ---- heuristics ---------------------------------------------------------------------------------------------------------- */

typedef struct results {
    cudnnBackendDescriptor_t list[MOST_RESULTS];
    int64_t made, found;
} results;

static void results_free(const dnn_lib *lib, results *r) {
    for (int64_t i = 0; i < r->made; i++)
        if (r->list[i])
            (void)lib->api->cudnnBackendDestroyDescriptor(r->list[i]);
}

static bool ask(const dnn_lib *lib, cudnnBackendDescriptor_t heuristics, const dnn_graph *graph,
                cudnnBackendHeurMode_t mode, results *r) {
    const cud_dnn_api *api = lib->api;
    bool good =
        api->cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                      1, &graph->graph) == CUDNN_STATUS_SUCCESS &&
        api->cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode) ==
            CUDNN_STATUS_SUCCESS;
#if CUDNN_VERSION >= 90800
    if (lib->properties)
        good = good && api->cudnnBackendSetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_DEVICEPROP,
                                                     CUDNN_TYPE_BACKEND_DESCRIPTOR, 1,
                                                     &lib->properties) == CUDNN_STATUS_SUCCESS;
#endif
    if (!good || api->cudnnBackendFinalize(heuristics) != CUDNN_STATUS_SUCCESS)
        return false;
    int64_t count = 0;
    if (api->cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0,
                                      &count, NULL) != CUDNN_STATUS_SUCCESS)
        return false;
    for (; r->made < count && r->made < MOST_RESULTS; r->made++)
        if (api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &r->list[r->made]) !=
            CUDNN_STATUS_SUCCESS)
            return false;
    return r->made > 0 &&
           api->cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                         r->made, &r->found, r->list) == CUDNN_STATUS_SUCCESS;
}

fr_status dnn_configs_add(const dnn_lib *lib, const dnn_graph *graph, cudnnBackendHeurMode_t mode,
                          const dnn_rules *rules, dnn_configs *configs) {
    results r = {.made = 0};
    cudnnBackendDescriptor_t heuristics = NULL;
    HOST_TRY(dnn_check(lib, lib->api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, &heuristics),
                       "cudnnBackendCreateDescriptor", "heuristics"));
    if (ask(lib, heuristics, graph, mode, &r))
        for (int64_t i = 0; i < r.found && i < r.made && configs->count < DNN_MAX_CONFIGS; i++)
            if (allows(lib, r.list[i], rules)) {
                configs->list[configs->count++] = r.list[i];
                r.list[i] = NULL;
            }
    results_free(lib, &r);
    (void)lib->api->cudnnBackendDestroyDescriptor(heuristics);
    return FR_OK;
}

void dnn_configs_free(const dnn_lib *lib, dnn_configs *configs) {
    for (int32_t i = 0; i < configs->count; i++)
        if (configs->list[i])
            (void)lib->api->cudnnBackendDestroyDescriptor(configs->list[i]);
    memset(configs, 0, sizeof *configs);
}

/* ---- plans ----------------------------------------------------------------------------------------------------------------- */

static fr_status plan_begin(const dnn_lib *lib, dnn_plan *plan) {
    const char *what = "a plan";
    HOST_TRY(dnn_check(lib,
                       lib->api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, &plan->plan),
                       "cudnnBackendCreateDescriptor", what));
    if (lib->handle)
        HOST_TRY(dnn_check(lib,
                           lib->api->cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE,
                                                              CUDNN_TYPE_HANDLE, 1, &lib->handle),
                           "cudnnBackendSetAttribute", what));
#if CUDNN_VERSION >= 90800
    if (lib->properties)
        HOST_TRY(dnn_check(lib,
                           lib->api->cudnnBackendSetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP,
                                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &lib->properties),
                           "cudnnBackendSetAttribute", what));
#endif
    return FR_OK;
}

static void name_engine(const dnn_lib *lib, dnn_plan *plan) {
    cudnnBackendDescriptor_t engine = NULL;
    int64_t count = 0, index = -1;
    if (plan->config &&
        lib->api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine) == CUDNN_STATUS_SUCCESS) {
        if (lib->api->cudnnBackendGetAttribute(plan->config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR,
                                               1, &count, &engine) == CUDNN_STATUS_SUCCESS)
            (void)lib->api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1,
                                                     &count, &index);
        (void)lib->api->cudnnBackendDestroyDescriptor(engine);
    }
    (void)snprintf(plan->name, sizeof plan->name, "engine %lld", (long long)index);
}

static fr_status plan_end(const dnn_lib *lib, const dnn_rules *rules, dnn_plan *plan) {
    int64_t count = 0;
    HOST_TRY(dnn_check(lib, lib->api->cudnnBackendFinalize(plan->plan), "cudnnBackendFinalize", "a plan"));
    HOST_TRY(dnn_check(lib,
                       lib->api->cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE,
                                                          CUDNN_TYPE_INT64, 1, &count, &plan->workspace),
                       "cudnnBackendGetAttribute", "a plan's workspace"));
    if (plan->workspace > rules->scratch_bytes)
        return host_fail(lib->host, FR_UNSUPPORTED, "cuda: a plan of cuDNN wants %lld bytes of scratch, %lld are given",
                         (long long)plan->workspace, (long long)rules->scratch_bytes);
    name_engine(lib, plan);
    return FR_OK;
}

fr_status dnn_plan_new(const dnn_lib *lib, dnn_configs *configs, int32_t index, const dnn_rules *rules,
                       dnn_plan *out_plan) {
    fr_status status;
    memset(out_plan, 0, sizeof *out_plan);
    out_plan->config = configs->list[index];
    configs->list[index] = NULL;
    HOST_GO(failed, plan_begin(lib, out_plan));
    HOST_GO(failed,
            dnn_check(lib,
                      lib->api->cudnnBackendSetAttribute(out_plan->plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG,
                                                         CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &out_plan->config),
                      "cudnnBackendSetAttribute", "a plan"));
    HOST_GO(failed, plan_end(lib, rules, out_plan));
    return FR_OK;
failed:
    dnn_plan_free(lib, out_plan);
    return status;
}

fr_status dnn_plan_save(const dnn_lib *lib, const dnn_plan *plan, char **out_text, int64_t *out_bytes) {
    const char *call = "cudnnBackendGetAttribute", *what = "a plan as text";
    int64_t bytes = 0;
    void *block = NULL;
    *out_text = NULL;
    *out_bytes = 0;
    HOST_TRY(dnn_check(lib,
                       lib->api->cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                          CUDNN_TYPE_CHAR, 0, &bytes, NULL),
                       call, what));
    HOST_TRY(host_alloc(lib->host, (uint64_t)bytes + 1, what, &block));
    fr_status status =
        dnn_check(lib,
                  lib->api->cudnnBackendGetAttribute(plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                     CUDNN_TYPE_CHAR, bytes, &bytes, block),
                  call, what);
    if (status != FR_OK) {
        lib->host->free(block);
        return status;
    }
    *out_text = block;
    *out_bytes = bytes;
    return FR_OK;
}

fr_status dnn_plan_load(const dnn_lib *lib, const char *text, int64_t bytes, const dnn_rules *rules,
                        dnn_plan *out_plan) {
    fr_status status;
    memset(out_plan, 0, sizeof *out_plan);
    HOST_GO(failed, plan_begin(lib, out_plan));
    HOST_GO(failed,
            dnn_check(lib,
                      lib->api->cudnnBackendSetAttribute(out_plan->plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION,
                                                         CUDNN_TYPE_CHAR, bytes, text),
                      "cudnnBackendSetAttribute", "a plan from text"));
    HOST_GO(failed, plan_end(lib, rules, out_plan));
    return FR_OK;
failed:
    dnn_plan_free(lib, out_plan);
    return status;
}

void dnn_plan_free(const dnn_lib *lib, dnn_plan *plan) {
    if (plan->plan)
        (void)lib->api->cudnnBackendDestroyDescriptor(plan->plan);
    if (plan->config)
        (void)lib->api->cudnnBackendDestroyDescriptor(plan->config);
    memset(plan, 0, sizeof *plan);
}

#endif
