#include "prim.h"

#include <string.h>

fr_status cpu_prim_new(fr_device *device, dnnl_primitive_desc_t pd, cpu_prim **out_prim) {
    const fr_host *host = device->base.host;
    *out_prim = NULL;
    void *block = NULL;
    fr_status status = host_alloc(host, sizeof(cpu_prim), "a primitive", &block);
    if (status != FR_OK) {
        dnnl_primitive_desc_destroy(pd);
        return status;
    }
    cpu_prim *prim = block;
    prim->device = device;
    prim->pd = pd;
    HOST_GO(fail, cpu_dnnl_check(host, dnnl_primitive_create(&prim->primitive, pd), "dnnl_primitive_create"));
    *out_prim = prim;
    return FR_OK;
fail:
    cpu_prim_free(prim);
    return status;
}

void cpu_prim_free(cpu_prim *prim) {
    if (prim == NULL)
        return;
    for (int i = 0; i < CPU_PRIM_FIXED; i++) {
        for (int32_t node = 0; node < FR_MOST_NODES; node++)
            if (prim->fixed[i][node] != NULL)
                dnnl_memory_destroy(prim->fixed[i][node]);
        cpu_replicas_free(prim->device, &prim->fixed_at[i]);
    }
    if (prim->primitive != NULL)
        dnnl_primitive_destroy(prim->primitive);
    dnnl_primitive_desc_destroy(prim->pd);
    prim->device->base.host->free(prim);
}

uint64_t cpu_prim_scratch(const_dnnl_primitive_desc_t pd) {
    return cpu_md_bytes(cpu_pd_md(pd, dnnl_query_scratchpad_md));
}

/* Runs a reorder once, with its own stream and scratchpad. */
static fr_status reorder_once(fr_device *device, cpu_md_ref from, dnnl_memory_t src, cpu_md_ref to, dnnl_memory_t dst) {
    const fr_host *host = device->base.host;
    dnnl_primitive_desc_t pd = NULL;
    dnnl_primitive_t primitive = NULL;
    dnnl_stream_t stream = NULL;
    dnnl_memory_t pad = NULL;
    void *pad_at = NULL;
    HOST_TRY(cpu_reorder_pd(host, device->engine, from, to, &pd));
    fr_status status;
    HOST_GO(done, cpu_dnnl_check(host, dnnl_primitive_create(&primitive, pd), "dnnl_primitive_create"));
    HOST_GO(done, cpu_dnnl_check(host, dnnl_stream_create(&stream, device->engine, dnnl_stream_in_order),
                                 "dnnl_stream_create"));
    uint64_t pad_bytes = cpu_prim_scratch(pd);
    if (pad_bytes > 0) {
        HOST_GO(done, host_alloc(host, pad_bytes, "packing weights", &pad_at));
        HOST_GO(done, cpu_memory_make(host, device->engine, cpu_pd_md(pd, dnnl_query_scratchpad_md), pad_at, &pad));
    }
    dnnl_exec_arg_t args[3] = {{DNNL_ARG_FROM, src}, {DNNL_ARG_TO, dst}, {DNNL_ARG_SCRATCHPAD, pad}};
    HOST_GO(done, cpu_dnnl_check(host, dnnl_primitive_execute(primitive, stream, pad == NULL ? 2 : 3, args),
                                 "dnnl_primitive_execute"));
    status = cpu_dnnl_check(host, dnnl_stream_wait(stream), "dnnl_stream_wait");
done:
    if (pad != NULL)
        dnnl_memory_destroy(pad);
    host->free(pad_at);
    if (stream != NULL)
        dnnl_stream_destroy(stream);
    if (primitive != NULL)
        dnnl_primitive_destroy(primitive);
    dnnl_primitive_desc_destroy(pd);
    return status;
}

/* `plain` from the caller's order into the primitive's. */
static fr_status reorder_plain(fr_device *device, cpu_md_ref from, const void *plain, cpu_md_ref wanted, void *to) {
    const fr_host *host = device->base.host;
    dnnl_memory_t source = NULL, target = NULL;
    /* oneDNN's memory is not const; a source is only read */
    union {
        const void *read;
        void *any;
    } at = {plain};
    fr_status status;
    HOST_GO(done, cpu_memory_make(host, device->engine, from, at.any, &source));
    HOST_GO(done, cpu_memory_make(host, device->engine, wanted, to, &target));
    status = reorder_once(device, from, source, wanted, target);
done:
    if (target != NULL)
        dnnl_memory_destroy(target);
    if (source != NULL)
        dnnl_memory_destroy(source);
    return status;
}

fr_status cpu_prim_fix(cpu_prim *prim, int arg, cpu_md_ref from, const void *plain, cpu_md_ref wanted) {
    fr_device *device = prim->device;
    const fr_host *host = device->base.host;
    int i = prim->n_fixed++;
    prim->fixed_arg[i] = arg;
    cpu_block *packed = &prim->fixed_at[i].packed;
    HOST_TRY(cpu_block_new(device, cpu_md_bytes(wanted), "weights", packed));
    if (cpu_md_same(from, wanted))
        memcpy(packed->at, plain, cpu_md_bytes(wanted));
    else
        HOST_TRY(reorder_plain(device, from, plain, wanted, packed->at));
    HOST_TRY(cpu_replicas_spread(device, &prim->fixed_at[i]));
    for (int32_t node = 0; node < prim->fixed_at[i].count; node++)
        HOST_TRY(cpu_memory_make(host, device->engine, wanted, prim->fixed_at[i].of_node[node], &prim->fixed[i][node]));
    return FR_OK;
}

/* ---- running ------------------------------------------------------------------------------------------------- */

static void exec_free(fr_device *device, cpu_exec *exec) {
    if (exec == NULL)
        return;
    if (exec->scratch != NULL)
        host_account_drop(&device->base, FR_BUFFER_SCRATCH, exec->scratch_bytes);
    device->base.host->free(exec->scratch);
    for (int i = 0; i < 3; i++)
        if (exec->moving[i] != NULL)
            dnnl_memory_destroy(exec->moving[i]);
    device->base.host->free(exec);
}

void cpu_execs_free(fr_device *device, cpu_execs *execs) {
    for (int i = 0; i < CPU_MAX_QUEUES; i++)
        exec_free(device, execs->of_slot[i]);
    memset(execs, 0, sizeof *execs);
}

static fr_status exec_new(const cpu_prim *prim, bool wants_scratch, cpu_exec **out_exec) {
    static const struct {
        dnnl_query_t query;
        int arg;
    } moving[3] = {{dnnl_query_src_md, DNNL_ARG_SRC},
                   {dnnl_query_dst_md, DNNL_ARG_DST},
                   {dnnl_query_scratchpad_md, DNNL_ARG_SCRATCHPAD}};
    const fr_host *host = prim->device->base.host;
    *out_exec = NULL;
    void *block = NULL;
    HOST_TRY(host_alloc(host, sizeof(cpu_exec), "a queue's arguments", &block));
    cpu_exec *exec = block;
    exec->of = prim;
    fr_status status = FR_OK;
    for (int i = 0; i < 3; i++) {
        cpu_md_ref md = cpu_pd_md(prim->pd, moving[i].query);
        if (cpu_md_bytes(md) == 0)
            continue;
        HOST_GO(fail, cpu_memory_make(host, prim->device->engine, md, DNNL_MEMORY_NONE, &exec->moving[i]));
        exec->args[exec->n_args++] = (dnnl_exec_arg_t){moving[i].arg, exec->moving[i]};
    }
    uint64_t bytes = wants_scratch ? cpu_prim_scratch(prim->pd) : 0;
    if (bytes > 0) {
        HOST_GO(fail, host_alloc(host, bytes, "oneDNN's scratch", &exec->scratch));
        exec->scratch_bytes = bytes;
        host_account_add(&prim->device->base, FR_BUFFER_SCRATCH, bytes);
    }
    for (int i = 0; i < prim->n_fixed; i++)
        exec->args[exec->n_args++] = (dnnl_exec_arg_t){prim->fixed_arg[i], prim->fixed[i][0]};
    *out_exec = exec;
    return FR_OK;
fail:
    exec_free(prim->device, exec);
    return status;
}

fr_status cpu_prim_run(const cpu_prim *prim, cpu_execs *execs, fr_queue *queue, const void *src, void *dst,
                       void *scratch) {
    const fr_host *host = prim->device->base.host;
    cpu_exec **place = &execs->of_slot[queue->slot];
    if (*place == NULL || (*place)->of != prim) { /* first launch here, or the slot's last queue had other threads */
        exec_free(prim->device, *place);
        *place = NULL;
        HOST_TRY(exec_new(prim, scratch == NULL, place));
    }
    cpu_exec *exec = *place;
    union {
        const void *read;
        void *any;
    } at = {src};
    void *now[3] = {at.any, dst, scratch == NULL ? exec->scratch : scratch};
    for (int i = 0; i < 3; i++) {
        if (exec->moving[i] == NULL || exec->at[i] == now[i])
            continue;
        HOST_TRY(
            cpu_dnnl_check(host, dnnl_memory_set_data_handle(exec->moving[i], now[i]), "dnnl_memory_set_data_handle"));
        exec->at[i] = now[i];
    }
    int32_t node = fr_topology_node_here(prim->device->topology);
    if (node != exec->node) {
        for (int i = 0; i < prim->n_fixed; i++)
            exec->args[exec->n_args - prim->n_fixed + i].memory = prim->fixed[i][node];
        exec->node = node;
    }
    if (prim->moves_stack)
        cpu_signals_hold(queue);
    dnnl_status_t answer = dnnl_primitive_execute(prim->primitive, queue->stream, exec->n_args, exec->args);
    if (prim->moves_stack)
        cpu_signals_release(queue);
    return cpu_dnnl_check(host, answer, "dnnl_primitive_execute");
}
