/*
 * A stand-in for libcuda.so.1: devices that exist on paper. Memory is the host's, kernels are host code that fake_nvrtc.c has
 * compiled, work of a stream is done at the call. What goes wrong, and what the devices are, the environment says:
 *
 *   PAPER_ARCH=75,90        the devices; one of 90 if not set
 *   PAPER_INIT=CODE         cuInit answers so (100: no device)
 *   PAPER_VERSION=11080     the driver's
 *   PAPER_MEMORY=BYTES      a device has so many
 *   PAPER_SHARED=BYTES      what a block may ask for
 *   PAPER_ORDER=backward|random  the order in which a block's threads run; else forward
 *   PAPER_CONTEXT, PAPER_ALLOC, PAPER_PINNED, PAPER_MODULE, PAPER_LAUNCH, PAPER_COPY, PAPER_SYNC, PAPER_EVENT,
 *   PAPER_CAPTURE, PAPER_GRAPH, PAPER_INFO=CODE   calls of this kind fail: the first of them, or after PAPER_SKIP=N good ones
 *   PAPER_COUNT=N           so many fail, then they work again; 1 << 30 if not set
 *   PAPER_QUIET=1           nothing is said of misuse
 */
#ifndef FAKE_CUDA_H
#define FAKE_CUDA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cuda.h>

#include "paper_abi.h"

/* ---- fake_settings.c: the environment, and counters for the tests ---------------------------------------------------- */

typedef enum paper_kind {
    PAPER_CONTEXTS,
    PAPER_ALLOCS,
    PAPER_PINNED,
    PAPER_MODULES,
    PAPER_LAUNCHES,
    PAPER_COPIES,
    PAPER_SYNCS,
    PAPER_EVENTS,
    PAPER_CAPTURES,
    PAPER_GRAPHS,
    PAPER_INFOS,
    PAPER_KINDS
} paper_kind;

const char *paper_setting(const char *name); /* NULL or not empty */
long paper_number(const char *name, long otherwise);
bool paper_is_quiet(void);
/* What this call is to answer; it is counted. */
CUresult paper_answer(paper_kind kind);
/* Misuse of the interface: said on stderr and counted. */
void paper_complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- nouns ------------------------------------------------------------------------------------------------------------ */

typedef struct paper_device {
    int arch, units;
} paper_device;

struct CUctx_st {
    int device;
    CUresult lost; /* of a kernel's fault: every later call answers it */
    int allocations, modules, streams, events, graphs;
    uint64_t allocated;
    CUcontext next;
};

typedef struct paper_block { /* of memory, with guards at both ends */
    struct paper_block *next;
    CUcontext context;
    char *data;
    size_t bytes;
    bool is_host;
} paper_block;

typedef enum paper_node_kind { NODE_KERNEL, NODE_COPY, NODE_SET, NODE_WORK } paper_node_kind;

typedef struct paper_node { /* a piece of a stream's work */
    paper_node_kind kind;
    CUfunction function;
    uint32_t grid[3], local[3], shared;
    char *params;         /* the arguments, one behind the other as paper_kernel.bytes says, each at a multiple of 16 */
    void (*work)(void *); /* another library's, called with `to` */
    void *to;
    const void *from;
    uint8_t value;
    size_t bytes;
} paper_node;

struct CUgraph_st {
    paper_node *nodes;
    uint32_t n_nodes, room;
    CUstream origin;
    CUstreamCaptureMode mode;
    pthread_t thread;
    bool is_broken;
    CUgraph next; /* of those being recorded */
};

struct CUgraphExec_st {
    CUcontext context;
    paper_node *nodes;
    uint32_t n_nodes;
};

struct CUstream_st {
    CUcontext context;
    CUgraph capture; /* being recorded, or NULL */
};

struct CUevent_st {
    CUcontext context;
    CUgraph capture; /* recorded into */
    uint64_t ns;     /* 0: not recorded */
    bool has_time;
};

struct CUfunc_st {
    CUmodule module;
    const paper_kernel *kernel;
    uint32_t static_bytes;
    int dynamic_bytes; /* what was asked for beyond the 48 KiB */
};

enum { PAPER_MOST_KERNELS = 32 };

struct CUmod_st {
    CUcontext context;
    void *library;
    paper_object *object;
    struct CUfunc_st functions[PAPER_MOST_KERNELS];
};

/* One for all: of tables, and held while a kernel runs. */
extern pthread_mutex_t paper_lock;

/* ---- fake_devices.c, fake_memory.c, fake_modules.c, fake_streams.c, fake_graphs.c -------------------------------------- */

const paper_device *paper_device_at(int index); /* NULL past the last */
/* The thread's context; what is wrong with it otherwise. */
CUresult paper_enter(CUcontext *out_context);
uint64_t paper_shared_optin(int arch);
uint64_t paper_memory(void); /* of a device */

/* With the lock held: guards of all memory. What was found becomes the context's fault. */
void paper_check_guards(CUcontext context);
void paper_free_all(CUcontext context);

CUresult paper_node_run(const paper_node *node); /* with the lock held */
void paper_node_free(paper_node *node);

/* Runs it, or records it; node->params then belongs to the graph. */
CUresult paper_submit(CUstream stream, paper_node *node);
/* Whether a call that allocates is allowed to this thread while graphs are recorded. */
CUresult paper_unsafe(void);
void paper_break_capture(CUstream stream);

#endif
