/* Words that the public API and the backend table share. Plain C; no other header but stdint and stddef. */
#ifndef FOLDRUN_TYPES_H
#define FOLDRUN_TYPES_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) || defined(__clang__)
#define FR_MUST_CHECK        __attribute__((warn_unused_result))
#define FR_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define FR_EXPORT            __attribute__((visibility("default")))
#else
#define FR_MUST_CHECK
#define FR_PRINTF(fmt, args)
#define FR_EXPORT
#endif

/* What a call that can fail answers. The sentence behind it: fr_error_message(). */
typedef enum fr_status {
    FR_OK = 0,
    FR_INVALID = 1,     /* a bad file, or a caller's mistake */
    FR_UNSUPPORTED = 2, /* a legal request refused; the sentence says why */
    FR_UNAVAILABLE = 3, /* the environment lacks it; the sentence says what to do */
    FR_NO_MEMORY = 4,
    FR_IO = 5,
    FR_DEVICE_LOST = 6, /* the session is over; it can be opened again */
    FR_CANCELLED = 7,
    FR_INTERNAL = 8 /* our mistake */
} fr_status;

typedef enum fr_dtype {
    FR_DTYPE_NONE = 0,
    FR_F32 = 1,
    FR_F16 = 2,
    FR_BF16 = 3,
    FR_U8 = 4,
    FR_S8 = 5,
    FR_S32 = 6,
    FR_S64 = 7,
    FR_F64 = 8,
    FR_BOOL = 9
} fr_dtype;

/* What a device computes in. Also the bit number in fr_device_facts.precisions. */
typedef enum fr_precision {
    FR_PRECISION_F32 = 0,
    FR_PRECISION_F16 = 1,
    FR_PRECISION_BF16 = 2,
    FR_PRECISION_INT8 = 3,
    FR_PRECISION_F64 = 4,
    FR_PRECISION_TF32 = 5 /* stored as f32, products of numbers rounded to 10 bits, summed in f32 */
} fr_precision;
enum { FR_PRECISIONS = 6 };

typedef enum fr_device_kind {
    FR_DEVICE_CPU = 1,
    FR_DEVICE_GPU = 2,        /* its own memory */
    FR_DEVICE_INTEGRATED = 3, /* a GPU in the host's memory */
    FR_DEVICE_OTHER = 4
} fr_device_kind;

enum {
    FR_DEVICE_UNIFIED = 1,       /* buffers are host memory: no transfers */
    FR_DEVICE_HOST_POINTERS = 2, /* buffer_point works: user memory is read in place */
    FR_DEVICE_SOFTWARE = 4,      /* a GPU API on a CPU: never a default */
    FR_DEVICE_ORACLE = 8         /* exists to be right, not fast: never a default */
};

typedef struct fr_device_facts {
    uint32_t struct_bytes;
    uint32_t kind;       /* fr_device_kind */
    uint32_t flags;      /* FR_DEVICE_* */
    uint32_t units;      /* cores, compute units, SMs */
    uint32_t lanes;      /* independent in-order queues that together fill the device (CPU: cores; GPU: 1 or 2) */
    uint32_t precisions; /* bit (1u << fr_precision) */
    uint64_t memory_bytes;
    uint64_t cache_bytes[3]; /* L1 a unit, L2 a unit (0 = none), last level of the device */
    char name[128];
    char vendor[64];
    char driver[128];   /* name and version; part of every cache key */
    char uuid[48];      /* hex; PCI address where no uuid exists; empty when unknown */
    char features[256]; /* what is used of the hardware, in words: "avx512f avx512_vnni avx512_bf16" */
} fr_device_facts;

static inline size_t fr_dtype_bytes(fr_dtype dtype) {
    switch (dtype) {
    case FR_F64:
    case FR_S64: return 8;
    case FR_F32:
    case FR_S32: return 4;
    case FR_F16:
    case FR_BF16: return 2;
    case FR_U8:
    case FR_S8:
    case FR_BOOL: return 1;
    default: return 0;
    }
}

#ifdef __cplusplus
}
#endif
#endif
