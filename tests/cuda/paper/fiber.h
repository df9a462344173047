/* Stacks, and going from one to another without a system call. */
#ifndef PAPER_FIBER_H
#define PAPER_FIBER_H

#include <stdint.h>

enum { FIBER_MOST = 1024 + 1, FIBER_BYTES = 256 << 10, FIBER_GUARD = 4096 };

typedef struct fiber_stacks { /* zeroed to begin with */
    char *memory;
    uint16_t unused[FIBER_MOST];
    uint32_t n_unused, n_known;
} fiber_stacks;

/* Index of a stack that nobody is on; its memory is made when it is first taken. Never fails while < FIBER_MOST are taken. */
uint32_t fiber_take(fiber_stacks *stacks);
void fiber_give(fiber_stacks *stacks, uint32_t index);
/* Nobody is on any. */
void fiber_give_all(fiber_stacks *stacks);
/* What fiber_go() goes to in order to begin enter() on that stack. It never returns. */
void *fiber_prepare(fiber_stacks *stacks, uint32_t index, void (*enter)(void));
/* Leaves what comes back here in *out_from. */
void fiber_go(void **out_from, void *to);

#endif
