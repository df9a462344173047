#include "base/alloc.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"

#ifndef __has_feature
#define __has_feature(name) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#define HIDE_HEADER(header) ASAN_POISON_MEMORY_REGION((header), BLOCK_ALIGN)
#define SHOW_HEADER(header) ASAN_UNPOISON_MEMORY_REGION((header), BLOCK_ALIGN)
#else
#define HIDE_HEADER(header) ((void)0)
#define SHOW_HEADER(header) ((void)0)
#endif

/* [ align bytes, the last 64 of them the header ][ block ]: the system's block is held through a pointer to its
 * inside, which LeakSanitizer follows, and ends where the caller's block ends, so that a step past it is seen. */
enum { BLOCK_ALIGN = 64 };
typedef struct block_header {
    size_t bytes, align;
} block_header;

static _Atomic uint64_t live_bytes, live_blocks, peak_bytes, calls, fail_countdown;

static bool must_fail(void) {
    uint64_t left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
    while (left != 0)
        if (atomic_compare_exchange_weak(&fail_countdown, &left, left - 1))
            return left == 1;
    return false;
}

static block_header *header_of(void *block) {
    return (block_header *)(void *)((char *)block - BLOCK_ALIGN);
}

static void count_new(size_t bytes) {
    uint64_t live = atomic_fetch_add(&live_bytes, bytes) + bytes, peak = atomic_load(&peak_bytes);
    while (live > peak && !atomic_compare_exchange_weak(&peak_bytes, &peak, live)) {}
    atomic_fetch_add(&live_blocks, 1);
}

void *fr_alloc_aligned(size_t bytes, size_t align) {
    atomic_fetch_add_explicit(&calls, 1, memory_order_relaxed);
    size_t room = bytes ? bytes : 1, total; /* one byte: a pointer past the system's block would look like a leak */
    void *start;
    if (align < BLOCK_ALIGN)
        align = BLOCK_ALIGN;
    if (must_fail() || !fr_size_add(room, align, &total) || total > PTRDIFF_MAX)
        return NULL;
    if (posix_memalign(&start, align, total) != 0) /* refuses an align that is no power of two */
        return NULL;
    memset(start, 0, total);
    void *block = (char *)start + align;
    *header_of(block) = (block_header){bytes, align};
    HIDE_HEADER(header_of(block));
    count_new(bytes);
    return block;
}

void *fr_alloc(size_t bytes) {
    return fr_alloc_aligned(bytes, BLOCK_ALIGN);
}

void fr_free(void *block) {
    if (!block)
        return;
    block_header *header = header_of(block);
    SHOW_HEADER(header);
    atomic_fetch_sub(&live_bytes, header->bytes);
    atomic_fetch_sub(&live_blocks, 1);
    free((char *)block - header->align);
}

void *fr_alloc_array(size_t count, size_t item_bytes) {
    size_t bytes;
    return fr_size_mul(count, item_bytes, &bytes) ? fr_alloc(bytes) : NULL;
}

void *fr_grow_array(void *block, size_t old_count, size_t count, size_t item_bytes) {
    void *grown = fr_alloc_array(count, item_bytes);
    if (!grown)
        return NULL;
    if (block)
        memcpy(grown, block, (old_count < count ? old_count : count) * item_bytes);
    fr_free(block);
    return grown;
}

char *fr_strdup(const char *text) {
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = fr_alloc(bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

char *fr_format(const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    char *text = length < 0 ? NULL : fr_alloc((size_t)length + 1);
    if (text && vsnprintf(text, (size_t)length + 1, fmt, again) < 0)
        text[0] = '\0';
    va_end(again);
    va_end(args);
    return text;
}

fr_status fr_no_memory(size_t bytes, const char *what) {
    return fr_fail(FR_NO_MEMORY, "out of memory: %zu bytes for %s", bytes, what);
}

fr_alloc_use fr_alloc_read(void) {
    return (fr_alloc_use){.live_bytes = atomic_load(&live_bytes),
                          .live_blocks = atomic_load(&live_blocks),
                          .peak_bytes = atomic_load(&peak_bytes),
                          .calls = atomic_load(&calls)};
}

void fr_alloc_fail_at(uint64_t nth_call) {
    atomic_store(&fail_countdown, nth_call);
}

bool fr_size_mul(size_t a, size_t b, size_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

bool fr_size_add(size_t a, size_t b, size_t *out) {
    return !__builtin_add_overflow(a, b, out);
}
