/* The paper GPU itself: it runs kernels as CUDA does, and finds what they do wrong. */
#include <cuda.h>
#include <nvrtc.h>

#include "check.h"

#undef cuCtxCreate
CUresult CUDAAPI cuCtxCreate_v2(CUcontext *out, unsigned flags, CUdevice device);
int paper_complaints(void);

enum { THREADS = 256, BLOCKS = 8, ALL = THREADS * BLOCKS };

#define KERNEL "extern \"C\" __global__ void "
static const char text[] =
    "#if 0\n" KERNEL "left_out(int a) {}\n#endif\n"
    "struct numbers { int n; float k; };\n" KERNEL
    "__launch_bounds__(256) scale(const float *a, float *b, numbers p) {\n"
    "    int i = blockIdx.x * blockDim.x + threadIdx.x;\n"
    "    if (i < p.n) b[i] = a[i] * p.k;\n}\n" KERNEL "turn(const float *a, float *b, int has_barrier) {\n"
    "    __shared__ float fixed[256];\n"
    "    float *said = paper_dynamic<float>();\n"
    "    int t = threadIdx.x, at = blockIdx.x * 256 + t;\n"
    "    fixed[t] = said[t] = a[at];\n"
    "    if (has_barrier) __syncthreads();\n"
    "    b[at] = fixed[255 - t] + said[255 - t];\n}\n" KERNEL "sums(const float *a, float *b) {\n"
    "    float x = a[blockIdx.x * 256 + threadIdx.x];\n"
    "    for (int m = 16; m; m >>= 1) x += __shfl_xor_sync(~0u, x, m);\n"
    "    b[blockIdx.x * 256 + threadIdx.x] = x;\n}\n" KERNEL "early(const float *a, float *b) {\n"
    "    float *to = paper_dynamic<float>() + 4 * threadIdx.x;\n"
    "    paper_copy(to, a + 4 * threadIdx.x, 16, 16);\n"
    "    paper_copy_commit();\n"
    "    b[2 * threadIdx.x] = to[0];\n"
    "    paper_copy_wait(0);\n"
    "    b[2 * threadIdx.x + 1] = to[0];\n}\n" KERNEL "apart(float *b) {\n"
    "    if (threadIdx.x < 40) __syncthreads();\n"
    "    else __syncwarp();\n}\n" KERNEL "gone(float *b) {\n"
    "    if (threadIdx.x == 3) return;\n"
    "    __syncwarp();\n}\n" KERNEL "put(float *b, int at) { b[at] = 1; }\n" KERNEL
    "put_shared(float *b, int at) { paper_dynamic<float>()[at] = 1; }\n";

static CUcontext context;
static CUmodule module;
static CUdeviceptr from, to;
static float in[ALL], out[ALL];

static bool begin(void) {
    static char *image;
    static const char *const options[] = {"--gpu-architecture=sm_90"};
    size_t bytes;
    nvrtcProgram program;
    unsetenv("PAPER_ORDER");
    setenv("PAPER_QUIET", "1", 1);
    if (cuInit(0) != CUDA_SUCCESS || cuCtxCreate_v2(&context, 0, 0) != CUDA_SUCCESS)
        return false;
    if (!image) { /* made once */
        if (nvrtcCreateProgram(&program, text, "text", 0, NULL, NULL) != NVRTC_SUCCESS ||
            nvrtcCompileProgram(program, 1, options) != NVRTC_SUCCESS ||
            nvrtcGetCUBINSize(program, &bytes) != NVRTC_SUCCESS)
            return false;
        image = malloc(bytes);
        if (!image || nvrtcGetCUBIN(program, image) != NVRTC_SUCCESS || nvrtcDestroyProgram(&program) != NVRTC_SUCCESS)
            return false;
    }
    for (int i = 0; i < ALL; i++)
        in[i] = (float)(i % 97);
    return cuModuleLoadData(&module, image) == CUDA_SUCCESS && cuMemAlloc(&from, sizeof in) == CUDA_SUCCESS &&
           cuMemAlloc(&to, sizeof out) == CUDA_SUCCESS && cuMemcpyHtoDAsync(from, in, sizeof in, NULL) == CUDA_SUCCESS;
}

static void end(void) {
    (void)cuMemFree(from);
    (void)cuMemFree(to);
    (void)cuModuleUnload(module);
    (void)cuCtxDestroy(context);
}

static CUresult launch(const char *name, unsigned blocks, unsigned threads, unsigned shared, void **params) {
    CUfunction f;
    CUresult result = cuModuleGetFunction(&f, module, name);
    if (result == CUDA_SUCCESS)
        result = cuLaunchKernel(f, blocks, 1, 1, threads, 1, 1, shared, NULL, params, NULL);
    if (result == CUDA_SUCCESS)
        result = cuMemcpyDtoHAsync(out, to, sizeof out, NULL);
    return result == CUDA_SUCCESS ? cuStreamSynchronize(NULL) : result;
}

TEST(a_kernel_takes_its_arguments) {
    struct {
        int n;
        float k;
    } numbers = {ALL - 5, 2};
    void *params[] = {&from, &to, &numbers};
    CHECK(begin());
    CHECK_INT(launch("scale", BLOCKS, THREADS, 0, params), CUDA_SUCCESS);
    for (int i = 0; i < ALL - 5; i++)
        CHECK(out[i] == 2 * in[i]);
    for (int i = ALL - 5; i < ALL; i++)
        CHECK(isnan(out[i])); /* new memory is garbage */
    CHECK_INT(launch("left_out", 1, 1, 0, params), CUDA_ERROR_NOT_FOUND);
    end();
}

TEST(shared_memory_and_barriers_work_in_any_order) {
    static const char *const orders[] = {"forward", "backward", "random"};
    int has_barrier = 1;
    void *params[] = {&from, &to, &has_barrier};
    CHECK(begin());
    for (int o = 0; o < 3; o++) {
        setenv("PAPER_ORDER", orders[o], 1);
        CHECK_INT(launch("turn", BLOCKS, THREADS, THREADS * sizeof(float), params), CUDA_SUCCESS);
        for (int i = 0; i < ALL; i++)
            CHECK(out[i] == 2 * in[i / THREADS * THREADS + THREADS - 1 - i % THREADS]);
        CHECK_INT(launch("sums", BLOCKS, THREADS, 0, params), CUDA_SUCCESS);
        for (int i = 0; i < ALL; i++) {
            float sum = 0;
            for (int k = 0; k < 32; k++)
                sum += in[i / 32 * 32 + k];
            CHECK(out[i] == sum);
        }
    }
    end();
}

TEST(a_missing_barrier_shows) { /* garbage is read */
    int has_barrier = 0, missed = 0;
    void *params[] = {&from, &to, &has_barrier};
    CHECK(begin());
    CHECK_INT(launch("turn", BLOCKS, THREADS, THREADS * sizeof(float), params), CUDA_SUCCESS);
    for (int i = 0; i < ALL; i++)
        missed += isnan(out[i]);
    CHECK(missed >= ALL / 3);
    end();
}

TEST(a_copy_is_there_when_it_is_waited_for) {
    void *params[] = {&from, &to};
    CHECK(begin());
    CHECK_INT(launch("early", 1, 64, 64 * 16, params), CUDA_SUCCESS);
    for (int i = 0; i < 64; i++)
        CHECK(isnan(out[2 * i]) && out[2 * i + 1] == in[4 * i]);
    end();
}

static void check_found(const char *kernel, unsigned threads, unsigned shared, int at, CUresult want) {
    void *params[] = {&to, &at};
    CHECK(begin());
    int before = paper_complaints();
    CHECK_INT(launch(kernel, 1, threads, shared, params), want);
    CHECK(paper_complaints() > before);
    end();
}

TEST(wrong_kernels_are_found) {
    check_found("apart", 64, 0, 0, CUDA_ERROR_LAUNCH_FAILED);
    check_found("gone", 32, 0, 0, CUDA_ERROR_LAUNCH_FAILED);
    check_found("put_shared", 1, 64, 16, CUDA_ERROR_LAUNCH_FAILED);
    if (!getenv("PAPER_ASAN")) { /* which ends the process there */
        check_found("put", 1, 0, ALL, CUDA_ERROR_ILLEGAL_ADDRESS);
        check_found("put", 1, 0, -1, CUDA_ERROR_ILLEGAL_ADDRESS);
    }
}

TEST(launches_past_the_limits_are_refused) {
    check_found("put", 1025, 0, 0, CUDA_ERROR_INVALID_VALUE);
    check_found("put", 0, 0, 0, CUDA_ERROR_INVALID_VALUE);
    check_found("put", 1, 49 << 10, 0, CUDA_ERROR_INVALID_VALUE);
}

CHECK_MAIN
