/*
 * Programs of the driver. A source is built once a device, however many steps and threads want it, and its binary is kept
 * in the engine's disk cache. A binary that the driver refuses is built anew from its source.
 *
 * PoCL compiles a kernel at its first launch, for the group's size, and once more for a binary, for any size (ours are
 * fixed in the source, so the code is as fast). There a program is run from its binary at once: one compilation instead
 * of two, none within a launch, and the same code whether or not it came from the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"
#include "source.h"

typedef enum state { BUILDING, READY, FAILED } state;

struct ocl_built {
    ocl_built *next;
    uint64_t hash;
    char *source;
    state state;
    cl_program program;
    fr_status status; /* FAILED: with */
    char why[512];
};

/* ---- from the source -------------------------------------------------------------------------------------------- */

/* The first line that says "error", else the first that says anything. */
static void first_words(const char *log, char *out, size_t bytes) {
    const char *at = strstr(log, "error");
    if (at)
        while (at > log && at[-1] != '\n')
            at--;
    else
        at = log + strspn(log, " \t\r\n");
    size_t length = strcspn(at, "\r\n");
    snprintf(out, bytes, "%.*s", (int)(length < bytes ? length : bytes - 1), at);
}

static void log_lines(const fr_host *host,
                      const char *log) { /* as a whole it is longer than a line of the log may be */
    for (size_t length; *log; log += length + (log[length] != 0)) {
        length = strcspn(log, "\n");
        host->log(3, "opencl: %.*s", (int)length, log);
    }
}

static void read_log(fr_device *device, cl_program program, char *out_words, size_t bytes) {
    const fr_host *host = device->base.host;
    size_t length = 0;
    snprintf(out_words, bytes, "the driver gives no reason");
    device->cl->clGetProgramBuildInfo(program, device->found->device, CL_PROGRAM_BUILD_LOG, 0, NULL, &length);
    char *log = length > 1 ? host->alloc(length + 1, 0) : NULL;
    if (!log)
        return;
    if (device->cl->clGetProgramBuildInfo(program, device->found->device, CL_PROGRAM_BUILD_LOG, length, log, NULL) ==
        CL_SUCCESS) {
        log_lines(host, log);
        first_words(log, out_words, bytes);
    }
    host->free(log);
}

static fr_status build(fr_device *device, cl_program program, const gpu_dispatch *dispatch) {
    char words[256];
    cl_int code = device->cl->clBuildProgram(program, 1, &device->found->device, device->found->options, NULL, NULL);
    if (code == CL_SUCCESS)
        return FR_OK;
    if (code == CL_OUT_OF_HOST_MEMORY || code == CL_DEVICE_NOT_AVAILABLE)
        return ocl_check(device->base.host, code, "clBuildProgram", dispatch->file);
    read_log(device, program, words, sizeof words);
    return host_fail(device->base.host, FR_UNSUPPORTED, "opencl: %s.cl does not build with this driver (%s): %s",
                     dispatch->file, ocl_error_name(code), words);
}

static fr_status build_source(fr_device *device, const char *source, const gpu_dispatch *dispatch,
                              cl_program *out_program) {
    cl_int code;
    *out_program = NULL;
    cl_program program = device->cl->clCreateProgramWithSource(device->context, 1, &source, NULL, &code);
    HOST_TRY(ocl_check(device->base.host, code, "clCreateProgramWithSource", dispatch->file));
    fr_status status = build(device, program, dispatch);
    if (status != FR_OK) {
        device->cl->clReleaseProgram(program);
        return status;
    }
    *out_program = program;
    return FR_OK;
}

/* ---- from the disk ------------------------------------------------------------------------------------------------ */

/* All that a binary depends on. Freed with host->free; NULL when there is no memory: then there is no cache. */
static char *cache_key(const fr_device *device, const char *source) {
    const fr_host *host = device->base.host;
    const fr_device_facts *facts = &device->found->facts;
    size_t bytes = strlen(source) + 512;
    char *key = host->alloc(bytes, 0);
    if (key)
        snprintf(key, bytes, "opencl program\ndevice %s\ndriver %s\noptions %s\n%s", facts->name, facts->driver,
                 device->found->options, source);
    return key;
}

typedef struct binary {
    unsigned char *data; /* NULL: there is none */
    size_t bytes;
} binary;

/* NULL when the driver does not take it. */
static cl_program from_binary(fr_device *device, const binary *from, const gpu_dispatch *dispatch) {
    const ocl_api *cl = device->cl;
    const unsigned char *data = from->data;
    cl_int code, of_binary = CL_SUCCESS;
    cl_program program = cl->clCreateProgramWithBinary(device->context, 1, &device->found->device, &from->bytes, &data,
                                                       &of_binary, &code);
    if (code == CL_SUCCESS)
        code = of_binary;
    if (code == CL_SUCCESS)
        code = cl->clBuildProgram(program, 1, &device->found->device, device->found->options, NULL, NULL);
    if (code == CL_SUCCESS)
        return program;
    device->base.host->log(3, "opencl: the driver refuses the binary of %s.cl: %s", dispatch->file,
                           ocl_error_name(code));
    if (program)
        cl->clReleaseProgram(program);
    return NULL;
}

static binary read_binary(fr_device *device, cl_program program) {
    binary out = {NULL, 0};
    if (device->cl->clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof out.bytes, &out.bytes, NULL) !=
            CL_SUCCESS ||
        out.bytes == 0)
        return out;
    out.data = device->base.host->alloc(out.bytes, 0);
    if (out.data &&
        device->cl->clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof out.data, &out.data, NULL) != CL_SUCCESS) {
        device->base.host->free(out.data);
        out.data = NULL;
    }
    return out;
}

static cl_program load(fr_device *device, const char *key, const gpu_dispatch *dispatch) {
    const fr_host *host = device->base.host;
    void *data;
    binary stored;
    if (host->cache_load(host->ctx, key, &data, &stored.bytes) != FR_OK)
        return NULL;
    stored.data = data;
    cl_program program = from_binary(device, &stored, dispatch);
    host->free(data);
    return program;
}

/* Keeps the binary; the program may be exchanged for what comes of it. */
static void store(fr_device *device, const char *key, const gpu_dispatch *dispatch, cl_program *program) {
    const fr_host *host = device->base.host;
    binary made = read_binary(device, *program);
    if (!made.data)
        return;
    cl_program again = device->found->runs_binaries ? from_binary(device, &made, dispatch) : NULL;
    if (again) {
        device->cl->clReleaseProgram(*program);
        *program = again;
    }
    if (again || !device->found->runs_binaries)
        (void)host->cache_store(host->ctx, key, made.data, made.bytes); /* a cache that fails costs time only */
    host->free(made.data);
}

static fr_status build_or_load(fr_device *device, const char *source, const gpu_dispatch *dispatch,
                               cl_program *out_program) {
    fr_status status = FR_OK;
    char *key = cache_key(device, source);
    *out_program = key ? load(device, key, dispatch) : NULL;
    if (!*out_program) {
        status = build_source(device, source, dispatch, out_program);
        if (status == FR_OK && key)
            store(device, key, dispatch, out_program);
    }
    if (key)
        device->base.host->free(key);
    return status;
}

/* ---- once a device ------------------------------------------------------------------------------------------------- */

static ocl_built *find_built(const fr_device *device, uint64_t hash, const char *source) {
    for (ocl_built *b = device->built; b; b = b->next)
        if (b->hash == hash && strcmp(b->source, source) == 0)
            return b;
    return NULL;
}

/* With the device's lock held: the entry of the source, new ones FAILED for a passing reason, so that they are tried. */
static ocl_built *claim_built(fr_device *device, char **source) {
    uint64_t hash = ocl_hash_text(OCL_HASH_START, *source);
    ocl_built *built = find_built(device, hash, *source);
    if (built)
        return built;
    built = device->base.host->alloc(sizeof *built, 0);
    if (!built)
        return NULL;
    *built =
        (ocl_built){.next = device->built, .hash = hash, .source = *source, .state = FAILED, .status = FR_NO_MEMORY};
    device->built = built;
    *source = NULL;
    return built;
}

/* Sources live as long as their entry: the memory of `source` goes to the entry, or is freed here. */
static fr_status get_program(fr_device *device, char *source, const gpu_dispatch *dispatch, cl_program *out_program) {
    const fr_host *host = device->base.host;
    fr_status status = FR_OK;
    *out_program = NULL;
    pthread_mutex_lock(&device->lock);
    ocl_built *built = claim_built(device, &source);
    while (built && built->state == BUILDING)
        pthread_cond_wait(&device->built_one, &device->lock);
    bool is_mine = built && built->state == FAILED && built->status != FR_UNSUPPORTED;
    if (is_mine) {
        cl_program program;
        built->state = BUILDING;
        pthread_mutex_unlock(&device->lock);
        status = build_or_load(device, built->source, dispatch, &program);
        pthread_mutex_lock(&device->lock);
        built->program = program;
        built->state = status == FR_OK ? READY : FAILED;
        built->status = status;
        pthread_cond_broadcast(&device->built_one);
    } else if (built && built->state == FAILED) {
        status = host_fail(host, FR_UNSUPPORTED, "opencl: %s.cl does not build with this driver, as said before",
                           dispatch->file);
    }
    if (built && status == FR_OK)
        *out_program = built->program;
    pthread_mutex_unlock(&device->lock);
    if (source)
        host->free(source);
    return built ? status : host_fail(host, FR_NO_MEMORY, "out of memory: %zu bytes for a program", sizeof *built);
}

void ocl_built_free(fr_device *device) {
    while (device->built) {
        ocl_built *next = device->built->next;
        if (device->built->program)
            device->cl->clReleaseProgram(device->built->program);
        device->base.host->free(device->built->source);
        device->base.host->free(device->built);
        device->built = next;
    }
}

/* ---- kernels -------------------------------------------------------------------------------------------------------- */

/* What the compiler made of it may need more than a work-group has. */
static fr_status check_fits(fr_device *device, cl_kernel kernel, const gpu_dispatch *dispatch) {
    const ocl_api *cl = device->cl;
    const gpu_traits *traits = &device->found->traits;
    size_t items = (size_t)dispatch->local[0] * dispatch->local[1] * dispatch->local[2], most = 0;
    cl_ulong local = 0;
    if (cl->clGetKernelWorkGroupInfo(kernel, device->found->device, CL_KERNEL_WORK_GROUP_SIZE, sizeof most, &most,
                                     NULL) == CL_SUCCESS &&
        most < items)
        return host_fail(device->base.host, FR_UNSUPPORTED,
                         "opencl: %s wants groups of %zu items, this device runs it with at most %zu", dispatch->kernel,
                         items, most);
    if (cl->clGetKernelWorkGroupInfo(kernel, device->found->device, CL_KERNEL_LOCAL_MEM_SIZE, sizeof local, &local,
                                     NULL) == CL_SUCCESS &&
        local > traits->local_bytes)
        return host_fail(device->base.host, FR_UNSUPPORTED,
                         "opencl: %s wants %llu bytes of local memory, this device has %llu", dispatch->kernel,
                         (unsigned long long)local, (unsigned long long)traits->local_bytes);
    return FR_OK;
}

fr_status ocl_kernel_new(fr_device *device, const gpu_dispatch *dispatch, cl_kernel *out_kernel, bool *out_bad) {
    const fr_host *host = device->base.host;
    cl_program program;
    char *source;
    cl_int code;
    *out_kernel = NULL;
    HOST_TRY(ocl_source_make(host, &device->found->traits, dispatch, &source));
    fr_status status = get_program(device, source, dispatch, &program);
    *out_bad = status == FR_UNSUPPORTED;
    HOST_TRY(status);
    cl_kernel kernel = device->cl->clCreateKernel(program, dispatch->kernel, &code);
    HOST_TRY(ocl_check(host, code, "clCreateKernel", dispatch->kernel));
    status = check_fits(device, kernel, dispatch);
    if (status != FR_OK) {
        device->cl->clReleaseKernel(kernel);
        return status;
    }
    *out_kernel = kernel;
    return FR_OK;
}
