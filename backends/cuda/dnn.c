/* A device's share of cuDNN, and a queue's. */
#include "dnn_op.h"

#ifdef CUDA_WITH_CUDNN

struct cud_dnn {
    pthread_mutex_t lock; /* of what is below: plans are made by one thread at a time */
    cudnnHandle_t handle; /* of device->own; made with the first plan, since it takes long */
    bool has_failed;
};

static void handle_free(fr_device *device, cudnnHandle_t handle) {
    if (!handle)
        return;
    pthread_mutex_lock(&device->quiet);
    (void)device->driver->dnn.cudnnDestroy(handle);
    pthread_mutex_unlock(&device->quiet);
}

/* Not while a stream of this thread is captured: `quiet` is held then. */
static fr_status handle_new(fr_device *device, CUstream stream, cudnnHandle_t *out_handle) {
    const cud_dnn_api *api = &device->driver->dnn;
    const dnn_lib lib = {.host = device->base.host, .device = device, .api = api};
    cudnnHandle_t handle = NULL;
    *out_handle = NULL;
    pthread_mutex_lock(&device->quiet);
    cudnnStatus_t code = api->cudnnCreate(&handle);
    pthread_mutex_unlock(&device->quiet);
    HOST_TRY(dnn_check(&lib, code, "cudnnCreate", device->found->facts.name));
    fr_status status = dnn_check(&lib, api->cudnnSetStream(handle, stream), "cudnnSetStream", "a queue");
    if (status != FR_OK)
        handle_free(device, handle);
    else
        *out_handle = handle;
    return status;
}

fr_status cud_dnn_open(fr_device *device) {
    void *block;
    device->dnn = NULL;
    if (!device->driver->dnn.library)
        return FR_OK;
    HOST_TRY(host_alloc(device->base.host, sizeof(cud_dnn), "cuDNN's state", &block));
    device->dnn = block;
    pthread_mutex_init(&device->dnn->lock, NULL);
    return FR_OK;
}

void cud_dnn_close(fr_device *device) {
    cud_dnn *dnn = device->dnn;
    if (!dnn)
        return;
    handle_free(device, dnn->handle);
    pthread_mutex_destroy(&dnn->lock);
    device->base.host->free(dnn);
    device->dnn = NULL;
}

fr_status dnn_take(fr_device *device, dnn_lib *out_lib) {
    cud_dnn *dnn = device->dnn;
    const fr_host *host = device->base.host;
    fr_status status = FR_OK;
    pthread_mutex_lock(&dnn->lock);
    if (dnn->has_failed)
        status = host_fail(host, FR_UNSUPPORTED, "cuda: cuDNN did not start on %s", device->found->facts.name);
    else if (!dnn->handle)
        status = handle_new(device, device->own, &dnn->handle);
    if (status != FR_OK) {
        if (!dnn->has_failed && status != FR_NO_MEMORY && status != FR_DEVICE_LOST) { /* those say nothing of cuDNN */
            host->log(1, "cuda: cuDNN %d does not start on %s: it is left out", device->driver->dnn.version,
                      device->found->facts.name);
            dnn->has_failed = true;
        }
        pthread_mutex_unlock(&dnn->lock);
        return status;
    }
    *out_lib = (dnn_lib){.host = host, .device = device, .api = &device->driver->dnn, .handle = dnn->handle};
    return FR_OK;
}

void dnn_give_back(fr_device *device) {
    pthread_mutex_unlock(&device->dnn->lock);
}

/* Where cuDNN does not start no step is compiled for it, and nothing is missing. */
fr_status cud_dnn_queue_ready(fr_queue *queue) {
    fr_device *device = queue->device;
    cudnnHandle_t handle;
    if (!device->dnn || queue->dnn_handle)
        return FR_OK;
    pthread_mutex_lock(&device->dnn->lock);
    bool is_used = device->dnn->handle != NULL;
    pthread_mutex_unlock(&device->dnn->lock);
    if (!is_used)
        return FR_OK;
    HOST_TRY(handle_new(device, queue->stream, &handle));
    queue->dnn_handle = handle;
    return FR_OK;
}

void cud_dnn_queue_close(fr_queue *queue) {
    handle_free(queue->device, queue->dnn_handle);
    queue->dnn_handle = NULL;
}

#else

fr_status cud_dnn_open(fr_device *device) {
    device->dnn = NULL;
    return FR_OK;
}

void cud_dnn_close(fr_device *device) {
    (void)device;
}

fr_status cud_dnn_queue_ready(fr_queue *queue) {
    (void)queue;
    return FR_OK;
}

void cud_dnn_queue_close(fr_queue *queue) {
    (void)queue;
}

#endif
