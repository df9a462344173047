/*
 * oneDNN's C API as this backend uses it, the same over 2.x and 3.x. Where the two differ: memory descriptors are
 * structs in 2.x and handles in 3.x; operation descriptors went away in 3.x; output scales became scales of the
 * weights, given at execution, and the bias left the domain of the integer sums.
 */
#ifndef CPU_DNNL_SHIM_H
#define CPU_DNNL_SHIM_H

#include <dnnl.h>
#include <stdbool.h>

#include "foldrun/backend.h"

#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t cpu_md_ref;
#else
typedef const dnnl_memory_desc_t *cpu_md_ref;
#endif

typedef struct cpu_md {
    dnnl_memory_desc_t value;
    bool made;
} cpu_md;

/* oneDNN's answer as ours; "dnnl_x_create: unimplemented" is the sentence. */
fr_status cpu_dnnl_check(const fr_host *host, dnnl_status_t answer, const char *call) FR_MUST_CHECK;

fr_status cpu_md_make(const fr_host *host, int n_dims, const dnnl_dim_t *dims, dnnl_data_type_t type,
                      dnnl_format_tag_t tag, cpu_md *out_md) FR_MUST_CHECK;
void cpu_md_drop(cpu_md *md);
cpu_md_ref cpu_md_of(const cpu_md *md); /* NULL for one never made */
bool cpu_md_same(cpu_md_ref a, cpu_md_ref b);
size_t cpu_md_bytes(cpu_md_ref md);

dnnl_data_type_t cpu_dnnl_type(uint16_t dtype);  /* fr_dtype; undef for what oneDNN lacks */
dnnl_format_tag_t cpu_dnnl_tag(uint16_t layout); /* of n, c, h, w maps; undef for what oneDNN lacks */

enum { CPU_MAX_ELTWISE = 3 };

/* What follows the sums of a conv or inner product: scales, then the old dst times sum_scale, then eltwise in turn. */
typedef struct cpu_after {
    bool scaled;                  /* integer sums: one scale an output channel */
    int n_scales, scales_mask_v3; /* mask of the weights' dims that the scales run along */
    const float *scales;
    bool sum;
    float sum_scale;
    dnnl_data_type_t sum_type;
    int n_eltwise;
    struct {
        dnnl_alg_kind_t alg;
        float alpha, beta;
    } eltwise[CPU_MAX_ELTWISE];
} cpu_after;

/* The argument of execution that scales are (3.x, where the bias is not in the domain of the sums); 0 = they are not. */
int cpu_dnnl_late_scales(void);
/* Adds `act`; false when this oneDNN cannot say it exactly. `to_real` scales what follows: clip bounds and dst. */
bool cpu_after_act(cpu_after *after, uint16_t act, float a, float b, float unit);

typedef struct cpu_conv_desc {
    dnnl_alg_kind_t alg;
    cpu_md src, weights, bias, dst; /* bias never made = none */
    dnnl_dims_t strides, dilates, pad_l, pad_r;
    bool inner_product; /* then only the mds count */
} cpu_conv_desc;

void cpu_conv_desc_drop(cpu_conv_desc *desc);

/* Goes through the implementations that oneDNN has for a description, best first. */
typedef struct cpu_walk {
    dnnl_primitive_attr_t attr;
#if DNNL_VERSION_MAJOR < 3
    dnnl_primitive_desc_iterator_t iterator; /* reads the description as it goes */
    union {
        dnnl_convolution_desc_t conv;
        dnnl_inner_product_desc_t product;
    } * description;
    const fr_host *host;
#endif
    dnnl_primitive_desc_t pd;
} cpu_walk;

/* FR_OK and pd NULL: there is none. */
fr_status cpu_walk_begin(const fr_host *host, dnnl_engine_t engine, const cpu_conv_desc *desc, const cpu_after *after,
                         cpu_walk *out_walk) FR_MUST_CHECK;
void cpu_walk_next(cpu_walk *walk); /* pd is NULL past the last */
void cpu_walk_end(cpu_walk *walk);
dnnl_primitive_desc_t cpu_walk_take(cpu_walk *walk); /* the caller owns what is returned; the walk is over */

/*
 * Before 3.11.2 the f32 matrix product on x86 (jit_avx512_common_gemm_f32, jit_avx_gemm_f32) points the stack register at a
 * block of the heap as soon as its sums are long (in 2.6.3 from 85 products on, with AVX2 from 253). A signal handler that
 * runs then has its frame written over what the heap keeps below that block: uxlfoundation/oneDNN, issue 4845.
 */
bool cpu_dnnl_moves_stack(void);

const char *cpu_pd_name(const_dnnl_primitive_desc_t pd);
cpu_md_ref cpu_pd_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what);

fr_status cpu_reorder_pd(const fr_host *host, dnnl_engine_t engine, cpu_md_ref src, cpu_md_ref dst,
                         dnnl_primitive_desc_t *out_pd) FR_MUST_CHECK;
fr_status cpu_memory_make(const fr_host *host, dnnl_engine_t engine, cpu_md_ref md, void *at,
                          dnnl_memory_t *out_memory) FR_MUST_CHECK;

#endif
