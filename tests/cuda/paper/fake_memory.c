/* Memory of devices and pinned memory: the host's, between guards. What is new is full of garbage: NaN in every float type. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_cuda.h"

enum { GUARD = 512, GARBAGE = 0xff, GUARD_BYTE = 0xfb };

static paper_block *blocks;

void __asan_poison_memory_region(void const volatile *at, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(void const volatile *at, size_t bytes) __attribute__((weak));

/* For kernels built with PAPER_ASAN. */
static void close_guards(const paper_block *b, bool is_closed) {
    void (*set)(void const volatile *, size_t) =
        is_closed ? __asan_poison_memory_region : __asan_unpoison_memory_region;
    if (!set)
        return;
    set(b->data - GUARD, GUARD);
    set(b->data + b->bytes, GUARD);
}

static bool guard_is_whole(const char *at) {
    char want[64];
    memset(want, GUARD_BYTE, sizeof want);
    for (int i = 0; i < GUARD; i += (int)sizeof want)
        if (memcmp(at + i, want, sizeof want) != 0)
            return false;
    return true;
}

static bool is_whole(const paper_block *b) {
    close_guards(b, false);
    bool is_right = guard_is_whole(b->data - GUARD) && guard_is_whole(b->data + b->bytes);
    close_guards(b, true);
    return is_right;
}

static CUresult take(size_t bytes, bool is_host, CUcontext context, void **out) {
    paper_block *b = calloc(1, sizeof *b);
    char *raw = NULL;
    if (!b || posix_memalign((void **)&raw, GUARD, bytes + 2 * GUARD) != 0) {
        free(b);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    memset(raw, GUARD_BYTE, GUARD);
    memset(raw + GUARD, GARBAGE, bytes);
    memset(raw + GUARD + bytes, GUARD_BYTE, GUARD);
    *b = (paper_block){.next = blocks, .context = context, .data = raw + GUARD, .bytes = bytes, .is_host = is_host};
    close_guards(b, true);
    blocks = b;
    *out = b->data;
    context->allocations++;
    context->allocated += is_host ? 0 : bytes;
    return CUDA_SUCCESS;
}

static void let_go(paper_block **at) {
    paper_block *b = *at;
    if (!is_whole(b)) {
        paper_complain("written outside a block of %zu bytes", b->bytes);
        b->context->lost = CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    *at = b->next;
    b->context->allocations--;
    b->context->allocated -= b->is_host ? 0 : b->bytes;
    close_guards(b, false);
    free(b->data - GUARD);
    free(b);
}

static CUresult give_back(void *data, bool is_host) {
    CUresult result = CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_lock(&paper_lock);
    for (paper_block **at = &blocks; *at; at = &(*at)->next) {
        if ((*at)->data != data || (*at)->is_host != is_host)
            continue;
        let_go(at);
        result = CUDA_SUCCESS;
        break;
    }
    pthread_mutex_unlock(&paper_lock);
    if (result != CUDA_SUCCESS)
        paper_complain("what is freed was not allocated");
    return result;
}

void paper_check_guards(CUcontext context) {
    for (paper_block *b = blocks; b; b = b->next) {
        if (b->context != context || is_whole(b))
            continue;
        paper_complain("written outside a block of %zu bytes", b->bytes);
        context->lost = CUDA_ERROR_ILLEGAL_ADDRESS;
        close_guards(b, false); /* said once */
        memset(b->data - GUARD, GUARD_BYTE, GUARD);
        memset(b->data + b->bytes, GUARD_BYTE, GUARD);
        close_guards(b, true);
    }
}

void paper_free_all(CUcontext context) {
    for (paper_block **at = &blocks; *at;)
        if ((*at)->context == context)
            let_go(at);
        else
            at = &(*at)->next;
}

static const paper_block *find(const void *at) {
    for (const paper_block *b = blocks; b; b = b->next)
        if ((const char *)at >= b->data && (const char *)at < b->data + b->bytes)
            return b;
    return NULL;
}

/* ---- the calls ---------------------------------------------------------------------------------------------------------- */

static void info(CUcontext context, size_t *out_free, size_t *out_total) {
    uint64_t total = paper_memory();
    pthread_mutex_lock(&paper_lock);
    uint64_t used = 0;
    for (const paper_block *b = blocks; b; b = b->next)
        used += b->context->device == context->device && !b->is_host ? b->bytes : 0;
    pthread_mutex_unlock(&paper_lock);
    *out_total = total;
    *out_free = used < total ? total - used : 0;
}

CUresult CUDAAPI cuMemGetInfo(size_t *out_free, size_t *out_total) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_INFOS);
    *out_free = *out_total = 0;
    if (result != CUDA_SUCCESS)
        return result;
    context->lost = answer; /* of a kernel before, as cuStreamSynchronize */
    if (answer == CUDA_SUCCESS)
        info(context, out_free, out_total);
    return answer;
}

CUresult CUDAAPI cuMemAlloc(CUdeviceptr *out, size_t bytes) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_ALLOCS);
    size_t unused = 0, total;
    void *data = NULL;
    *out = 0;
    if (result == CUDA_SUCCESS)
        result = bytes == 0 ? CUDA_ERROR_INVALID_VALUE : paper_unsafe();
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result != CUDA_SUCCESS)
        return result;
    info(context, &unused, &total);
    if (bytes > unused)
        return CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_lock(&paper_lock);
    result = take(bytes, false, context, &data);
    pthread_mutex_unlock(&paper_lock);
    *out = (CUdeviceptr)(uintptr_t)data;
    return result;
}

CUresult CUDAAPI cuMemFree(CUdeviceptr memory) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (!context) /* a lost one's memory goes too */
        return result;
    CUresult freed = memory ? give_back((void *)(uintptr_t)memory, false) : CUDA_SUCCESS;
    return result != CUDA_SUCCESS ? result : freed;
}

CUresult CUDAAPI cuMemHostAlloc(void **out, size_t bytes, unsigned flags) {
    CUcontext context;
    CUresult result = paper_enter(&context), answer = paper_answer(PAPER_PINNED);
    (void)flags;
    *out = NULL;
    if (result == CUDA_SUCCESS)
        result = bytes == 0 ? CUDA_ERROR_INVALID_VALUE : paper_unsafe();
    if (result == CUDA_SUCCESS)
        result = answer;
    if (result != CUDA_SUCCESS)
        return result;
    pthread_mutex_lock(&paper_lock);
    result = take(bytes, true, context, out);
    pthread_mutex_unlock(&paper_lock);
    return result;
}

CUresult CUDAAPI cuMemFreeHost(void *data) {
    CUcontext context;
    CUresult result = paper_enter(&context);
    if (!context)
        return result;
    CUresult freed = give_back(data, true);
    return result != CUDA_SUCCESS ? result : freed;
}

CUresult CUDAAPI cuPointerGetAttribute(void *out, CUpointer_attribute attribute, CUdeviceptr at) {
    pthread_mutex_lock(&paper_lock);
    const paper_block *b = find((const void *)(uintptr_t)at);
    unsigned type = b ? b->is_host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE : 0;
    CUcontext context = b ? b->context : NULL;
    pthread_mutex_unlock(&paper_lock);
    if (!context)
        return CUDA_ERROR_INVALID_VALUE;
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE: memcpy(out, &type, sizeof type); return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_CONTEXT: memcpy(out, &context, sizeof context); return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER: memcpy(out, &at, sizeof at); return CUDA_SUCCESS;
    default:
        paper_complain("cuPointerGetAttribute: attribute %d is not on paper", (int)attribute);
        return CUDA_ERROR_INVALID_VALUE;
    }
}
