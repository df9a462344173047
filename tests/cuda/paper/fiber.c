#include "fiber.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* clang-format off */
#if defined(__x86_64__)
__asm__(".text\n.globl fiber_go\n.hidden fiber_go\n.type fiber_go,@function\nfiber_go:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq %rsi, %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n"
        ".size fiber_go, .-fiber_go\n");
enum { KEPT = 7 * 8, RETURN_AT = 6 * 8, ENTRY_SKEW = 8 }; /* a function is entered with rsp 8 past a multiple of 16 */
#elif defined(__aarch64__)
__asm__(".text\n.globl fiber_go\n.hidden fiber_go\n.type fiber_go,%function\nfiber_go:\n"
        "sub sp, sp, #160\n"
        "stp x19, x20, [sp, #0]\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\n"
        "stp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\n"
        "stp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\nstp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
        "mov x9, sp\nstr x9, [x0]\nmov sp, x1\n"
        "ldp x19, x20, [sp, #0]\nldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\n"
        "ldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\n"
        "ldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\nldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\n"
        "add sp, sp, #160\nret\n"
        ".size fiber_go, .-fiber_go\n");
enum { KEPT = 160, RETURN_AT = 88, ENTRY_SKEW = 0 };
#else
#error "fiber_go is written for x86-64 and aarch64"
#endif
/* clang-format on */

/* Tops of stacks a page apart would share the same lines of a cache. */
enum { COLOURS = 29, COLOUR_BYTES = 128 };

static void make(fiber_stacks *stacks) {
    size_t bytes = (size_t)FIBER_MOST * FIBER_BYTES;
    stacks->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (stacks->memory == MAP_FAILED) {
        fprintf(stderr, "paper: no memory for the stacks of a block's threads\n");
        abort();
    }
}

uint32_t fiber_take(fiber_stacks *stacks) {
    if (stacks->n_unused > 0)
        return stacks->unused[--stacks->n_unused];
    if (!stacks->memory)
        make(stacks);
    uint32_t index = stacks->n_known++;
    if (index >= FIBER_MOST)
        abort();
    mprotect(stacks->memory + (size_t)index * FIBER_BYTES, FIBER_GUARD, PROT_NONE);
    return index;
}

void fiber_give(fiber_stacks *stacks, uint32_t index) {
    stacks->unused[stacks->n_unused++] = (uint16_t)index;
}

void fiber_give_all(fiber_stacks *stacks) {
    stacks->n_unused = 0;
    for (uint32_t i = stacks->n_known; i-- > 0;)
        fiber_give(stacks, i);
}

void *fiber_prepare(fiber_stacks *stacks, uint32_t index, void (*enter)(void)) {
    char *top = stacks->memory + (size_t)(index + 1) * FIBER_BYTES;
    char *at = top - 256 - index % COLOURS * COLOUR_BYTES - ENTRY_SKEW - KEPT;
    memset(at, 0, KEPT + ENTRY_SKEW);
    memcpy(at + RETURN_AT, &enter, sizeof enter);
    return at;
}
