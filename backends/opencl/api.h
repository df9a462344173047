/* The entry points of libOpenCL, found at run time: the module loads on machines that have none. */
#ifndef OPENCL_API_H
#define OPENCL_API_H

#define CL_TARGET_OPENCL_VERSION 120 /* the floor; what newer versions add is asked for by number */
#include <CL/cl.h>

#include "common/host_device.h"

/* clang-format off */
#define OCL_FUNCTIONS(X) \
    X(clGetPlatformIDs) \
    X(clGetPlatformInfo) \
    X(clGetDeviceIDs) \
    X(clGetDeviceInfo) \
    X(clCreateContext) \
    X(clReleaseContext) \
    X(clCreateCommandQueue) \
    X(clReleaseCommandQueue) \
    X(clCreateBuffer) \
    X(clReleaseMemObject) \
    X(clCreateProgramWithSource) \
    X(clCreateProgramWithBinary) \
    X(clBuildProgram) \
    X(clGetProgramBuildInfo) \
    X(clGetProgramInfo) \
    X(clReleaseProgram) \
    X(clCreateKernel) \
    X(clReleaseKernel) \
    X(clGetKernelWorkGroupInfo) \
    X(clSetKernelArg) \
    X(clEnqueueNDRangeKernel) \
    X(clEnqueueReadBuffer) \
    X(clEnqueueWriteBuffer) \
    X(clEnqueueFillBuffer) \
    X(clEnqueueMarkerWithWaitList) \
    X(clFlush) \
    X(clFinish) \
    X(clWaitForEvents) \
    X(clGetEventInfo) \
    X(clGetEventProfilingInfo) \
    X(clReleaseEvent)
/* clang-format on */

typedef struct ocl_api {
    void *library;
#define OCL_MEMBER(name) __typeof__(&name) name;
    OCL_FUNCTIONS(OCL_MEMBER)
#undef OCL_MEMBER
} ocl_api;

/* FR_UNAVAILABLE when there is no loader, with the package that has it. */
fr_status ocl_api_open(const fr_host *host, ocl_api *out_api) FR_MUST_CHECK;
void ocl_api_close(ocl_api *api);

/* ---- error.c ------------------------------------------------------------------------------------------------- */

const char *ocl_error_name(cl_int code); /* "CL_OUT_OF_RESOURCES" */
/* FR_OK for CL_SUCCESS; else one sentence of the call, what it was for, the error's name and a hint. */
fr_status ocl_check(const fr_host *host, cl_int code, const char *call, const char *what) FR_MUST_CHECK;
/* The same for what surfaces only when a queue is waited for: on a GPU the device is then gone. */
fr_status ocl_check_late(const fr_host *host, cl_int code, const char *call, const char *what,
                         int is_gpu) FR_MUST_CHECK;

#endif
