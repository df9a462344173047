/* Kernels: shared objects of fake_nvrtc.c, and running them. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "block.h"
#include "fake_cuda.h"

enum { STATIC_LIMIT = 48 << 10, MOST_DYNAMIC = 256 << 10, GUARD = 1024, GARBAGE = 0xff, GUARD_BYTE = 0xfb };

void __asan_poison_memory_region(void const volatile *at, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(void const volatile *at, size_t bytes) __attribute__((weak));

/* ---- modules -------------------------------------------------------------------------------------------------------------- */

/* The bytes of an ELF file as its section headers say; 0 when it is none, as the driver finds out by itself. */
static size_t image_bytes(const unsigned char *image) {
    uint64_t at;
    uint16_t size, count;
    if (memcmp(image, "\177ELF\2\1", 6) != 0)
        return 0;
    memcpy(&at, image + 0x28, sizeof at);
    memcpy(&size, image + 0x3a, sizeof size);
    memcpy(&count, image + 0x3c, sizeof count);
    return at < (64u << 20) ? (size_t)at + (size_t)size * count : 0;
}

static bool write_all(int file, const char *data, size_t bytes) {
    while (bytes > 0) {
        ssize_t done = write(file, data, bytes);
        if (done <= 0)
            return false;
        data += done;
        bytes -= (size_t)done;
    }
    return true;
}

static void *load(const void *image) {
    size_t bytes = image_bytes(image);
    const char *folder = paper_setting("TMPDIR") ? paper_setting("TMPDIR") : "/tmp";
    char path[512];
    snprintf(path, sizeof path, "%s/paper-kernel-XXXXXX", folder);
    int file = bytes ? mkstemp(path) : -1;
    if (file < 0)
        return NULL;
    void *library = write_all(file, image, bytes) ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!library)
        paper_complain("a module is not loaded: %s", dlerror());
    close(file);
    unlink(path);
    return library;
}

static void fill_functions(CUmodule module) {
    const paper_object *o = module->object;
    size_t bytes = (size_t)(o->shared_end - o->shared_begin);
    for (uint32_t i = 0; i < o->n_kernels && i < PAPER_MOST_KERNELS; i++)
        module->functions[i] = (struct CUfunc_st){module, &o->kernels[i], (uint32_t)bytes, STATIC_LIMIT};
}

static bool fits_static(const paper_object *o) { /* several kernels' together say nothing of each */
    bool is_padded = __asan_poison_memory_region != NULL;
    return o->n_kernels != 1 || is_padded || o->shared_end - o->shared_begin <= STATIC_LIMIT;
}

CUresult CUDAAPI cuModuleLoadData(CUmodule *out, const void *image) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_MODULES);
    *out = NULL;
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result != CUDA_SUCCESS)
        return result;
    CUmodule module = calloc(1, sizeof *module);
    if (!module)
        return CUDA_ERROR_OUT_OF_MEMORY;
    module->context = context;
    module->library = load(image);
    module->object = module->library ? dlsym(module->library, PAPER_LINK) : NULL;
    if (!module->object || module->object->abi != PAPER_ABI || !fits_static(module->object)) {
        if (module->object)
            paper_complain("a module is of another build, or has more than 48 KiB of shared memory");
        if (module->library)
            dlclose(module->library);
        free(module);
        return CUDA_ERROR_INVALID_IMAGE;
    }
    block_bind(module->object);
    fill_functions(module);
    pthread_mutex_lock(&paper_lock);
    context->modules++;
    pthread_mutex_unlock(&paper_lock);
    *out = module;
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleUnload(CUmodule module) {
    if (!module)
        return CUDA_ERROR_INVALID_HANDLE;
    pthread_mutex_lock(&paper_lock);
    CUresult lost = module->context->lost;
    module->context->modules--;
    pthread_mutex_unlock(&paper_lock);
    dlclose(module->library);
    free(module);
    return lost;
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction *out, CUmodule module, const char *name) {
    *out = NULL;
    for (int i = 0; i < PAPER_MOST_KERNELS && module->functions[i].kernel; i++)
        if (strcmp(module->functions[i].kernel->name, name) == 0)
            *out = &module->functions[i];
    return *out ? CUDA_SUCCESS : CUDA_ERROR_NOT_FOUND;
}

CUresult CUDAAPI cuFuncGetAttribute(int *out, CUfunction_attribute attribute, CUfunction f) {
    *out = 0;
    switch (attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK: *out = BLOCK_MOST_THREADS; break;
    case CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES:
        *out = f->static_bytes < STATIC_LIMIT ? (int)f->static_bytes : STATIC_LIMIT;
        break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES: *out = f->dynamic_bytes; break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS: *out = 32; break;
    case CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES:
    case CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES: break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION: *out = paper_device_at(f->module->context->device)->arch; break;
    default: return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuFuncSetAttribute(CUfunction f, CUfunction_attribute attribute, int value) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (result != CUDA_SUCCESS)
        return result;
    if (attribute == CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT)
        return CUDA_SUCCESS;
    uint64_t most = paper_shared_optin(paper_device_at(context->device)->arch);
    uint64_t fixed = f->module->object->n_kernels == 1 ? f->static_bytes : 0;
    if (attribute != CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES || value < 0 || (uint64_t)value + fixed > most)
        return CUDA_ERROR_INVALID_VALUE;
    f->dynamic_bytes = value;
    return CUDA_SUCCESS;
}

/* Limits that the driver finds at the launch itself. */
static CUresult check_launch(CUfunction f, const uint32_t grid[3], const uint32_t local[3], uint32_t shared) {
    uint64_t threads = (uint64_t)local[0] * local[1] * local[2];
    uint32_t fixed = f->module->object->n_kernels == 1 ? f->static_bytes : 0, limit = (uint32_t)f->dynamic_bytes;
    bool is_wrong =
        grid[0] == 0 || grid[1] == 0 || grid[2] == 0 || grid[0] > INT32_MAX || grid[1] > 65535 || grid[2] > 65535;
    is_wrong |= threads == 0 || threads > BLOCK_MOST_THREADS || local[2] > 64;
    is_wrong |= limit > STATIC_LIMIT ? shared > limit : shared > 0 && shared + (uint64_t)fixed > STATIC_LIMIT;
    if (is_wrong)
        paper_complain("%s: refused: %u x %u x %u blocks of %u x %u x %u threads, %u bytes of shared memory",
                       f->kernel->name, grid[0], grid[1], grid[2], local[0], local[1], local[2], shared);
    return is_wrong ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* ---- running ---------------------------------------------------------------------------------------------------------------- */

static char dynamic[MOST_DYNAMIC + GUARD] __attribute__((aligned(1024)));
static const char *running;

static void on_fault(int signal_number) {
    char words[256];
    int count = snprintf(words, sizeof words, "paper: %s: signal %d\n", running, signal_number);
    if (write(2, words, (size_t)count) < 0)
        _exit(1);
    signal(signal_number, SIG_DFL);
}

static void close_dynamic(uint32_t bytes) { /* for kernels built with PAPER_ASAN */
    memset(dynamic + bytes, GUARD_BYTE, GUARD);
    if (__asan_poison_memory_region)
        __asan_poison_memory_region(dynamic + bytes, GUARD);
}

static void open_dynamic(uint32_t bytes) {
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(dynamic + bytes, GUARD);
}

static bool dynamic_is_whole(uint32_t bytes) {
    for (int i = 0; i < GUARD; i++)
        if (dynamic[bytes + (uint32_t)i] != (char)GUARD_BYTE)
            return false;
    return true;
}

static void spoil(char *at, size_t bytes) { /* not memset: the address sanitizer would not have its own bytes touched */
    volatile char *to = at;
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)GARBAGE;
}

static void fill_garbage(paper_object *o, uint32_t shared, bool is_padded) {
    size_t fixed = (size_t)(o->shared_end - o->shared_begin);
    if (is_padded)
        spoil(o->shared_begin, fixed);
    else if (fixed)
        memset(o->shared_begin, GARBAGE, fixed);
    if (shared)
        memset(dynamic, GARBAGE, shared);
}

static block_order chosen_order(void) {
    const char *order = paper_setting("PAPER_ORDER");
    if (!order || strcmp(order, "forward") == 0)
        return BLOCK_FORWARD;
    return strcmp(order, "backward") == 0 ? BLOCK_BACKWARD : BLOCK_RANDOM;
}

static CUresult run_kernel(const paper_node *node) {
    paper_object *o = node->function->module->object;
    void *params[PAPER_MOST_PARAMS];
    char *at = node->params;
    bool is_right = true, is_padded = __asan_poison_memory_region != NULL;
    for (uint32_t i = 0; i < node->function->kernel->n_params; i++) {
        params[i] = at;
        at += (node->function->kernel->bytes[i] + 15) / 16 * 16;
    }
    struct sigaction before, mine = {.sa_handler = on_fault};
    running = node->function->kernel->name;
    sigaction(SIGSEGV, &mine, &before);
    o->block_dim = (paper_index){node->local[0], node->local[1], node->local[2]};
    o->grid_dim = (paper_index){node->grid[0], node->grid[1], node->grid[2]};
    o->dynamic = dynamic;
    o->dynamic_bytes = node->shared;
    close_dynamic(node->shared);
    block_run run = {o, node->function->kernel, params, chosen_order(), paper_is_quiet()};
    uint64_t blocks = (uint64_t)node->grid[0] * node->grid[1] * node->grid[2];
    for (uint64_t i = 0; is_right && i < blocks; i++) {
        uint32_t gx = node->grid[0], gy = node->grid[1];
        o->block = (paper_index){(uint32_t)(i % gx), (uint32_t)(i / gx % gy), (uint32_t)(i / gx / gy)};
        fill_garbage(o, node->shared, is_padded);
        is_right = block_execute(&run);
    }
    open_dynamic(node->shared);
    if (is_right && !dynamic_is_whole(node->shared)) {
        paper_complain("%s: written past its %u bytes of shared memory", running, node->shared);
        is_right = false;
    } else if (!is_right) {
        paper_complain("%s: the launch has failed", running);
    }
    sigaction(SIGSEGV, &before, NULL);
    return is_right ? CUDA_SUCCESS : CUDA_ERROR_LAUNCH_FAILED;
}

CUresult paper_node_run(const paper_node *node) {
    switch (node->kind) {
    case NODE_COPY: memmove(node->to, node->from, node->bytes); return CUDA_SUCCESS;
    case NODE_SET: memset(node->to, node->value, node->bytes); return CUDA_SUCCESS;
    case NODE_WORK: node->work(node->to); return CUDA_SUCCESS;
    default: return run_kernel(node);
    }
}

void paper_node_free(paper_node *node) {
    free(node->params);
    node->params = NULL;
}

static CUresult copy_params(paper_node *node, void **params) {
    const paper_kernel *kernel = node->function->kernel;
    size_t bytes = 16, at = 0;
    for (uint32_t i = 0; i < kernel->n_params; i++)
        bytes += (kernel->bytes[i] + 15) / 16 * 16;
    node->params = aligned_alloc(16, bytes);
    if (!node->params)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < kernel->n_params; i++) {
        memcpy(node->params + at, params[i], kernel->bytes[i]);
        at += (kernel->bytes[i] + 15) / 16 * 16;
    }
    return CUDA_SUCCESS;
}

CUresult CUDAAPI cuLaunchKernel(CUfunction f, unsigned gx, unsigned gy, unsigned gz, unsigned lx, unsigned ly,
                                unsigned lz, unsigned shared, CUstream stream, void **params, void **extra) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_LAUNCHES);
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result != CUDA_SUCCESS)
        return result;
    if (!f || extra || f->module->context != context || (stream && stream->context != context))
        return CUDA_ERROR_INVALID_HANDLE;
    paper_node node = {
        .kind = NODE_KERNEL, .function = f, .grid = {gx, gy, gz}, .local = {lx, ly, lz}, .shared = shared};
    result = check_launch(f, node.grid, node.local, shared);
    if (result == CUDA_SUCCESS)
        result = copy_params(&node, params);
    if (result == CUDA_SUCCESS)
        result = paper_submit(stream, &node);
    paper_node_free(&node);
    return result;
}
