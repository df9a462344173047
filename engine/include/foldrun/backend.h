/*
 * The backend table: everything the engine knows of a device, and everything a backend knows of the engine.
 *
 * A backend is a shared module foldrun-backend-NAME.so that exports one function, fr_backend_entry. The module
 * always loads: what it needs at run time (a driver, an ICD) it finds in driver_open, and its absence is
 * FR_UNAVAILABLE with a sentence a user can act on. Five nouns: driver, device, queue, buffer, program.
 *
 * Threads: a driver and a device may be used from any thread at once (buffer_new, candidates and compile
 * included). A queue is used by one thread at a time. A program is immutable and may be launched on several
 * queues at once, each launch with its own scratch.
 */
#ifndef FOLDRUN_BACKEND_H
#define FOLDRUN_BACKEND_H

#include "foldrun/types.h"

#ifdef __cplusplus
extern "C" {
#endif

#define FR_BACKEND_ABI   2u
#define FR_BACKEND_ENTRY "fr_backend_entry"

/* ---- what the engine offers a backend ---------------------------------------------------------------- */

typedef struct fr_host {
    uint32_t abi;
    uint32_t struct_bytes;
    void *ctx;                                  /* first argument of the cache calls */
    void *(*alloc)(size_t bytes, size_t align); /* zeroed; NULL when there is none; align 0 = 64 */
    void (*free)(void *block);
    /* Records the sentence in the engine's thread-local record and returns code. */
    fr_status (*fail)(fr_status code, const char *file, int line, const char *fmt, ...) FR_PRINTF(4, 5);
    void (*log)(int level, const char *fmt, ...) FR_PRINTF(2, 3); /* 0 error, 1 warning, 2 info, 3 debug */
    /* The disk cache. A key is any text: it is hashed, and stored beside the payload to be compared. A miss, a
     * stale and a corrupt entry all answer FR_UNAVAILABLE. The caller frees *out_data with free(). */
    fr_status (*cache_load)(void *ctx, const char *key, void **out_data, size_t *out_bytes);
    fr_status (*cache_store)(void *ctx, const char *key, const void *data, size_t bytes);
} fr_host;

/* ---- steps ---------------------------------------------------------------------------------------------- */

enum { FR_MAX_SRC = 8 };

typedef enum fr_step_kind {
    FR_STEP_INGEST = 1, /* user's images -> folded, scaled, in the device's layout and precision */
    FR_STEP_EMIT = 2,   /* logits -> one f32 row an image, in the user's memory */
    FR_STEP_CONV = 3,   /* pool?(act(conv(src0) + bias [+ src1])) */
    FR_STEP_FC = 4,     /* act(W * flatten_chw(src0) + bias [+ src1]); dst is n x c x 1 x 1 */
    FR_STEP_POOL = 5,   /* the window is in fr_step.pool */
    FR_STEP_BINARY = 6, /* act(src0 op src1); src1 may have h = w = 1 and is then broadcast over the map */
    FR_STEP_UNARY = 7,  /* act(src0) */
    FR_STEP_CONCAT = 8, /* along channels, n_src sources */
    FR_STEP_LRN = 9,
    FR_STEP_SOFTMAX = 10, /* along channels, at every place of the map */
    FR_STEP_REORDER = 11, /* same numbers in another layout and dtype; dst dims may differ: both in CHW order */
    FR_STEP_PAD = 12,     /* pad[] with pad_value */
    FR_STEP_ARGMAX = 13,  /* along channels: dst c = 1, the first (or last) winner's index as a number */
    FR_STEP_CHAIN = 14    /* sub[0..n_sub): several steps in one program, what lies between never leaves the chip */
} fr_step_kind;

/*
 * A CHAIN runs its sub-steps in turn, each on what the one before it wrote. All have one source and the chain's n; none
 * is a CHAIN. The first may be INGEST and the last EMIT, so that a whole small model is one program.
 *
 * The chain's src[0] and dst are the first sub-step's src[0] and the last one's dst: same dims, dtype and scale. Their layouts
 * are those of the CHAIN (the user's where it begins with INGEST, which then says the same); layouts of all that lies
 * between are not read: leave them ANY. Dtypes between are what would be stored if the steps ran one by one: a chain may
 * round to them or keep more. compute: what products are formed in, the same in each CONV and FC of it. inexact_ok counts
 * in the CHAIN alone. images: of the INGEST or EMIT at an end (both say the same), 0 in a chain without; `valid` is then
 * as for them, and inputs of which no image exists may be skipped where the chain ends with EMIT. All else of the CHAIN
 * itself is unused and 0. Its weights are fr_weights.sub, one entry a sub-step.
 */

typedef enum fr_act {
    FR_ACT_NONE = 0,
    FR_ACT_RELU = 1,
    FR_ACT_CLIP = 2,  /* min(max(x, a), b); Relu6 is a = 0, b = 6 */
    FR_ACT_LEAKY = 3, /* x < 0 ? a*x : x */
    FR_ACT_SIGMOID = 4,
    FR_ACT_HARDSIGMOID = 5, /* max(0, min(1, a*x + b)) */
    FR_ACT_HARDSWISH = 6,   /* x * max(0, min(1, x/6 + 0.5)) */
    FR_ACT_TANH = 7
} fr_act;

typedef enum fr_pool_kind {
    FR_POOL_NONE = 0,
    FR_POOL_MAX = 1,
    FR_POOL_AVG = 2,
    FR_POOL_AVG_INCLUDE_PAD = 3
} fr_pool_kind;

typedef enum fr_binary {
    FR_BINARY_ADD = 1,
    FR_BINARY_MUL = 2,
    FR_BINARY_SUB = 3,
    FR_BINARY_DIV = 4,
    FR_BINARY_MAX = 5,
    FR_BINARY_MIN = 6
} fr_binary;

/* How one batch of maps lies in memory; n is always outermost, so a sub-batch is a pointer. In the blocked
 * layouts channels are padded to the block; a program that writes one writes zeros into the padding. */
typedef enum fr_layout {
    FR_LAYOUT_ANY = 0,
    FR_LAYOUT_NCHW = 1,
    FR_LAYOUT_NHWC = 2,
    FR_LAYOUT_NCHW4C = 3,
    FR_LAYOUT_NCHW8C = 4,
    FR_LAYOUT_NCHW16C = 5,
    FR_LAYOUT_NCHW32C = 6,
    FR_LAYOUT_USER_HWC = 7, /* INGEST's source: dense images as the user has them */
    FR_LAYOUT_USER_CHW = 8
} fr_layout;

typedef struct fr_tensor { /* of one step; n is the step's */
    int32_t c, h, w;
    uint16_t dtype;  /* fr_dtype */
    uint16_t layout; /* fr_layout; ANY in the question to candidates(), fixed in compile() */
    float scale;     /* U8 and S8: number = scale * stored. Else 0. */
} fr_tensor;

typedef struct fr_window {
    int32_t kh, kw, sh, sw, dh, dw;
    int32_t pad_top, pad_left, pad_bottom, pad_right;
} fr_window;

typedef struct fr_step {
    uint32_t struct_bytes;
    uint16_t kind;    /* fr_step_kind */
    uint16_t compute; /* fr_precision: what products are formed in (int8: u8/s8 x s8, s32 sums) */
    int32_t n;        /* folded inputs a launch */
    int32_t n_src;
    fr_tensor src[FR_MAX_SRC];
    fr_tensor dst; /* after the pool epilogue, when there is one */
    fr_window win; /* CONV */
    int32_t groups;
    uint8_t has_bias;
    uint8_t residual; /* src[1], dims of the conv's own output, is added before act */
    uint8_t act;      /* fr_act */
    uint8_t binary;   /* fr_binary */
    float act_a, act_b;
    uint8_t pool;      /* fr_pool_kind: POOL's kind, or CONV's epilogue after act */
    uint8_t pick_last; /* ARGMAX: last winner instead of first */
    uint8_t softmax;   /* EMIT: softmax over each image's classes */
    uint8_t
        inexact_ok; /* candidates with algorithms that change rounding by more than order (Winograd) may be offered */
    fr_window pool_win; /* pools need not cover the map; a window past the padded edge is clipped (ceil_mode) */
    int32_t lrn_size;
    float lrn_alpha, lrn_beta, lrn_k;
    float pad_value;
    /* INGEST and EMIT: images in one folded input. INGEST: image i, channel c -> channel i*image_c + c of its input,
     * number = (pixel - mean[c]) * scale[c]. EMIT: image i owns logits [i*K, (i+1)*K), K = src.c / images. */
    int32_t images;
    int32_t image_c;
    const struct fr_step *sub; /* CHAIN; kept by the caller, and not by programs */
    int32_t n_sub;
} fr_step;

/* What belongs to a step and is fixed: host memory, read during compile only. */
typedef struct fr_weights {
    uint32_t struct_bytes;
    const float *weight;          /* CONV: [c_out][c_in/groups][kh][kw]; FC: [c_out][c][h][w] of src0 */
    const float *bias;            /* [c_out], or NULL */
    const int8_t *weight_s8;      /* int8 steps: same order */
    const float *weight_scale;    /* int8 steps: [c_out]; number = weight_scale[o] * weight_s8 */
    const float *mean, *scale;    /* INGEST: [image_c]; NULL = 0 and 1 */
    const struct fr_weights *sub; /* CHAIN */
} fr_weights;

/* ---- candidates ------------------------------------------------------------------------------------------ */

/* Why a way of running a step is refused. A closed list: `explain` and the tests spell them. */
typedef enum fr_reason {
    FR_WHY_NOT = 0, /* not refused */
    FR_WHY_KIND = 1,
    FR_WHY_DTYPE = 2,
    FR_WHY_LAYOUT = 3,
    FR_WHY_SHAPE = 4,
    FR_WHY_GROUPS = 5,
    FR_WHY_DILATION = 6,
    FR_WHY_PADDING = 7,
    FR_WHY_EPILOGUE = 8,
    FR_WHY_ACTIVATION = 9,
    FR_WHY_ISA = 10,
    FR_WHY_MEMORY = 11,
    FR_WHY_DRIVER = 12,
    FR_WHY_INEXACT = 13,
    FR_WHY_SELFCHECK = 14
} fr_reason;

enum { FR_CANDIDATE_INEXACT = 1 }; /* sums of small integers need not come out bit for bit */

typedef struct fr_candidate {
    uint32_t struct_bytes;
    uint32_t flags;
    char name[48]; /* stable: cpu.direct.n16c.f32 */
    uint16_t src_layout[FR_MAX_SRC];
    uint16_t dst_layout;
    uint16_t refused; /* fr_reason; the rest is then empty but the name */
    uint64_t scratch_bytes;
    int32_t granule; /* channels that one tile holds; 0 unknown */
    uint32_t id;     /* the backend's own */
} fr_candidate;

/* ---- the table --------------------------------------------------------------------------------------------- */

typedef struct fr_driver fr_driver;
typedef struct fr_device fr_device;
typedef struct fr_queue fr_queue;
typedef struct fr_buffer fr_buffer;
typedef struct fr_program fr_program;
typedef struct fr_event fr_event;
typedef struct fr_bundle fr_bundle;

typedef enum fr_buffer_kind {
    FR_BUFFER_WEIGHT = 0,
    FR_BUFFER_ACTIVATION = 1,
    FR_BUFFER_SCRATCH = 2,
    FR_BUFFER_STAGING = 3
} fr_buffer_kind;

typedef struct fr_binding {
    fr_buffer *buffer;
    uint64_t
        offset; /* bytes: where a tensor begins is a multiple of 64, a sub-batch of it (and user memory) any whole number of inputs on */
} fr_binding;

typedef struct fr_launch {
    fr_program *program;
    fr_binding src[FR_MAX_SRC];
    fr_binding dst;
    fr_binding scratch; /* candidate.scratch_bytes; contents undefined before and after */
    /* INGEST and EMIT, and chains with one at an end: images of this launch that exist, 0..n*images. INGEST makes the
     * missing ones zero; EMIT writes only the rows that exist. */
    int32_t valid;
} fr_launch;

typedef struct fr_memory_use {
    uint64_t live[4], peak[4];
} fr_memory_use; /* by fr_buffer_kind, bytes */

typedef struct fr_backend {
    uint32_t abi;
    uint32_t struct_bytes;
    const char *name;    /* "cpu" */
    const char *title;   /* "CPU (oneDNN 2.6.3)" */
    const char *version; /* part of every cache key: changes when kernels change */

    fr_status (*driver_open)(const fr_host *host, fr_driver **out_driver);
    void (*driver_close)(fr_driver *driver);
    /* Facts of device `index`; FR_INVALID past the last. */
    fr_status (*device_count)(fr_driver *driver, uint32_t *out_count);
    fr_status (*device_facts)(fr_driver *driver, uint32_t index, fr_device_facts *out_facts);
    fr_status (*device_open)(fr_driver *driver, uint32_t index, fr_device **out_device);
    void (*device_close)(fr_device *device);
    fr_status (*memory_use)(fr_device *device, fr_memory_use *out_use);

    /* threads: how many of the host's the queue may use inside one launch (CPU); 0 = all; others ignore it. */
    fr_status (*queue_open)(fr_device *device, uint32_t threads, fr_queue **out_queue);
    void (*queue_close)(fr_queue *queue);
    fr_status (*sync)(fr_queue *queue); /* late errors of everything launched before surface here */

    fr_status (*buffer_new)(fr_device *device, fr_buffer_kind kind, uint64_t bytes, fr_buffer **out_buffer);
    void (*buffer_free)(fr_buffer *buffer);
    /* Host address of a buffer that has one, else NULL. Optional entry. */
    void *(*buffer_map)(fr_buffer *buffer);
    /* Makes a buffer of 0 bytes a window on the caller's memory (FR_DEVICE_HOST_POINTERS). Optional entry. */
    fr_status (*buffer_point)(fr_buffer *buffer, void *host, uint64_t bytes);
    /* In queue order; the host memory must stay until sync. */
    fr_status (*write)(fr_queue *queue, fr_buffer *dst, uint64_t offset, const void *src, uint64_t bytes);
    fr_status (*read)(fr_queue *queue, const fr_buffer *src, uint64_t offset, void *dst, uint64_t bytes);

    /* Every way this device can run the step, best guess first, refused ones last with their reasons; cheap. Fills
     * at most `capacity`, and says how many there are. Layouts ANY in the step are free; fixed ones must hold. */
    fr_status (*candidates)(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                            uint32_t *out_count);
    /* The step with all layouts as the candidate has them. Programs own their copy of the weights. FR_UNSUPPORTED: not for
     * this step, and other steps may well be; a kernel that this driver cannot have at all is from then on refused by
     * candidates() with FR_WHY_DRIVER, and what has nothing for the step alone with another reason. */
    fr_status (*compile)(fr_device *device, const fr_step *step, const fr_candidate *candidate,
                         const fr_weights *weights, fr_program **out_program);
    void (*program_free)(fr_program *program);
    /* Returns at once where the device works on its own; a CPU may run it here and now. Allocates nothing. */
    fr_status (*launch)(fr_queue *queue, const fr_launch *launch);

    /* Many launches as one replayable submission. Optional: NULL = the engine launches one by one; so it does after
     * FR_UNSUPPORTED. Every replay runs the launches in turn as they were given, each with its own `valid`, and may begin
     * while an earlier one on the same queue still runs: they take their turns. Buffers and programs outlive the
     * bundle, and it is freed when no replay runs. buffer_point does not reach into it. */
    fr_status (*bundle_new)(fr_device *device, const fr_launch *launches, uint32_t count, fr_bundle **out_bundle);
    fr_status (*bundle_launch)(fr_queue *queue, fr_bundle *bundle);
    void (*bundle_free)(fr_bundle *bundle);

    fr_status (*event_new)(fr_device *device, fr_event **out_event);
    void (*event_free)(fr_event *event);
    fr_status (*record)(fr_queue *queue, fr_event *event);
    fr_status (*wait)(fr_event *event);
    fr_status (*elapsed)(fr_event *begin, fr_event *end, uint64_t *out_ns); /* both waited for */
} fr_backend;

typedef const fr_backend *(*fr_backend_entry_fn)(void);

/* ---- sums that every backend and the engine must do alike -------------------------------------------------- */

static inline int32_t fr_layout_block(uint16_t layout) {
    switch (layout) {
    case FR_LAYOUT_NCHW4C: return 4;
    case FR_LAYOUT_NCHW8C: return 8;
    case FR_LAYOUT_NCHW16C: return 16;
    case FR_LAYOUT_NCHW32C: return 32;
    default: return 1;
    }
}

static inline int32_t fr_layout_channels(uint16_t layout, int32_t c) { /* channels as stored */
    int32_t block = fr_layout_block(layout);
    return (c + block - 1) / block * block;
}

/* Elements of one input's maps as stored. Dims are checked at graph level, so this cannot overflow. */
static inline uint64_t fr_tensor_elements(const fr_tensor *t) {
    return (uint64_t)fr_layout_channels(t->layout, t->c) * (uint64_t)t->h * (uint64_t)t->w;
}

static inline uint64_t fr_tensor_bytes(const fr_tensor *t, int32_t n) {
    return (uint64_t)n * fr_tensor_elements(t) * fr_dtype_bytes((fr_dtype)t->dtype);
}

/* Place of (n, c, y, x) as stored, in elements. */
static inline uint64_t fr_tensor_index(const fr_tensor *t, int32_t n, int32_t c, int32_t y, int32_t x) {
    uint64_t hw = (uint64_t)t->h * (uint64_t)t->w, at = (uint64_t)y * (uint64_t)t->w + (uint64_t)x;
    uint64_t base = (uint64_t)n * fr_tensor_elements(t);
    switch (t->layout) {
    case FR_LAYOUT_NHWC:
    case FR_LAYOUT_USER_HWC: return base + at * (uint64_t)t->c + (uint64_t)c;
    case FR_LAYOUT_NCHW4C:
    case FR_LAYOUT_NCHW8C:
    case FR_LAYOUT_NCHW16C:
    case FR_LAYOUT_NCHW32C: {
        uint64_t block = (uint64_t)fr_layout_block(t->layout);
        return base + ((uint64_t)c / block * hw + at) * block + (uint64_t)c % block;
    }
    default: return base + (uint64_t)c * hw + at;
    }
}

/* The steps that read a step's sources and write its dst: the ends of a CHAIN, else the step itself. */
static inline const fr_step *fr_step_first(const fr_step *s) {
    return s->kind == FR_STEP_CHAIN ? &s->sub[0] : s;
}

static inline const fr_step *fr_step_last(const fr_step *s) {
    return s->kind == FR_STEP_CHAIN ? &s->sub[s->n_sub - 1] : s;
}

/* Dims of a CONV before its pool epilogue. */
static inline void fr_conv_map(const fr_step *s, int32_t *out_h, int32_t *out_w) {
    const fr_window *k = &s->win;
    *out_h = (s->src[0].h + k->pad_top + k->pad_bottom - (k->kh - 1) * k->dh - 1) / k->sh + 1;
    *out_w = (s->src[0].w + k->pad_left + k->pad_right - (k->kw - 1) * k->dw - 1) / k->sw + 1;
}

#ifdef __cplusplus
}
#endif
#endif
