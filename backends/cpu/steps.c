/* Which file knows which step; what all of them share. */
#include "steps.h"

#include "common/step_check.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const cpu_kind *kind_of(uint16_t kind) {
    static const cpu_kind *const kinds[] = {
        [FR_STEP_INGEST] = &cpu_kind_ingest,   [FR_STEP_EMIT] = &cpu_kind_emit,
        [FR_STEP_CONV] = &cpu_kind_conv,       [FR_STEP_FC] = &cpu_kind_fc,
        [FR_STEP_POOL] = &cpu_kind_pool,       [FR_STEP_BINARY] = &cpu_kind_binary,
        [FR_STEP_UNARY] = &cpu_kind_unary,     [FR_STEP_CONCAT] = &cpu_kind_concat,
        [FR_STEP_LRN] = &cpu_kind_lrn,         [FR_STEP_SOFTMAX] = &cpu_kind_softmax,
        [FR_STEP_REORDER] = &cpu_kind_reorder, [FR_STEP_PAD] = &cpu_kind_pad,
        [FR_STEP_ARGMAX] = &cpu_kind_argmax,
    };
    return kind < sizeof kinds / sizeof kinds[0] ? kinds[kind] : NULL;
}

/* ---- offers --------------------------------------------------------------------------------------------------- */

fr_candidate *cpu_offer(cpu_offers *offers, const char *fmt, ...) {
    static _Thread_local fr_candidate beyond; /* counted, not kept */
    fr_candidate *c = offers->count < offers->capacity ? &offers->out[offers->count] : &beyond;
    offers->count++;
    offers->good++;
    memset(c, 0, sizeof *c);
    c->struct_bytes = sizeof *c;
    va_list args;
    va_start(args, fmt);
    vsnprintf(c->name, sizeof c->name, fmt, args);
    va_end(args);
    return c;
}

void cpu_refuse(cpu_offers *offers, fr_reason reason, const char *fmt, ...) {
    char name[48];
    va_list args;
    va_start(args, fmt);
    vsnprintf(name, sizeof name, fmt, args);
    va_end(args);
    cpu_offer(offers, "%s", name)->refused = (uint16_t)reason;
    offers->good--;
}

bool cpu_layout_fits(const fr_tensor *asked, uint16_t layout) {
    return asked->layout == FR_LAYOUT_ANY || asked->layout == layout;
}

const char *cpu_layout_word(uint16_t layout) {
    static const char *const words[] = {"any", "nchw", "nhwc", "n4c", "n8c", "n16c", "n32c", "hwc", "chw"};
    return layout < sizeof words / sizeof words[0] ? words[layout] : "?";
}

const char *cpu_dtype_word(uint16_t dtype) {
    switch (dtype) {
    case FR_F32: return "f32";
    case FR_BF16: return "bf16";
    case FR_U8: return "u8";
    case FR_S8: return "s8";
    default: return "?";
    }
}

const char *cpu_precision_word(uint16_t compute) {
    switch (compute) {
    case FR_PRECISION_F32: return "f32";
    case FR_PRECISION_BF16: return "bf16";
    case FR_PRECISION_INT8: return "s8";
    default: return "?";
    }
}

bool cpu_act_scales(uint16_t act) {
    return act == FR_ACT_NONE || act == FR_ACT_RELU || act == FR_ACT_LEAKY || act == FR_ACT_CLIP;
}

/* ---- the step as a whole ---------------------------------------------------------------------------------------- */

static bool dtype_known(uint16_t dtype) {
    return dtype == FR_F32 || dtype == FR_BF16 || dtype == FR_U8 || dtype == FR_S8;
}

/* What would make every candidate impossible. */
static fr_reason step_trouble(const fr_device *device, const fr_step *step) {
    fr_reason why = step_check(step);
    if (why != FR_WHY_NOT)
        return why;
    for (int32_t i = 0; i < step->n_src; i++)
        if (!dtype_known(step->src[i].dtype))
            return FR_WHY_DTYPE;
    if (!dtype_known(step->dst.dtype))
        return FR_WHY_DTYPE;
    switch (step->compute) {
    case FR_PRECISION_F32: return FR_WHY_NOT;
    case FR_PRECISION_BF16: return device->isa.bf16 ? FR_WHY_NOT : FR_WHY_ISA;
    case FR_PRECISION_INT8: return device->isa.int8 ? FR_WHY_NOT : FR_WHY_ISA;
    default: return FR_WHY_DTYPE;
    }
}

/* Refused ones last, order kept otherwise. */
static void refused_last(fr_candidate *list, uint32_t count) {
    for (uint32_t i = 0, kept = 0; i < count; i++) {
        if (list[i].refused != FR_WHY_NOT)
            continue;
        fr_candidate good = list[i];
        memmove(&list[kept + 1], &list[kept], (i - kept) * sizeof *list);
        list[kept++] = good;
    }
}

fr_status cpu_candidates(fr_device *device, const fr_step *step, fr_candidate *out, uint32_t capacity,
                         uint32_t *out_count) {
    *out_count = 0;
    cpu_offers offers = {out, capacity, 0, 0};
    const cpu_kind *kind = kind_of(step->kind);
    fr_reason trouble = kind == NULL ? FR_WHY_KIND : step_trouble(device, step);
    if (trouble != FR_WHY_NOT)
        cpu_refuse(&offers, trouble, "cpu.%s", cpu_precision_word(step->compute));
    else
        HOST_TRY(kind->candidates(device, step, &offers));
    refused_last(out, offers.count < capacity ? offers.count : capacity);
    *out_count = offers.count;
    return FR_OK;
}

fr_status cpu_program_new(fr_device *device, const fr_step *step, const fr_candidate *candidate, size_t bytes,
                          void *out_program) {
    void *block = NULL;
    memset(out_program, 0, sizeof(void *));
    HOST_TRY(host_alloc(device->base.host, bytes, "a program", &block));
    fr_program *program = block;
    program->device = device;
    program->step = *step;
    program->step.sub = NULL;
    for (int32_t i = 0; i < step->n_src; i++) {
        program->step.src[i].layout = candidate->src_layout[i];
        program->src_bytes[i] = fr_tensor_bytes(&program->step.src[i], step->n);
    }
    program->step.dst.layout = candidate->dst_layout;
    program->dst_bytes = fr_tensor_bytes(&program->step.dst, step->n);
    program->scratch_bytes = candidate->scratch_bytes;
    memcpy(out_program, &program, sizeof program);
    return FR_OK;
}

fr_status cpu_compile(fr_device *device, const fr_step *step, const fr_candidate *candidate, const fr_weights *weights,
                      fr_program **out_program) {
    *out_program = NULL;
    const cpu_kind *kind = kind_of(step->kind);
    if (kind == NULL || candidate->refused != FR_WHY_NOT)
        return host_fail(device->base.host, FR_UNSUPPORTED, "cpu: candidate '%s' was refused and cannot be compiled",
                         candidate->name);
    return kind->compile(device, step, candidate, weights, out_program);
}

void cpu_program_free(fr_program *program) {
    if (program == NULL)
        return;
    if (program->free_parts != NULL)
        program->free_parts(program);
    program->device->base.host->free(program);
}

fr_status cpu_launch(fr_queue *queue, const fr_launch *launch) {
    static const char *const source_words[FR_MAX_SRC] = {"source 0", "source 1", "source 2", "source 3",
                                                         "source 4", "source 5", "source 6", "source 7"};
    fr_program *program = launch->program;
    const fr_host *host = queue->device->base.host;
    cpu_args args = {.valid = launch->valid};
    /* at the user's ends src_bytes and dst_bytes are of one image; what does not exist need not be bound */
    bool from_user = program->step.kind == FR_STEP_INGEST, to_user = program->step.kind == FR_STEP_EMIT;
    if ((from_user || to_user) && (launch->valid < 0 || launch->valid > program->step.n * program->step.images))
        return host_fail(host, FR_INVALID, "cpu: %d images are said to be valid, of %d", launch->valid,
                         program->step.n * program->step.images);
    for (int32_t i = 0; i < program->step.n_src; i++) {
        void *at = NULL;
        HOST_TRY(host_binding_at(host, &launch->src[i],
                                 program->src_bytes[i] * (from_user ? (uint64_t)launch->valid : 1), source_words[i],
                                 &at));
        args.src[i] = at;
    }
    HOST_TRY(host_binding_at(host, &launch->dst, program->dst_bytes * (to_user ? (uint64_t)launch->valid : 1),
                             "destination", &args.dst));
    void *scratch = NULL;
    HOST_TRY(host_binding_at(host, &launch->scratch, program->scratch_bytes, "scratch", &scratch));
    args.scratch = scratch;
    int before = cpu_threads_set(queue->threads);
    fr_status status = program->run(program, queue, &args);
    cpu_threads_back(before);
    return status;
}

/* ---- memory on the account ---------------------------------------------------------------------------------------- */

fr_status cpu_block_new(fr_device *device, uint64_t bytes, const char *what, cpu_block *out_block) {
    *out_block = (cpu_block){0};
    HOST_TRY(host_alloc(device->base.host, bytes, what, &out_block->at));
    out_block->bytes = bytes;
    host_account_add(&device->base, FR_BUFFER_WEIGHT, bytes);
    return FR_OK;
}

void cpu_block_free(fr_device *device, cpu_block *block) {
    if (block->at == NULL)
        return;
    host_account_drop(&device->base, FR_BUFFER_WEIGHT, block->bytes);
    device->base.host->free(block->at);
    *block = (cpu_block){0};
}
