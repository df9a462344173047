/*
 * What the compute backends (OpenCL, Vulkan, CUDA) share: for a step, which variants of which kernels can run it, how weights are
 * packed for them, and which dispatches with which numbers make up the answer. Pure: no driver is called, so all of it is
 * tested without a device. A backend turns a recipe into programs of its own API; the kernels of that API live in
 * shaders/opencl and shaders/vulkan under the same file and entry names. CUDA builds the texts of shaders/opencl too, behind a
 * prelude of its own; what only it has is in backends/cuda/kernels.
 *
 * A family (a .c file here, a kernel file in shaders) is a table of variants. One table feeds the candidates, the
 * conformance suite, the self-check and the bench.
 */
#ifndef FR_BACKENDS_GPU_GPU_H
#define FR_BACKENDS_GPU_GPU_H

#include <stdbool.h>

#include "foldrun/backend.h"

enum {
    GPU_MAX_BUFFERS = 6,    /* of one dispatch; the launch words are one offset each, then `valid` */
    GPU_MAX_DISPATCHES = 8, /* of one recipe */
    GPU_MAX_DEFINES = 24,
    GPU_PARAM_WORDS = 80
};

/* What recipes may know of a device. Filled by the backend. */
typedef struct gpu_traits {
    bool is_cpu;        /* work-items are threads with wide vectors: groups of one item, large register tiles */
    int32_t vec;        /* channels of the native block and lanes of its vectors: 4, 8 or 16 */
    uint32_t units;     /* compute units */
    uint32_t max_items; /* in a work-group */
    uint32_t subgroup;  /* 0 = unknown */
    uint64_t local_bytes;
    bool real_local;   /* local memory is a memory of its own, not a part of the global one */
    bool half_math;    /* cl_khr_fp16 / shaderFloat16 (halves can be stored without it) */
    bool dot8;         /* four s8 x u8/s8 products and their sum in one instruction */
    bool gemm_library; /* GPU_CALL_GEMM works */
    bool lockstep;     /* a group's items are lanes of one vector: groups of one item are not offered */
    int32_t max_vec;   /* lanes that a kernel's vectors may have: 16 in OpenCL C, 4 in GLSL */
    bool narrow;       /* numbers of 8 and 16 bits can be stored; else f32 alone (u8 images are read) */
    bool texels;       /* four numbers side by side can be read through a view (gpu_dispatch.texels) */
    bool spread;       /* items of a subgroup, `subgroup` of them, can take each other's numbers */
    bool matrix;       /* cooperative matrices: f16 factors 16x16 by 16x16, f32 sums, a subgroup each */
    bool glsl;         /* kernels are those of shaders/vulkan: their names, constants, arguments and limits */
    bool tf32;         /* steps of FR_PRECISION_TF32 are taken, by kernels of f32 too: these are more exact */
    bool bf16;         /* maps of bf16 can be stored; products and sums are then f32 (f16 likewise) */
    int32_t mma;       /* generation of the warp's matrix instructions (mma.cuh): 70, 75, 80, 90; 0 = none */
    uint64_t
        shared_bytes; /* what gpu_dispatch.shared_bytes may be: local memory of a group whose size is said at launch */
} gpu_traits;

typedef union gpu_word {
    int32_t i;
    float f;
} gpu_word;

typedef struct gpu_define { /* a constant of the build: #define NAME value */
    char name[24];
    int32_t value;
} gpu_define;

enum { /* where a dispatch's buffer comes from; sources are 0..FR_MAX_SRC-1 */
       GPU_DST = FR_MAX_SRC,
       GPU_SCRATCH,
       GPU_WEIGHT /* the recipe's packed bytes */
};

typedef struct gpu_bind {
    uint8_t role;
    uint8_t elem_bytes; /* what the kernel's pointer points to: the launch word is an offset in these */
    uint64_t at;        /* bytes into the role's memory; a multiple of elem_bytes */
} gpu_bind;

typedef enum gpu_call {
    GPU_CALL_KERNEL = 0,
    GPU_CALL_GEMM = 1 /* a library's: C = A * B, or a batch of them a fixed stride apart */
} gpu_call;

typedef struct
    gpu_gemm { /* row-major f32; buffers[0] = A, [1] = B, [2] = C; strides in elements, 0 = the same matrix */
    int32_t m, n, k, lda, ldb, ldc, batch;
    bool a_transposed, b_transposed;
    uint64_t a_stride, b_stride, c_stride;
} gpu_gemm;

/*
 * One kernel launch. The kernel's arguments, in order: the buffers, then its parameter struct by value (the words of
 * `params`, declared in shaders/params.h), then the launch words (uint8: .s0-.s5 = offset of each buffer in elements of the
 * pointer's type, .s6 = valid images of the launch).
 */
typedef struct gpu_dispatch {
    gpu_call call;
    const char *file, *kernel; /* "conv_direct", "conv_direct" */
    char *text;                /* of this step alone: comes right before the file; host->alloc; NULL = none */
    gpu_define defines[GPU_MAX_DEFINES];
    int32_t n_defines;
    gpu_bind buffers[GPU_MAX_BUFFERS];
    int32_t n_buffers;
    uint32_t texels; /* bit b: buffers[b] is read through a view of four f32 or f16 (elem_bytes 4 or 2) a texel; the
                        offset stays in elements, a multiple of four */
    gpu_word params[GPU_PARAM_WORDS];
    int32_t n_params;
    uint32_t shared_bytes;        /* of local memory beside what the kernel declares (traits.shared_bytes at most) */
    uint32_t groups[3], local[3]; /* work-groups, and items in each (the kernel sees them as LX, LY, LZ) */
    gpu_gemm gemm;
} gpu_dispatch;

typedef struct gpu_recipe {
    gpu_dispatch dispatches[GPU_MAX_DISPATCHES]; /* in order, each sees what the ones before wrote */
    int32_t n_dispatches;
    void *packed; /* host->alloc: weights, biases, tables, as the kernels read them; freed by gpu_recipe_free */
    uint64_t packed_bytes;
    uint64_t scratch_bytes; /* as the candidate said */
} gpu_recipe;

typedef struct gpu_variant gpu_variant;

/* A variant's answer on a step: candidate->refused, or layouts, scratch_bytes, granule and flags; *out_ns is a guess of
 * the time of one launch, only good to order candidates. Called after step_check(). Name and id are filled in already. */
typedef void (*gpu_fit_fn)(const gpu_traits *traits, const fr_step *step, const gpu_variant *variant,
                           fr_candidate *candidate, double *out_ns);
/* The step with all layouts fixed as its candidate has them. */
typedef fr_status (*gpu_make_fn)(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                                 const gpu_variant *variant, const fr_weights *weights, gpu_recipe *out_recipe);

struct gpu_variant {
    const char *name; /* "wino4.v16.t12": stable; the backend's prefix and the step's precision are added around it */
    uint32_t kinds;   /* GPU_KIND(FR_STEP_CONV) | ...: others are never asked */
    gpu_fit_fn fit;
    gpu_make_fn make;
    uint16_t layout; /* of the family's choice, 0 = any */
    int16_t vec;     /* lanes of its vectors; 1 = scalar */
    int16_t tile[6]; /* the family's own */
};

#define GPU_KIND(kind) (1u << (kind))

typedef struct gpu_family {
    const gpu_variant *variants;
    int32_t n_variants;
} gpu_family;

/* table.c: every family */
extern const gpu_family *const gpu_families[];
extern const int32_t gpu_n_families;

/* ---- candidates.c: the entries of the backend table, for any API ------------------------------------------------ */

/* As fr_backend.candidates: best guess first, refused ones last. `prefix` is "ocl" or "vk". `is_bad` (may be NULL) drops what
 * failed on this driver before: FR_WHY_SELFCHECK or FR_WHY_DRIVER. */
typedef fr_reason (*gpu_verdict_fn)(void *user, const char *name);
fr_status gpu_candidates(const gpu_traits *traits, const char *prefix, const fr_step *step, gpu_verdict_fn is_bad,
                         void *user, fr_candidate *out, uint32_t capacity, uint32_t *out_count);

/* Candidates that are no variant's: what an API has beside recipes. They are named, ordered and refused as variants are. */
typedef struct gpu_others {
    int32_t count;
    void *user;
    /* "dnn.nhwc"; *out_kinds: as gpu_variant.kinds */
    const char *(*name)(void *user, int32_t index, uint32_t *out_kinds);
    /* As gpu_fit_fn. */
    void (*fit)(void *user, int32_t index, const fr_step *step, fr_candidate *candidate, double *out_ns);
} gpu_others;
#define GPU_OTHERS 0x80000000u /* the id of others[0] */
fr_status gpu_candidates_and(const gpu_traits *traits, const char *prefix, const fr_step *step, gpu_verdict_fn is_bad,
                             void *user, const gpu_others *others, fr_candidate *out, uint32_t capacity,
                             uint32_t *out_count);

/* FR_INVALID unless the step's layouts are those of the candidate, which is not refused. */
fr_status gpu_check_layouts(const fr_host *host, const fr_step *step, const fr_candidate *candidate) FR_MUST_CHECK;
/* By candidate->id. Checks that the step's layouts are the candidate's. */
fr_status gpu_recipe_make(const fr_host *host, const gpu_traits *traits, const fr_step *step,
                          const fr_candidate *candidate, const fr_weights *weights,
                          gpu_recipe *out_recipe) FR_MUST_CHECK;
void gpu_recipe_free(const fr_host *host, gpu_recipe *recipe); /* takes one half made */

/* ---- recipe.c: what families build with --------------------------------------------------------------------------- */

gpu_dispatch *gpu_add(gpu_recipe *recipe, const char *file, const char *kernel); /* NULL when there are too many */
void gpu_define_int(gpu_dispatch *d, const char *name, int32_t value);
void gpu_bind_buffer(gpu_dispatch *d, int32_t role, uint64_t at, uint32_t elem_bytes);
void gpu_param(gpu_dispatch *d, int32_t value); /* in the order of the kernel's struct */
void gpu_param_f(gpu_dispatch *d, float value);
/* Sizes: gx * gy * gz groups of lx * ly * lz items. */
void gpu_grid(gpu_dispatch *d, uint32_t gx, uint32_t gy, uint32_t gz, uint32_t lx, uint32_t ly, uint32_t lz);
/* act, act_a, act_b: three params, in this order (ACT_PARAMS of shaders/params.h). */
void gpu_param_act(gpu_dispatch *d, const fr_step *step);
/* How a tensor lies: five strides in elements and the block: index = n*sn + c/block*sb + c%block*sc + y*sy + x*sx
 * (STRIDE_PARAMS(name): six words; MAP_AT of prelude.cl reads them). */
void gpu_param_strides(gpu_dispatch *d, const fr_tensor *tensor);
void gpu_param_window(gpu_dispatch *d, const fr_window *window); /* WINDOW_PARAMS: kh kw sh sw dh dw pad_top pad_left */

/* A layout asked for in a step is ANY or this one. */
static inline bool gpu_layout_fits(uint16_t asked, uint16_t layout) {
    return asked == FR_LAYOUT_ANY || asked == layout;
}
uint16_t gpu_block_layout(int32_t vec); /* 4 -> NCHW4C, 8 -> NCHW8C, 16 -> NCHW16C, 32 -> NCHW32C, 1 -> NCHW */
/* What kernels that multiply and add in f32 serve: they keep more than is asked for. */
static inline bool gpu_sums_floats(uint16_t compute) {
    return compute == FR_PRECISION_F32 || compute == FR_PRECISION_F16 || compute == FR_PRECISION_BF16 ||
           compute == FR_PRECISION_TF32;
}
static inline int32_t gpu_ceil_div(int32_t a, int32_t b) {
    return (a + b - 1) / b;
}
static inline int32_t gpu_round_up(int32_t a, int32_t b) {
    return gpu_ceil_div(a, b) * b;
}

fr_status gpu_pack_new(const fr_host *host, gpu_recipe *recipe,
                       uint64_t bytes) FR_MUST_CHECK; /* zeroed; recipe->packed */
/* Stores value as dtype (F32, F16, S8, S32...) at element index of packed + at. */
void gpu_pack_put(gpu_recipe *recipe, uint64_t at, uint16_t dtype, uint64_t index, float value);

/* Nanoseconds of `flops` operations and `bytes` of traffic on a device of these traits; efficiency 0..1. A guess. */
double gpu_guess_ns(const gpu_traits *traits, double flops, double bytes, double efficiency);

/* Another item of facts->features, after a comma. */
void gpu_add_feature(fr_device_facts *facts, const char *fmt, ...) FR_PRINTF(2, 3);

/* pool.c: the pool of a CONV's epilogue as a dispatch of its own, for variants that leave the unpooled map (of the step's
 * own output dims, layout and dtype given by `map`) in scratch at byte `at`. */
fr_status gpu_add_pool(gpu_recipe *recipe, const gpu_traits *traits, const fr_step *step, const fr_tensor *map,
                       uint64_t at) FR_MUST_CHECK;

#endif
