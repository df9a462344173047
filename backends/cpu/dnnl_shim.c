#include "dnnl_shim.h"

#include <string.h>

#include "common/host_device.h"

#define CPU_DNNL_3 (DNNL_VERSION_MAJOR >= 3)

fr_status cpu_dnnl_check(const fr_host *host, dnnl_status_t answer, const char *call) {
    switch (answer) {
    case dnnl_success: return FR_OK;
    case dnnl_out_of_memory: return host_fail(host, FR_NO_MEMORY, "%s: oneDNN is out of memory", call);
    case dnnl_unimplemented: return host_fail(host, FR_UNSUPPORTED, "%s: oneDNN has no implementation of this", call);
    case dnnl_invalid_arguments: return host_fail(host, FR_INTERNAL, "%s: oneDNN calls the arguments invalid", call);
    default: return host_fail(host, FR_INTERNAL, "%s: oneDNN answers with status %d", call, (int)answer);
    }
}

/* ---- memory descriptors --------------------------------------------------------------------------------- */

fr_status cpu_md_make(const fr_host *host, int n_dims, const dnnl_dim_t *dims, dnnl_data_type_t type,
                      dnnl_format_tag_t tag, cpu_md *out_md) {
    memset(out_md, 0, sizeof *out_md);
    dnnl_dims_t all = {0};
    for (int i = 0; i < n_dims; i++)
        all[i] = dims[i];
#if CPU_DNNL_3
    HOST_TRY(cpu_dnnl_check(host, dnnl_memory_desc_create_with_tag(&out_md->value, n_dims, all, type, tag),
                            "dnnl_memory_desc_create_with_tag"));
#else
    HOST_TRY(cpu_dnnl_check(host, dnnl_memory_desc_init_by_tag(&out_md->value, n_dims, all, type, tag),
                            "dnnl_memory_desc_init_by_tag"));
#endif
    out_md->made = true;
    return FR_OK;
}

void cpu_md_drop(cpu_md *md) {
#if CPU_DNNL_3
    if (md->made)
        dnnl_memory_desc_destroy(md->value);
#endif
    md->made = false;
}

cpu_md_ref cpu_md_of(const cpu_md *md) {
    if (!md->made)
        return NULL;
#if CPU_DNNL_3
    return md->value;
#else
    return &md->value;
#endif
}

bool cpu_md_same(cpu_md_ref a, cpu_md_ref b) {
    return dnnl_memory_desc_equal(a, b) != 0;
}

size_t cpu_md_bytes(cpu_md_ref md) {
    return md == NULL ? 0 : dnnl_memory_desc_get_size(md);
}

dnnl_data_type_t cpu_dnnl_type(uint16_t dtype) {
    switch (dtype) {
    case FR_F32: return dnnl_f32;
    case FR_BF16: return dnnl_bf16;
    case FR_U8: return dnnl_u8;
    case FR_S8: return dnnl_s8;
    default: return dnnl_data_type_undef;
    }
}

dnnl_format_tag_t cpu_dnnl_tag(uint16_t layout) {
    switch (layout) {
    case FR_LAYOUT_NCHW: return dnnl_nchw;
    case FR_LAYOUT_NHWC: return dnnl_nhwc;
    case FR_LAYOUT_NCHW4C: return dnnl_nChw4c;
    case FR_LAYOUT_NCHW8C: return dnnl_nChw8c;
    case FR_LAYOUT_NCHW16C: return dnnl_nChw16c;
    case FR_LAYOUT_NCHW32C: return dnnl_nChw32c;
    default: return dnnl_format_tag_undef;
    }
}

/* ---- attributes ------------------------------------------------------------------------------------------- */

#if CPU_DNNL_3
int cpu_dnnl_late_scales(void) {
    return DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS;
}
#else
int cpu_dnnl_late_scales(void) {
    return 0;
}
#endif

static bool add_eltwise(cpu_after *after, dnnl_alg_kind_t alg, float alpha, float beta) {
    if (after->n_eltwise == CPU_MAX_ELTWISE)
        return false;
    after->eltwise[after->n_eltwise].alg = alg;
    after->eltwise[after->n_eltwise].alpha = alpha;
    after->eltwise[after->n_eltwise].beta = beta;
    after->n_eltwise++;
    return true;
}

bool cpu_after_act(cpu_after *after, uint16_t act, float a, float b, float unit) {
    switch (act) {
    case FR_ACT_NONE: return true;
    case FR_ACT_RELU: return add_eltwise(after, dnnl_eltwise_relu, 0.0f, 0.0f);
    case FR_ACT_LEAKY: return add_eltwise(after, dnnl_eltwise_relu, a, 0.0f);
    case FR_ACT_CLIP: return add_eltwise(after, dnnl_eltwise_clip, a / unit, b / unit);
    case FR_ACT_HARDSIGMOID:
        return add_eltwise(after, dnnl_eltwise_linear, a / unit, b / unit) &&
               add_eltwise(after, dnnl_eltwise_clip, 0.0f, 1.0f / unit);
    default: break;
    }
    /* these see real numbers, and the unit of dst follows */
    bool said;
    switch (act) {
    case FR_ACT_SIGMOID: said = add_eltwise(after, dnnl_eltwise_logistic, 0.0f, 0.0f); break;
    case FR_ACT_TANH: said = add_eltwise(after, dnnl_eltwise_tanh, 0.0f, 0.0f); break;
    case FR_ACT_HARDSWISH:
        said = add_eltwise(after, dnnl_eltwise_hardswish, 1.0f / 6.0f, 0.5f);
        break; /* 2.x has these constants built in */
    default: return false;
    }
    return said && (unit == 1.0f || add_eltwise(after, dnnl_eltwise_linear, 1.0f / unit, 0.0f));
}

static dnnl_status_t attr_fill(dnnl_primitive_attr_t attr, dnnl_post_ops_t ops, const cpu_after *after) {
    dnnl_status_t answer = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (answer == dnnl_success && after->scaled)
#if CPU_DNNL_3
        answer = dnnl_primitive_attr_set_scales_mask(attr, DNNL_ARG_WEIGHTS,
                                                     after->n_scales > 1 ? after->scales_mask_v3 : 0);
#else
        answer = dnnl_primitive_attr_set_output_scales(attr, after->n_scales, after->n_scales > 1 ? 1 << 1 : 0,
                                                       after->scales);
#endif
    if (answer == dnnl_success && after->sum)
#if CPU_DNNL_3
        answer = dnnl_post_ops_append_sum(ops, after->sum_scale, 0, after->sum_type);
#else
        answer = dnnl_post_ops_append_sum_v2(ops, after->sum_scale, after->sum_type);
#endif
    for (int i = 0; i < after->n_eltwise && answer == dnnl_success; i++)
#if CPU_DNNL_3
        answer =
            dnnl_post_ops_append_eltwise(ops, after->eltwise[i].alg, after->eltwise[i].alpha, after->eltwise[i].beta);
#else
        answer = dnnl_post_ops_append_eltwise(ops, 1.0f, after->eltwise[i].alg, after->eltwise[i].alpha,
                                              after->eltwise[i].beta);
#endif
    return answer == dnnl_success ? dnnl_primitive_attr_set_post_ops(attr, ops) : answer;
}

static dnnl_status_t attr_make(const cpu_after *after, dnnl_primitive_attr_t *out_attr) {
    dnnl_post_ops_t ops = NULL;
    *out_attr = NULL;
    dnnl_status_t answer = dnnl_primitive_attr_create(out_attr);
    if (answer != dnnl_success)
        return answer;
    answer = dnnl_post_ops_create(&ops);
    if (answer == dnnl_success) {
        answer = attr_fill(*out_attr, ops, after);
        dnnl_post_ops_destroy(ops);
    }
    return answer;
}

/* ---- implementations ---------------------------------------------------------------------------------------- */

void cpu_conv_desc_drop(cpu_conv_desc *desc) {
    cpu_md_drop(&desc->src);
    cpu_md_drop(&desc->weights);
    cpu_md_drop(&desc->bias);
    cpu_md_drop(&desc->dst);
}

#if CPU_DNNL_3
static dnnl_status_t first_pd(dnnl_engine_t engine, const cpu_conv_desc *d, cpu_walk *walk) {
    if (d->inner_product)
        return dnnl_inner_product_forward_primitive_desc_create(&walk->pd, engine, dnnl_forward_inference,
                                                                cpu_md_of(&d->src), cpu_md_of(&d->weights),
                                                                cpu_md_of(&d->bias), cpu_md_of(&d->dst), walk->attr);
    return dnnl_convolution_forward_primitive_desc_create(
        &walk->pd, engine, dnnl_forward_inference, d->alg, cpu_md_of(&d->src), cpu_md_of(&d->weights),
        cpu_md_of(&d->bias), cpu_md_of(&d->dst), d->strides, d->dilates, d->pad_l, d->pad_r, walk->attr);
}
#else
static dnnl_status_t first_pd(dnnl_engine_t engine, const cpu_conv_desc *d, cpu_walk *walk) {
    dnnl_status_t answer;
    walk->description = walk->host->alloc(sizeof *walk->description, 0);
    if (walk->description == NULL)
        return dnnl_out_of_memory;
    if (d->inner_product)
        answer = dnnl_inner_product_forward_desc_init(&walk->description->product, dnnl_forward_inference,
                                                      cpu_md_of(&d->src), cpu_md_of(&d->weights), cpu_md_of(&d->bias),
                                                      cpu_md_of(&d->dst));
    else
        answer = dnnl_dilated_convolution_forward_desc_init(
            &walk->description->conv, dnnl_forward_inference, d->alg, cpu_md_of(&d->src), cpu_md_of(&d->weights),
            cpu_md_of(&d->bias), cpu_md_of(&d->dst), d->strides, d->dilates, d->pad_l, d->pad_r);
    if (answer == dnnl_success)
        answer = dnnl_primitive_desc_iterator_create(&walk->iterator, walk->description, walk->attr, engine, NULL);
    if (answer == dnnl_success) {
        walk->pd = dnnl_primitive_desc_iterator_fetch(walk->iterator);
        answer = walk->pd == NULL ? dnnl_unimplemented : dnnl_success;
    }
    return answer;
}
#endif

fr_status cpu_walk_begin(const fr_host *host, dnnl_engine_t engine, const cpu_conv_desc *desc, const cpu_after *after,
                         cpu_walk *out_walk) {
    memset(out_walk, 0, sizeof *out_walk);
#if !CPU_DNNL_3
    out_walk->host = host;
#endif
    dnnl_status_t answer = attr_make(after, &out_walk->attr);
    if (answer == dnnl_success)
        answer = first_pd(engine, desc, out_walk);
    if (answer == dnnl_success)
        return FR_OK;
    cpu_walk_end(out_walk);
    /* 3.x calls some combinations invalid that 2.x calls unimplemented */
    return answer == dnnl_out_of_memory ? cpu_dnnl_check(host, answer, "primitive descriptor") : FR_OK;
}

void cpu_walk_next(cpu_walk *walk) {
    if (walk->pd == NULL)
        return;
#if CPU_DNNL_3
    if (dnnl_primitive_desc_next_impl(walk->pd) == dnnl_success)
        return;
    dnnl_primitive_desc_destroy(walk->pd);
    walk->pd = NULL;
#else
    dnnl_primitive_desc_destroy(walk->pd);
    walk->pd = NULL;
    if (dnnl_primitive_desc_iterator_next(walk->iterator) == dnnl_success)
        walk->pd = dnnl_primitive_desc_iterator_fetch(walk->iterator);
#endif
}

void cpu_walk_end(cpu_walk *walk) {
    if (walk->pd != NULL)
        dnnl_primitive_desc_destroy(walk->pd);
#if !CPU_DNNL_3
    if (walk->iterator != NULL)
        dnnl_primitive_desc_iterator_destroy(walk->iterator);
    if (walk->description != NULL)
        walk->host->free(walk->description);
#endif
    if (walk->attr != NULL)
        dnnl_primitive_attr_destroy(walk->attr);
    memset(walk, 0, sizeof *walk);
}

dnnl_primitive_desc_t cpu_walk_take(cpu_walk *walk) {
    dnnl_primitive_desc_t pd = walk->pd;
    walk->pd = NULL;
    cpu_walk_end(walk);
    return pd;
}

bool cpu_dnnl_moves_stack(void) {
#if defined(__x86_64__)
    const dnnl_version_t *v = dnnl_version();
    return v->major < 3 || (v->major == 3 && (v->minor < 11 || (v->minor == 11 && v->patch < 2)));
#else
    return false;
#endif
}

const char *cpu_pd_name(const_dnnl_primitive_desc_t pd) {
    const char *name = NULL;
    return dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name) == dnnl_success && name != NULL ? name
                                                                                                             : "";
}

cpu_md_ref cpu_pd_md(const_dnnl_primitive_desc_t pd, dnnl_query_t what) {
    return dnnl_primitive_desc_query_md(pd, what, 0);
}

fr_status cpu_reorder_pd(const fr_host *host, dnnl_engine_t engine, cpu_md_ref src, cpu_md_ref dst,
                         dnnl_primitive_desc_t *out_pd) {
    *out_pd = NULL;
    cpu_after plain = {0};
    dnnl_primitive_attr_t attr = NULL;
    dnnl_status_t answer = attr_make(&plain, &attr);
    if (answer == dnnl_success)
        answer = dnnl_reorder_primitive_desc_create(out_pd, src, engine, dst, engine, attr);
    if (attr != NULL)
        dnnl_primitive_attr_destroy(attr);
    return cpu_dnnl_check(host, answer, "dnnl_reorder_primitive_desc_create");
}

fr_status cpu_memory_make(const fr_host *host, dnnl_engine_t engine, cpu_md_ref md, void *at,
                          dnnl_memory_t *out_memory) {
    *out_memory = NULL;
    return cpu_dnnl_check(host, dnnl_memory_create(out_memory, md, engine, at), "dnnl_memory_create");
}
