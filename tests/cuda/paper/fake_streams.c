/* Streams, copies, events, and graphs recorded from streams. Work is done at the call; what goes wrong in it shows at the next. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_cuda.h"

static CUgraph recording; /* graphs being recorded */

/* ---- streams ---------------------------------------------------------------------------------------------------------------- */

CUresult CUDAAPI cuStreamCreate(CUstream *out, unsigned flags) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    (void)flags;
    *out = result == CUDA_SUCCESS ? calloc(1, sizeof **out) : NULL;
    if (!*out)
        return result == CUDA_SUCCESS ? CUDA_ERROR_OUT_OF_MEMORY : result;
    (*out)->context = context;
    pthread_mutex_lock(&paper_lock);
    context->streams++;
    pthread_mutex_unlock(&paper_lock);
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamCreateWithPriority(CUstream *out, unsigned flags, int priority) {
    (void)priority;
    return cuStreamCreate(out, flags);
}

CUresult CUDAAPI cuStreamDestroy(CUstream stream) {
    if (!stream)
        return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&paper_lock);
    CUresult lost = stream->context->lost;
    stream->context->streams--;
    pthread_mutex_unlock(&paper_lock);
    if (stream->capture)
        paper_complain("a stream is destroyed while it is captured");
    free(stream);
    return lost;
}

CUresult CUDAAPI cuStreamGetCtx(CUstream stream, CUcontext *out) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    *out = stream ? stream->context : context;
    return result;
}

void paper_break_capture(CUstream stream) {
    if (stream && stream->capture)
        stream->capture->is_broken = true;
}

static CUresult sync_context(CUcontext context) {
    CUresult answer = paper_answer(PAPER_SYNCS);
    pthread_mutex_lock(&paper_lock);
    paper_check_guards(context);
    if (answer != CUDA_SUCCESS)
        context->lost = answer;
    answer = context->lost;
    pthread_mutex_unlock(&paper_lock);
    return answer;
}

CUresult CUDAAPI cuStreamSynchronize(CUstream stream) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (result == CUDA_SUCCESS && stream && stream->capture) {
        paper_break_capture(stream);
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return result == CUDA_SUCCESS ? sync_context(context) : result;
}

CUresult CUDAAPI cuStreamQuery(CUstream stream) {
    return cuStreamSynchronize(stream);
}

CUresult CUDAAPI cuCtxSynchronize(void) {
    return cuStreamSynchronize(NULL);
}

/* ---- work -------------------------------------------------------------------------------------------------------------------- */

static CUresult record(CUgraph graph, paper_node *node) {
    if (graph->is_broken)
        return CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    if (graph->n_nodes == graph->room) {
        uint32_t room = graph->room ? 2 * graph->room : 16;
        paper_node *nodes = realloc(graph->nodes, room * sizeof *nodes);
        if (!nodes)
            return CUDA_ERROR_OUT_OF_MEMORY;
        graph->nodes = nodes;
        graph->room = room;
    }
    graph->nodes[graph->n_nodes++] = *node;
    node->params = NULL;
    return CUDA_SUCCESS;
}

CUresult paper_submit(CUstream stream, paper_node *node) {
    if (stream && stream->capture)
        return record(stream->capture, node);
    CUcontext context = NULL;
    CUresult result = paper_enter(&context);
    if (result != CUDA_SUCCESS)
        return result;
    pthread_mutex_lock(&paper_lock);
    result = paper_node_run(node);
    if (result != CUDA_SUCCESS)
        context->lost = result; /* shows at the next call, as on a device */
    pthread_mutex_unlock(&paper_lock);
    return CUDA_SUCCESS;
}

static CUresult copy(void *to, const void *from, uint8_t value, size_t bytes, CUstream stream) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_COPIES);
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result == CUDA_SUCCESS && stream && stream->context != context)
        result = CUDA_ERROR_INVALID_HANDLE;
    if (result != CUDA_SUCCESS || bytes == 0)
        return result;
    paper_node node = {.kind = from ? NODE_COPY : NODE_SET, .to = to, .from = from, .value = value, .bytes = bytes};
    return paper_submit(stream, &node);
}

CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr to, const void *from, size_t bytes, CUstream stream) {
    return copy((void *)(uintptr_t)to, from, 0, bytes, stream);
}

CUresult CUDAAPI cuMemcpyDtoHAsync(void *to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy(to, (const void *)(uintptr_t)from, 0, bytes, stream);
}

CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream) {
    return copy((void *)(uintptr_t)to, (const void *)(uintptr_t)from, 0, bytes, stream);
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr to, unsigned char value, size_t bytes, CUstream stream) {
    return copy((void *)(uintptr_t)to, NULL, value, bytes, stream);
}

/* For the other fake libraries (paper_stream.h). What is recorded needs `user` as long as it may be replayed. */
CUresult paper_run_on(CUstream stream, void (*work)(void *), void *user);
CUresult paper_run_on(CUstream stream, void (*work)(void *), void *user) {
    paper_node node = {.kind = NODE_WORK, .work = work, .to = user};
    return paper_submit(stream, &node);
}

/* ---- events ------------------------------------------------------------------------------------------------------------------ */

CUresult CUDAAPI cuEventCreate(CUevent *out, unsigned flags) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_EVENTS);
    *out = NULL;
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result != CUDA_SUCCESS)
        return result;
    CUevent event = calloc(1, sizeof *event);
    if (!event)
        return CUDA_ERROR_OUT_OF_MEMORY;
    event->context = context;
    event->has_time = !(flags & CU_EVENT_DISABLE_TIMING);
    pthread_mutex_lock(&paper_lock);
    context->events++;
    pthread_mutex_unlock(&paper_lock);
    *out = event;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventDestroy(CUevent event) {
    if (!event)
        return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&paper_lock);
    CUresult lost = event->context->lost;
    event->context->events--;
    pthread_mutex_unlock(&paper_lock);
    free(event);
    return lost;
}

CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_EVENTS);
    struct timespec now;
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result != CUDA_SUCCESS)
        return result;
    if (event->context != context || (stream && stream->context != context))
        return CUDA_ERROR_INVALID_HANDLE;
    clock_gettime(CLOCK_MONOTONIC, &now);
    pthread_mutex_lock(&paper_lock);
    event->capture = stream ? stream->capture : NULL;
    event->ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    pthread_mutex_unlock(&paper_lock);
    return CUDA_SUCCESS;
}

/* A stream that waits for an event of a capture is captured from then on. */
CUresult CUDAAPI cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    (void)flags;
    if (result == CUDA_SUCCESS && event->capture && stream && !stream->capture)
        stream->capture = event->capture;
    return result;
}

CUresult CUDAAPI cuEventSynchronize(CUevent event) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (result == CUDA_SUCCESS && event->capture)
        result = CUDA_ERROR_CAPTURED_EVENT;
    return result == CUDA_SUCCESS ? sync_context(context) : result;
}

CUresult CUDAAPI cuEventQuery(CUevent event) {
    return cuEventSynchronize(event);
}

CUresult CUDAAPI cuEventElapsedTime(float *out, CUevent begin, CUevent end) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    *out = 0;
    if (result != CUDA_SUCCESS)
        return result;
    if (!begin->ns || !end->ns || !begin->has_time || !end->has_time || begin->capture || end->capture)
        return CUDA_ERROR_INVALID_HANDLE;
    *out = (float)((double)((int64_t)end->ns - (int64_t)begin->ns) * 1e-6);
    return CUDA_SUCCESS;
}

#undef cuEventElapsedTime
CUresult CUDAAPI cuEventElapsedTime(float *out, CUevent begin, CUevent end);
CUresult CUDAAPI cuEventElapsedTime(float *out, CUevent begin, CUevent end) {
    return cuEventElapsedTime_v2(out, begin, end);
}

/* ---- capture ----------------------------------------------------------------------------------------------------------------- */

static _Thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

CUresult CUDAAPI cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode) {
    CUstreamCaptureMode before = thread_mode;
    thread_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}

static bool forbids(const struct CUgraph_st *g) {
    if (g->mode == CU_STREAM_CAPTURE_MODE_RELAXED || thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED)
        return false;
    return pthread_equal(g->thread, pthread_self()) ||
           (g->mode == CU_STREAM_CAPTURE_MODE_GLOBAL && thread_mode == CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult paper_unsafe(void) {
    CUresult result = CUDA_SUCCESS;
    pthread_mutex_lock(&paper_lock);
    for (CUgraph g = recording; g; g = g->next) {
        if (!forbids(g))
            continue;
        g->is_broken = true;
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    pthread_mutex_unlock(&paper_lock);
    return result;
}

CUresult CUDAAPI cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode mode) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_CAPTURES);
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result == CUDA_SUCCESS && (!stream || stream->capture))
        result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (result != CUDA_SUCCESS)
        return result;
    CUgraph graph = calloc(1, sizeof *graph);
    if (!graph)
        return CUDA_ERROR_OUT_OF_MEMORY;
    graph->origin = stream;
    graph->mode = mode;
    graph->thread = pthread_self();
    pthread_mutex_lock(&paper_lock);
    graph->next = recording;
    recording = graph;
    context->graphs++;
    pthread_mutex_unlock(&paper_lock);
    stream->capture = graph;
    return CUDA_SUCCESS;
}

static void free_nodes(paper_node *nodes, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        paper_node_free(&nodes[i]);
    free(nodes);
}

CUresult CUDAAPI cuGraphDestroy(CUgraph graph) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (!graph)
        return CUDA_ERROR_INVALID_VALUE;
    free_nodes(graph->nodes, graph->n_nodes);
    free(graph);
    pthread_mutex_lock(&paper_lock);
    if (context)
        context->graphs--;
    pthread_mutex_unlock(&paper_lock);
    return result;
}

CUresult CUDAAPI cuStreamEndCapture(CUstream stream, CUgraph *out) {
    CUgraph graph = stream ? stream->capture : NULL;
    *out = NULL;
    if (!graph || graph->origin != stream)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&paper_lock);
    for (CUgraph *at = &recording; *at; at = &(*at)->next)
        if (*at == graph) {
            *at = graph->next;
            break;
        }
    pthread_mutex_unlock(&paper_lock);
    stream->capture = NULL;
    if (graph->is_broken) {
        CUresult result = cuGraphDestroy(graph);
        return result != CUDA_SUCCESS ? result : CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
    }
    *out = graph;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *out) {
    *out = !stream || !stream->capture  ? CU_STREAM_CAPTURE_STATUS_NONE
           : stream->capture->is_broken ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                        : CU_STREAM_CAPTURE_STATUS_ACTIVE;
    return CUDA_SUCCESS;
}

static CUresult copy_nodes(CUgraphExec exec, const struct CUgraph_st *graph) {
    exec->nodes = calloc(graph->n_nodes + 1, sizeof *exec->nodes);
    if (!exec->nodes)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < graph->n_nodes; i++) {
        const paper_node *from = &graph->nodes[i];
        paper_node *to = &exec->nodes[exec->n_nodes++];
        size_t bytes = 16;
        *to = *from;
        to->params = NULL;
        if (!from->params)
            continue;
        for (uint32_t k = 0; k < from->function->kernel->n_params; k++)
            bytes += (from->function->kernel->bytes[k] + 15) / 16 * 16;
        to->params = aligned_alloc(16, bytes);
        if (!to->params)
            return CUDA_ERROR_OUT_OF_MEMORY;
        memcpy(to->params, from->params, bytes);
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec exec) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (!exec)
        return CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&paper_lock);
    exec->context->graphs--;
    pthread_mutex_unlock(&paper_lock);
    if (exec->nodes)
        free_nodes(exec->nodes, exec->n_nodes);
    free(exec);
    return result;
}

CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec *out, CUgraph graph, unsigned long long flags) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    (void)flags;
    *out = result == CUDA_SUCCESS ? calloc(1, sizeof **out) : NULL;
    if (!*out)
        return result == CUDA_SUCCESS ? CUDA_ERROR_OUT_OF_MEMORY : result;
    (*out)->context = context;
    pthread_mutex_lock(&paper_lock);
    context->graphs++;
    pthread_mutex_unlock(&paper_lock);
    result = copy_nodes(*out, graph);
    if (result != CUDA_SUCCESS) {
        if (cuGraphExecDestroy(*out) != CUDA_SUCCESS)
            abort();
        *out = NULL;
    }
    return result;
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec exec, CUstream stream) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_GRAPHS);
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result == CUDA_SUCCESS && stream && stream->context != context)
        result = CUDA_ERROR_INVALID_HANDLE;
    for (uint32_t i = 0; result == CUDA_SUCCESS && i < exec->n_nodes; i++) {
        pthread_mutex_lock(&paper_lock);
        context->lost = paper_node_run(&exec->nodes[i]);
        pthread_mutex_unlock(&paper_lock);
        if (context->lost != CUDA_SUCCESS)
            break;
    }
    return result;
}
