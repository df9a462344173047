/*
 * Programs of the driver, made once a device and kept on disk (gpu/built.h).
 *
 * PoCL compiles a kernel at its first launch, for the group's size, and once more for a binary, for any size (ours are
 * fixed in the source, so the code is as fast). There a program is run from its binary at once: one compilation instead
 * of two, none within a launch, and the same code whether or not it came from the disk.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "opencl.h"
#include "texts.h"

static const char api[] = "opencl";

/* ---- from the source -------------------------------------------------------------------------------------------- */

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
        gpu_log_lines(host, api, log);
        gpu_log_words(log, out_words, bytes);
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

static void key_head(void *user, char *out, size_t bytes) {
    const ocl_found *found = ((const fr_device *)user)->found;
    (void)snprintf(out, bytes, "opencl program\ndevice %s\ndriver %s\noptions %s\n", found->facts.name,
                   found->facts.driver, found->options);
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

static void *load(void *user, void *binary_data, size_t bytes, const gpu_dispatch *dispatch) {
    const binary stored = {binary_data, bytes};
    return from_binary(user, &stored, dispatch);
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

static fr_status build_and_store(void *user, const char *source, const gpu_dispatch *dispatch, const char *key,
                                 void **out_made) {
    cl_program program;
    *out_made = NULL;
    HOST_TRY(build_source(user, source, dispatch, &program));
    if (key)
        store(user, key, dispatch, &program);
    *out_made = program;
    return FR_OK;
}

static void release(void *user, void *made) {
    ((const fr_device *)user)->cl->clReleaseProgram(made);
}

static const gpu_builder builder = {
    .api = api, .ending = ".cl", .key_head = key_head, .load = load, .build = build_and_store, .free = release};

void ocl_built_free(fr_device *device) {
    gpu_built_free(device->base.host, &device->built, &builder, device);
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
    gpu_texts texts = ocl_texts();
    void *program;
    char *source;
    cl_int code;
    *out_kernel = NULL;
    HOST_TRY(gpu_source_make(host, &texts, &device->found->traits, dispatch, &source));
    fr_status status = gpu_built_get(host, &device->built, &builder, device, source, dispatch, &program);
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
