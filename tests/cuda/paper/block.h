/* One block of a kernel: its threads are fibers of the calling thread. */
#ifndef PAPER_BLOCK_H
#define PAPER_BLOCK_H

#include <stdbool.h>

#include "paper_abi.h"

enum { BLOCK_MOST_THREADS = 1024 };

typedef enum block_order { BLOCK_FORWARD, BLOCK_BACKWARD, BLOCK_RANDOM } block_order;

typedef struct block_run {
    paper_object *object; /* block_dim, block and grid_dim are set */
    const paper_kernel *kernel;
    void *const *params;
    block_order order;
    bool is_quiet; /* nothing is written to stderr */
} block_run;

void block_bind(paper_object *object); /* gives it the driver's functions */
/* False: reported on stderr; some threads have not ended. One call at a time in a process. */
bool block_execute(const block_run *run);

#endif
