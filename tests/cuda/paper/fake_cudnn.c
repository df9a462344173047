/* The calls of the graph API, and descriptors as bags of attributes. */
#include "fake_cudnn.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAGIC = 0x44ac1e55, GONE = 0x0dead };

static _Thread_local char last_words[256];
static atomic_int complaints, heuristics, loads, handles;

int paper_dnn_complaints(void);
int paper_dnn_complaints(void) {
    return atomic_load(&complaints);
}
int paper_dnn_heuristics(void); /* how often they were asked */
int paper_dnn_heuristics(void) {
    return atomic_load(&heuristics);
}
int paper_dnn_loads(void); /* plans made of text */
int paper_dnn_loads(void) {
    return atomic_load(&loads);
}
int paper_dnn_handles(void); /* that there are: no reset */
int paper_dnn_handles(void) {
    return atomic_load(&handles);
}
void shim_reset(void);
void shim_reset(void) {
    atomic_store(&complaints, 0);
    atomic_store(&heuristics, 0);
    atomic_store(&loads, 0);
}

cudnnStatus_t fake_wrong(cudnnStatus_t code, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(last_words, sizeof last_words, fmt, args);
    va_end(args);
    atomic_fetch_add(&complaints, 1);
    (void)fprintf(stderr, "paper: cudnn: %s\n", last_words);
    return code;
}

cudnnStatus_t fake_refuse(cudnnStatus_t code, const char *words) {
    (void)snprintf(last_words, sizeof last_words, "%s", words);
    return code;
}

long fake_setting(const char *name, long otherwise) {
    const char *text = getenv(name);
    return text && *text ? atol(text) : otherwise;
}

/* ---- the library ----------------------------------------------------------------------------------------------------------- */

size_t cudnnGetVersion(void) {
    return (size_t)fake_setting("PAPER_DNN_VERSION", CUDNN_VERSION);
}

size_t cudnnGetCudartVersion(void) {
    return 13000;
}

const char *cudnnGetErrorString(cudnnStatus_t status) {
    switch (CUDNN_STATUS_CATEGORY((int)status)) {
    case 0: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    case 2000: return "CUDNN_STATUS_BAD_PARAM";
    default: return "CUDNN_STATUS_INTERNAL_ERROR";
    }
}

void cudnnGetLastErrorString(char *message, size_t max_size) {
    (void)snprintf(message, max_size, "%s", last_words);
    last_words[0] = '\0';
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle) {
    long code = fake_setting("PAPER_DNN_CREATE", 0);
    *handle = NULL;
    if (code)
        return fake_refuse((cudnnStatus_t)code, "the paper GPU's cuDNN was told not to start");
    struct cudnnContext *made = calloc(1, sizeof *made);
    if (!made)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    made->magic = MAGIC;
    atomic_fetch_add(&handles, 1);
    *handle = made;
    return CUDNN_STATUS_SUCCESS;
}

static bool is_handle(cudnnHandle_t handle) {
    return handle && handle->magic == MAGIC;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle) {
    if (!is_handle(handle))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "cudnnDestroy: no handle");
    handle->magic = GONE;
    atomic_fetch_sub(&handles, 1);
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
    if (!is_handle(handle))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "cudnnSetStream: no handle");
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- attributes ------------------------------------------------------------------------------------------------------------- */

size_t fake_type_bytes(cudnnBackendAttributeType_t type) {
    switch (type) {
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR: return 8;
    case CUDNN_TYPE_BOOLEAN:
    case CUDNN_TYPE_CHAR: return 1;
    default: return 4;
    }
}

/* What may be set: of which type, and how many. */
static const struct {
    cudnnBackendDescriptorType_t of;
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t least, most;
} settable[] = {
#define ATTRIBUTE(of, name, type, least, most) \
    { CUDNN_BACKEND_##of##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, least, most }
    ATTRIBUTE(TENSOR, TENSOR_UNIQUE_ID, INT64, 1, 1),
    ATTRIBUTE(TENSOR, TENSOR_DATA_TYPE, DATA_TYPE, 1, 1),
    ATTRIBUTE(TENSOR, TENSOR_BYTE_ALIGNMENT, INT64, 1, 1),
    ATTRIBUTE(TENSOR, TENSOR_DIMENSIONS, INT64, 4, 4),
    ATTRIBUTE(TENSOR, TENSOR_STRIDES, INT64, 4, 4),
    ATTRIBUTE(TENSOR, TENSOR_IS_VIRTUAL, BOOLEAN, 1, 1),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_COMP_TYPE, DATA_TYPE, 1, 1),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, 1, 1),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_SPATIAL_DIMS, INT64, 1, 1),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_DILATIONS, INT64, 2, 2),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_FILTER_STRIDES, INT64, 2, 2),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_PRE_PADDINGS, INT64, 2, 2),
    ATTRIBUTE(CONVOLUTION, CONVOLUTION_POST_PADDINGS, INT64, 2, 2),
    ATTRIBUTE(POINTWISE, POINTWISE_MODE, POINTWISE_MODE, 1, 1),
    ATTRIBUTE(POINTWISE, POINTWISE_MATH_PREC, DATA_TYPE, 1, 1),
    ATTRIBUTE(POINTWISE, POINTWISE_RELU_LOWER_CLIP, FLOAT, 1, 1),
    ATTRIBUTE(POINTWISE, POINTWISE_RELU_UPPER_CLIP, FLOAT, 1, 1),
    ATTRIBUTE(POINTWISE, POINTWISE_RELU_LOWER_CLIP_SLOPE, FLOAT, 1, 1),
    ATTRIBUTE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_CONV_DESC, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_X, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_W, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_Y, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_ALPHA, FLOAT, 1, 1),
    ATTRIBUTE(OPERATION_CONVOLUTION_FORWARD, OPERATION_CONVOLUTION_FORWARD_BETA, FLOAT, 1, 1),
    ATTRIBUTE(OPERATION_POINTWISE, OPERATION_POINTWISE_PW_DESCRIPTOR, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_POINTWISE, OPERATION_POINTWISE_XDESC, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_POINTWISE, OPERATION_POINTWISE_BDESC, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATION_POINTWISE, OPERATION_POINTWISE_YDESC, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(OPERATIONGRAPH, OPERATIONGRAPH_HANDLE, HANDLE, 1, 1),
    ATTRIBUTE(OPERATIONGRAPH, OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, 1, 8),
    ATTRIBUTE(ENGINEHEUR, ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(ENGINEHEUR, ENGINEHEUR_MODE, HEUR_MODE, 1, 1),
    ATTRIBUTE(EXECUTION_PLAN, EXECUTION_PLAN_HANDLE, HANDLE, 1, 1),
    ATTRIBUTE(EXECUTION_PLAN, EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR, 1, 1),
    ATTRIBUTE(EXECUTION_PLAN, EXECUTION_PLAN_JSON_REPRESENTATION, CHAR, 1, 1 << 20),
    ATTRIBUTE(VARIANT_PACK, VARIANT_PACK_UNIQUE_IDS, INT64, 1, FAKE_MOST_IDS),
    ATTRIBUTE(VARIANT_PACK, VARIANT_PACK_DATA_POINTERS, VOID_PTR, 1, FAKE_MOST_IDS),
    ATTRIBUTE(VARIANT_PACK, VARIANT_PACK_WORKSPACE, VOID_PTR, 1, 1),
#undef ATTRIBUTE
};

static bool is_descriptor(const fake_descriptor *d) {
    return d && d->magic == MAGIC;
}

const fake_attribute *fake_find(const fake_descriptor *d, cudnnBackendAttributeName_t name) {
    for (int32_t i = 0; i < d->n_attributes; i++)
        if (d->attributes[i].name == name)
            return &d->attributes[i];
    return NULL;
}

static cudnnStatus_t check_parts(cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    const fake_descriptor *part;
    cudnnHandle_t handle;
    for (int64_t i = 0; i < count; i++) {
        memcpy(&part, (const char *)values + (size_t)i * sizeof part, sizeof part);
        if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR && (!is_descriptor(part) || !part->is_final))
            return fake_wrong(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "a part that is not final");
        memcpy(&handle, (const char *)values + (size_t)i * sizeof handle, sizeof handle);
        if (type == CUDNN_TYPE_HANDLE && !is_handle(handle))
            return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a handle that is none");
    }
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *values) {
    fake_descriptor *d = descriptor;
    if (!is_descriptor(d) || d->is_final)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "attribute %d of a descriptor that is final or none", (int)name);
    for (size_t i = 0; i < sizeof settable / sizeof settable[0]; i++) {
        if (settable[i].of != d->type || settable[i].name != name)
            continue;
        if (settable[i].type != type || count < settable[i].least || count > settable[i].most || !values)
            return fake_wrong(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "attribute %d: type %d, %lld of them", (int)name,
                              (int)type, (long long)count);
        if (fake_find(d, name) || d->n_attributes >= FAKE_MOST_ATTRIBUTES)
            return fake_wrong(CUDNN_STATUS_BAD_PARAM, "attribute %d is set twice", (int)name);
        size_t bytes = (size_t)count * fake_type_bytes(type);
        cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
        if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR || type == CUDNN_TYPE_HANDLE)
            status = check_parts(type, count, values);
        void *data = malloc(bytes);
        if (status != CUDNN_STATUS_SUCCESS || !data) {
            free(data);
            return data ? status : CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
        }
        memcpy(data, values, bytes);
        d->attributes[d->n_attributes++] = (fake_attribute){.name = name, .count = count, .data = data};
        return CUDNN_STATUS_SUCCESS;
    }
    return fake_wrong(CUDNN_STATUS_BAD_PARAM, "descriptors of type %d have no attribute %d", (int)d->type, (int)name);
}

/* ---- descriptors ----------------------------------------------------------------------------------------------------------- */

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type, cudnnBackendDescriptor_t *descriptor) {
    fake_descriptor *d = calloc(1, sizeof *d);
    *descriptor = d;
    if (!d)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    d->magic = MAGIC;
    d->type = type;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
    fake_descriptor *d = descriptor;
    if (!is_descriptor(d))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a descriptor is destroyed that is none");
    for (int32_t i = 0; i < d->n_attributes; i++)
        free(d->attributes[i].data);
    d->magic = GONE;
    free(d);
    return CUDNN_STATUS_SUCCESS;
}

static const fake_descriptor *part_of(const fake_descriptor *d, cudnnBackendAttributeName_t name) {
    const fake_descriptor *part = NULL;
    const fake_attribute *a = fake_find(d, name);
    if (a)
        memcpy(&part, a->data, sizeof part);
    return part;
}

static cudnnStatus_t plan_finalize(fake_descriptor *plan) {
    const fake_descriptor *config = part_of(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    const fake_attribute *text = fake_find(plan, CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION);
    if (!fake_find(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE) || !config == !text)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a plan needs a handle, and a config or a text");
    if (config) {
        plan->program = config->program;
    } else {
        if (text->count != (int64_t)sizeof plan->program || fake_setting("PAPER_DNN_STALE", 0))
            return fake_refuse(CUDNN_STATUS_SERIALIZATION_VERSION_MISMATCH, "a plan of another version");
        memcpy(&plan->program, text->data, sizeof plan->program);
        atomic_fetch_add(&loads, 1);
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t heuristics_finalize(fake_descriptor *d) {
    const fake_descriptor *graph = part_of(d, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
    if (!graph || !fake_find(d, CUDNN_ATTR_ENGINEHEUR_MODE))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "heuristics need a graph and a mode");
    d->program = graph->program;
    atomic_fetch_add(&heuristics, 1);
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t pack_finalize(const fake_descriptor *d) {
    const fake_attribute *ids = fake_find(d, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS),
                         *pointers = fake_find(d, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
    if (!ids || !pointers || ids->count != pointers->count || !fake_find(d, CUDNN_ATTR_VARIANT_PACK_WORKSPACE))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a variant pack needs as many pointers as ids, and a workspace");
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize(fake_descriptor *d) {
    switch (d->type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR: return fake_tensor_finalize(d);
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: return fake_convolution_finalize(d);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: return fake_graph_finalize(d);
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: return heuristics_finalize(d);
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: return plan_finalize(d);
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR: return pack_finalize(d);
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
        if (!fake_find(d, CUDNN_ATTR_POINTWISE_MODE) || !fake_find(d, CUDNN_ATTR_POINTWISE_MATH_PREC))
            return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a pointwise operation needs a mode and a precision");
        return CUDNN_STATUS_SUCCESS;
    default: return CUDNN_STATUS_SUCCESS;
    }
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
    fake_descriptor *d = descriptor;
    if (!is_descriptor(d) || d->is_final)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "a descriptor is made final that is so, or is none");
    cudnnStatus_t status = finalize(d);
    d->is_final = status == CUDNN_STATUS_SUCCESS;
    return status;
}

/* ---- what can be asked --------------------------------------------------------------------------------------------------------- */

static cudnnStatus_t give(const void *from, int64_t have, size_t item, int64_t wanted, int64_t *out_count, void *out) {
    *out_count = have;
    if (wanted > 0 && out)
        memcpy(out, from, (size_t)(have < wanted ? have : wanted) * item);
    return CUDNN_STATUS_SUCCESS;
}

/* Into descriptors that the caller made. */
static cudnnStatus_t give_configs(const fake_descriptor *d, int64_t wanted, int64_t *out_count, void *out) {
    int32_t engines[FAKE_MOST_ENGINES];
    cudnnBackendHeurMode_t mode;
    memcpy(&mode, fake_find(d, CUDNN_ATTR_ENGINEHEUR_MODE)->data, sizeof mode);
    int32_t count = fake_engines(&d->program, mode, engines);
    *out_count = count;
    for (int64_t i = 0; i < count && i < wanted; i++) {
        fake_descriptor *to;
        memcpy(&to, (char *)out + (size_t)i * sizeof to, sizeof to);
        if (!is_descriptor(to) || to->type != CUDNN_BACKEND_ENGINECFG_DESCRIPTOR)
            return fake_wrong(CUDNN_STATUS_BAD_PARAM, "heuristics' results go into engine configs");
        to->program = d->program;
        to->program.engine = engines[i];
        to->is_final = true;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t give_engine(const fake_descriptor *d, int64_t wanted, int64_t *out_count, void *out) {
    fake_descriptor *to = NULL;
    if (wanted == 1)
        memcpy(&to, out, sizeof to);
    if (!is_descriptor(to) || to->type != CUDNN_BACKEND_ENGINE_DESCRIPTOR)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "an engine goes into an engine descriptor");
    to->program = d->program;
    to->is_final = true;
    *out_count = 1;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t wanted, int64_t *count, void *out) {
    const fake_descriptor *d = descriptor;
    cudnnBackendNumericalNote_t notes[4];
    cudnnBackendBehaviorNote_t behaviour[4];
    int64_t number;
    if (!is_descriptor(d) || !d->is_final)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "attribute %d is asked of what is not final",
                          (int)name);
    switch ((int)name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
        if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
            return give_configs(d, wanted, count, out);
        break;
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR)
            return give_engine(d, wanted, count, out);
        break;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
        number = d->program.engine;
        if (type == CUDNN_TYPE_INT64)
            return give(&number, 1, sizeof number, wanted, count, out);
        break;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
        if (type == CUDNN_TYPE_NUMERICAL_NOTE)
            return give(notes, fake_numerical_notes(d->program.engine, notes), sizeof notes[0], wanted, count, out);
        break;
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
        if (type == CUDNN_TYPE_BEHAVIOR_NOTE)
            return give(behaviour, fake_behaviour_notes(d->program.engine, behaviour), sizeof behaviour[0], wanted,
                        count, out);
        break;
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        number = fake_workspace(d->program.engine);
        if (type == CUDNN_TYPE_INT64)
            return give(&number, 1, sizeof number, wanted, count, out);
        break;
    case CUDNN_ATTR_EXECUTION_PLAN_JSON_REPRESENTATION:
        if (type == CUDNN_TYPE_CHAR)
            return give(&d->program, (int64_t)sizeof d->program, 1, wanted, count, out);
        break;
    default: break;
    }
    return fake_wrong(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, "attribute %d is asked as type %d", (int)name, (int)type);
}

/* ---- execution ---------------------------------------------------------------------------------------------------------------- */

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack) {
    const fake_descriptor *p = plan, *v = pack;
    long code = fake_setting("PAPER_DNN_EXECUTE", 0);
    if (!is_handle(handle) || !is_descriptor(p) || !is_descriptor(v) || !p->is_final || !v->is_final ||
        p->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || v->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "cudnnBackendExecute: a handle, a plan and a pack are wanted");
    if (__atomic_exchange_n(&handle->busy, 1, __ATOMIC_ACQUIRE))
        return fake_wrong(CUDNN_STATUS_BAD_PARAM, "two threads use one handle at once");
    cudnnStatus_t status = CUDNN_STATUS_SUCCESS;
    if (code || p->program.engine == 7) {
        status = fake_refuse(code ? (cudnnStatus_t)code : CUDNN_STATUS_EXECUTION_FAILED, "the engine fails");
    } else {
        const fake_attribute *ids = fake_find(v, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS),
                             *pointers = fake_find(v, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
        void *workspace;
        memcpy(&workspace, fake_find(v, CUDNN_ATTR_VARIANT_PACK_WORKSPACE)->data, sizeof workspace);
        status = fake_run(handle->stream, &p->program, ids->data, pointers->data, ids->count, workspace);
    }
    __atomic_store_n(&handle->busy, 0, __ATOMIC_RELEASE);
    return status;
}
