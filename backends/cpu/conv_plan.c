/* From a step to what oneDNN is asked. */
#include <string.h>

#include "conv.h"

static uint64_t round_up_64(uint64_t bytes) {
    return (bytes + 63) / 64 * 64;
}

uint32_t cpu_conv_choice_id(const cpu_conv_choice *choice) {
    return (uint32_t)choice->src | (uint32_t)choice->dst << 8 | (uint32_t)choice->way << 16;
}

cpu_conv_choice cpu_conv_choice_of(uint32_t id) {
    return (cpu_conv_choice){(uint16_t)(id & 0xff), (uint16_t)(id >> 8 & 0xff), (cpu_conv_way)(id >> 16 & 0xff)};
}

uint64_t cpu_conv_scratch(const cpu_conv_plan *plan) {
    return plan->in_bytes + plan->out_bytes + plan->own_bytes;
}

static bool is_byte(uint16_t dtype) {
    return dtype == FR_U8 || dtype == FR_S8;
}

/* ---- dtypes -------------------------------------------------------------------------------------------------- */

static fr_reason plan_in(const fr_step *step, cpu_conv_plan *plan) {
    const cpu_own *own = cpu_own_of(plan->way);
    plan->in = step->src[0];
    if (own != NULL) {
        bool reads = plan->in.dtype == FR_F32 || (own->reads != NULL && own->reads(step, plan->in.dtype));
        plan->stage_in = !reads;
        plan->in.dtype = reads ? plan->in.dtype : FR_F32;
        plan->in.scale = reads ? plan->in.scale : 0.0f;
        return FR_WHY_NOT;
    }
    if (step->compute == FR_PRECISION_INT8)
        return is_byte(plan->in.dtype) ? FR_WHY_NOT : FR_WHY_DTYPE;
    uint16_t wanted = step->compute == FR_PRECISION_BF16 ? FR_BF16 : FR_F32;
    plan->stage_in = plan->in.dtype != wanted;
    plan->in.dtype = wanted;
    return FR_WHY_NOT;
}

/* out is dst's dtype where rounding there and then is the same as rounding at the end: max commutes with it, avg does
 * not; the residual must be readable as out, which it is written over. */
static void plan_out(const fr_step *step, cpu_conv_plan *plan) {
    const cpu_own *own = cpu_own_of(plan->way);
    plan->out = step->dst;
    plan->pools = own != NULL && step->pool != FR_POOL_NONE && own->pools != NULL && own->pools(step);
    if (!plan->pools)
        fr_conv_map(step, &plan->out.h, &plan->out.w);
    uint16_t dtype = step->dst.dtype;
    bool onednn_writes = (dtype == FR_BF16 && step->compute == FR_PRECISION_BF16) ||
                         (is_byte(dtype) && step->compute == FR_PRECISION_INT8);
    bool own_writes = own != NULL && own->writes != NULL && own->writes(step, dtype);
    bool writes = dtype == FR_F32 || (own != NULL ? own_writes : onednn_writes);
    bool early = plan->pools || step->pool == FR_POOL_NONE || step->pool == FR_POOL_MAX;
    bool reads = own != NULL || !step->residual || step->src[1].dtype == dtype ||
                 (is_byte(step->src[1].dtype) && is_byte(dtype));
    if (!writes || !early || !reads) {
        plan->out.dtype = FR_F32;
        plan->out.scale = 0.0f;
    }
    plan->stage_out = (step->pool != FR_POOL_NONE && !plan->pools) || plan->out.dtype != dtype;
    plan->unit = is_byte(plan->out.dtype) ? plan->out.scale : 1.0f;
    plan->scales_unit = cpu_act_scales(step->act);
}

/* ---- sub-batches ------------------------------------------------------------------------------------------------ */

/* The largest divisor of n whose staged maps fill no more than half of the second cache of the threads at work. */
static int32_t plan_inner(const fr_device *device, const fr_step *step, const cpu_conv_plan *plan, uint32_t threads) {
    if (!plan->stage_in && !plan->stage_out)
        return step->n;
    uint64_t cache = device->isa.cache_bytes[1] > 0 ? device->isa.cache_bytes[1] : 256 * 1024;
    uint64_t room = cache / 2 * threads;
    uint64_t image =
        (plan->stage_in ? fr_tensor_bytes(&plan->in, 1) : 0) + (plan->stage_out ? fr_tensor_bytes(&plan->out, 1) : 0);
    for (int32_t inner = step->n; inner > 1; inner--)
        if (step->n % inner == 0 && (uint64_t)inner * image <= room)
            return inner;
    return 1;
}

fr_reason cpu_conv_plan_make(const fr_device *device, const fr_step *step, const cpu_conv_choice *choice,
                             uint32_t threads, cpu_conv_plan *out_plan) {
    memset(out_plan, 0, sizeof *out_plan);
    out_plan->way = choice->way;
    fr_step product;
    bool is_product = step->kind == FR_STEP_FC;
    if (is_product) {
        product = cpu_fc_as_product(step, choice->src);
        step = &product;
    }
    fr_reason why = plan_in(step, out_plan);
    if (why != FR_WHY_NOT)
        return why;
    plan_out(step, out_plan);
    out_plan->in.layout = is_product ? FR_LAYOUT_NCHW : choice->src;
    out_plan->out.layout = is_product ? FR_LAYOUT_NCHW : choice->dst;
    out_plan->inner = plan_inner(device, step, out_plan, threads);
    out_plan->in_bytes = out_plan->stage_in ? round_up_64(fr_tensor_bytes(&out_plan->in, out_plan->inner)) : 0;
    out_plan->out_bytes = out_plan->stage_out ? round_up_64(fr_tensor_bytes(&out_plan->out, out_plan->inner)) : 0;
    if (cpu_own_of(choice->way) == NULL)
        return FR_WHY_NOT;
    cpu_own_use use;
    why = cpu_own_plan(device, step, out_plan, threads, &use);
    if (why == FR_WHY_NOT)
        out_plan->own_bytes = cpu_own_scratch(&use);
    return why;
}

/* ---- the question to oneDNN ---------------------------------------------------------------------------------------- */

static fr_status describe_product(fr_device *device, const fr_step *step, const cpu_conv_plan *plan,
                                  cpu_conv_desc *desc) {
    const fr_host *host = device->base.host;
    const fr_tensor *in = &plan->in, *out = &plan->out;
    memset(desc, 0, sizeof *desc);
    desc->inner_product = true;
    dnnl_dim_t src[2] = {plan->inner, in->c}, dst[2] = {plan->inner, out->c}, matrix[2] = {out->c, in->c},
               bias[1] = {out->c};
    dnnl_data_type_t weights = step->compute == FR_PRECISION_INT8 ? dnnl_s8 : cpu_dnnl_type(in->dtype);
    HOST_TRY(cpu_md_make(host, 2, src, cpu_dnnl_type(in->dtype), dnnl_ab, &desc->src));
    HOST_TRY(cpu_md_make(host, 2, dst, cpu_dnnl_type(out->dtype), dnnl_ab, &desc->dst));
    HOST_TRY(cpu_md_make(host, 2, matrix, weights, dnnl_format_tag_any, &desc->weights));
    return step->has_bias ? cpu_md_make(host, 1, bias, dnnl_f32, dnnl_x, &desc->bias) : FR_OK;
}

static fr_status describe(fr_device *device, const fr_step *step, const cpu_conv_plan *plan, cpu_conv_desc *desc) {
    const fr_host *host = device->base.host;
    const fr_window *win = &step->win;
    const fr_tensor *in = &plan->in, *out = &plan->out;
    memset(desc, 0, sizeof *desc);
    desc->alg = plan->way == CPU_WAY_WINOGRAD ? dnnl_convolution_winograd : dnnl_convolution_direct;
    desc->strides[0] = win->sh, desc->strides[1] = win->sw;
    desc->dilates[0] = win->dh - 1, desc->dilates[1] = win->dw - 1;
    desc->pad_l[0] = win->pad_top, desc->pad_l[1] = win->pad_left;
    desc->pad_r[0] = win->pad_bottom, desc->pad_r[1] = win->pad_right;
    dnnl_dim_t src[4] = {plan->inner, in->c, in->h, in->w}, dst[4] = {plan->inner, out->c, out->h, out->w};
    dnnl_dim_t grouped[5] = {step->groups, out->c / step->groups, in->c / step->groups, win->kh, win->kw};
    dnnl_dim_t plain[4] = {out->c, in->c, win->kh, win->kw}, bias[1] = {out->c};
    dnnl_data_type_t weights = step->compute == FR_PRECISION_INT8 ? dnnl_s8 : cpu_dnnl_type(in->dtype);
    HOST_TRY(cpu_md_make(host, 4, src, cpu_dnnl_type(in->dtype), cpu_dnnl_tag(in->layout), &desc->src));
    HOST_TRY(cpu_md_make(host, 4, dst, cpu_dnnl_type(out->dtype), cpu_dnnl_tag(out->layout), &desc->dst));
    HOST_TRY(cpu_md_make(host, step->groups > 1 ? 5 : 4, step->groups > 1 ? grouped : plain, weights,
                         dnnl_format_tag_any, &desc->weights));
    return step->has_bias ? cpu_md_make(host, 1, bias, dnnl_f32, dnnl_x, &desc->bias) : FR_OK;
}

fr_status cpu_conv_walk(fr_device *device, const fr_step *step, const cpu_conv_plan *plan, const float *scales,
                        cpu_walk *out_walk) {
    memset(out_walk, 0, sizeof *out_walk);
    cpu_after after = {.sum = step->residual, .sum_scale = 1.0f, .sum_type = dnnl_data_type_undef};
    if (step->residual && is_byte(plan->out.dtype)) {
        if (step->src[1].dtype != plan->out.dtype) /* some implementations refuse a type that is said twice */
            after.sum_type = cpu_dnnl_type(step->src[1].dtype);
        after.sum_scale = plan->scales_unit ? step->src[1].scale / plan->unit : step->src[1].scale;
    }
    if (step->compute == FR_PRECISION_INT8) {
        after.scaled = true;
        after.scales = scales;
        after.n_scales = step->dst.c;
        after.scales_mask_v3 = step->kind == FR_STEP_CONV && step->groups > 1 ? 3 : 1;
    }
    if (!cpu_after_act(&after, step->act, step->act_a, step->act_b, plan->unit))
        return FR_OK;
    cpu_conv_desc desc;
    fr_status status =
        step->kind == FR_STEP_FC ? describe_product(device, step, plan, &desc) : describe(device, step, plan, &desc);
    if (status == FR_OK)
        status = cpu_walk_begin(device->base.host, device->engine, &desc, &after, out_walk);
    cpu_conv_desc_drop(&desc);
    return status;
}

cpu_conv_way cpu_conv_way_of(const char *implementation) {
    static const struct {
        const char *part;
        cpu_conv_way way;
    } parts[] = {
        {"ip:", CPU_WAY_NONE},  {"ref", CPU_WAY_REF}, {"wino", CPU_WAY_WINOGRAD}, {"brg", CPU_WAY_BRGEMM},
        {"gemm", CPU_WAY_GEMM}, {"1x1", CPU_WAY_1X1}, {"dw", CPU_WAY_DEPTHWISE},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (strstr(implementation, parts[i].part) != NULL)
            return parts[i].way;
    return CPU_WAY_DIRECT;
}

bool cpu_conv_walk_to(cpu_walk *walk, cpu_conv_way way) {
    while (walk->pd != NULL && cpu_conv_way_of(cpu_pd_name(walk->pd)) != way)
        cpu_walk_next(walk);
    return walk->pd != NULL;
}
