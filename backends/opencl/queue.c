/* Queues in order, what goes through them, and events. */
#include "opencl.h"

struct fr_event {
    fr_device *device;
    cl_event marker; /* NULL = never recorded */
};

fr_status ocl_queue_open(fr_device *device, uint32_t threads, fr_queue **out_queue) {
    const fr_host *host = device->base.host;
    cl_int code;
    void *block;
    (void)threads;
    *out_queue = NULL;
    HOST_TRY(host_alloc(host, sizeof(fr_queue), "a queue", &block));
    fr_queue *queue = block;
    queue->device = device;
    /* profiling: markers carry the times of events, and the rest pays nothing that can be measured */
    queue->queue =
        device->cl->clCreateCommandQueue(device->context, device->found->device, CL_QUEUE_PROFILING_ENABLE, &code);
    fr_status status = ocl_check(host, code, "clCreateCommandQueue", "a queue");
    if (status != FR_OK) {
        host->free(queue);
        return status;
    }
    *out_queue = queue;
    return FR_OK;
}

static void forget_last(fr_queue *queue) {
    if (queue->last)
        queue->device->cl->clReleaseEvent(queue->last);
    queue->last = NULL;
}

void ocl_queue_close(fr_queue *queue) {
    if (!queue)
        return;
    forget_last(queue);
    queue->device->cl->clReleaseCommandQueue(queue->queue);
    queue->device->base.host->free(queue);
}

cl_event *ocl_queue_last(fr_queue *queue) {
    forget_last(queue);
    return &queue->last;
}

/* A command that fails takes those after it with it, or leaves no trace but its own status. */
static cl_int last_status(const fr_queue *queue) {
    cl_int state = CL_COMPLETE;
    if (!queue->last)
        return CL_SUCCESS;
    cl_int code =
        queue->device->cl->clGetEventInfo(queue->last, CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof state, &state, NULL);
    return code != CL_SUCCESS ? code : state < 0 ? state : CL_SUCCESS;
}

fr_status ocl_sync(fr_queue *queue) {
    const fr_device *device = queue->device;
    cl_int code = device->cl->clFinish(queue->queue);
    if (code == CL_SUCCESS)
        code = last_status(queue);
    forget_last(queue);
    return ocl_check_late(device->base.host, code, "clFinish", "what was launched", device->found->is_gpu);
}

fr_status ocl_write(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes) {
    const fr_host *host = queue->device->base.host;
    fr_binding range = {dst, offset};
    HOST_TRY(ocl_binding_check(host, &range, bytes, "write"));
    if (bytes == 0)
        return FR_OK;
    cl_int code = queue->device->cl->clEnqueueWriteBuffer(queue->queue, dst->memory, CL_FALSE, (size_t)offset,
                                                          (size_t)bytes, src, 0, NULL, ocl_queue_last(queue));
    return ocl_check(host, code, "clEnqueueWriteBuffer", "a write");
}

fr_status ocl_read(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes) {
    const fr_host *host = queue->device->base.host;
    fr_binding range = {(fr_buffer *)(uintptr_t)src, offset};
    HOST_TRY(ocl_binding_check(host, &range, bytes, "read"));
    if (bytes == 0)
        return FR_OK;
    cl_int code = queue->device->cl->clEnqueueReadBuffer(queue->queue, src->memory, CL_FALSE, (size_t)offset,
                                                         (size_t)bytes, dst, 0, NULL, ocl_queue_last(queue));
    return ocl_check(host, code, "clEnqueueReadBuffer", "a read");
}

/* ---- events --------------------------------------------------------------------------------------------------- */

fr_status ocl_event_new(fr_device *device, fr_event **out_event) {
    void *block;
    *out_event = NULL;
    HOST_TRY(host_alloc(device->base.host, sizeof(fr_event), "an event", &block));
    *out_event = block;
    (*out_event)->device = device;
    return FR_OK;
}

void ocl_event_free(fr_event *event) {
    if (!event)
        return;
    if (event->marker)
        event->device->cl->clReleaseEvent(event->marker);
    event->device->base.host->free(event);
}

fr_status ocl_record(fr_queue *queue, fr_event *event) {
    const fr_device *device = queue->device;
    cl_event marker = NULL;
    HOST_TRY(ocl_check(device->base.host, device->cl->clEnqueueMarkerWithWaitList(queue->queue, 0, NULL, &marker),
                       "clEnqueueMarkerWithWaitList", "an event"));
    if (event->marker)
        device->cl->clReleaseEvent(event->marker);
    event->marker = marker;
    return ocl_check(device->base.host, device->cl->clFlush(queue->queue), "clFlush", "an event");
}

fr_status ocl_wait(fr_event *event) {
    const fr_device *device = event->device;
    if (!event->marker)
        return host_fail(device->base.host, FR_INVALID, "event: it was never recorded");
    cl_int code = device->cl->clWaitForEvents(1, &event->marker);
    return ocl_check_late(device->base.host, code, "clWaitForEvents", "an event", device->found->is_gpu);
}

static fr_status ended(const fr_event *event, cl_ulong *out_ns) {
    const fr_device *device = event->device;
    *out_ns = 0;
    if (!event->marker)
        return host_fail(device->base.host, FR_INVALID, "event: it was never recorded");
    cl_int code =
        device->cl->clGetEventProfilingInfo(event->marker, CL_PROFILING_COMMAND_END, sizeof *out_ns, out_ns, NULL);
    return ocl_check(device->base.host, code, "clGetEventProfilingInfo", "an event");
}

fr_status ocl_elapsed(fr_event *begin, fr_event *end, uint64_t *out_ns) {
    cl_ulong from, to;
    *out_ns = 0;
    HOST_TRY(ended(begin, &from));
    HOST_TRY(ended(end, &to));
    *out_ns = to > from ? to - from : 0;
    return FR_OK;
}
