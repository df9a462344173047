#include "run/context.h"

#include "base/alloc.h"
#include "base/log.h"
#include "base/status.h"
#include "run/options.h"

fr_status fr_context_new(const fr_context_options *options, fr_context **out_context) {
    *out_context = NULL;
    fr_status status = FR_OK;
    fr_context_options chosen;
    FR_TRY(fr_options_take(options, &chosen, sizeof chosen, "fr_context_options"));
    fr_context *context = fr_alloc(sizeof *context);
    if (!context)
        return fr_no_memory(sizeof *context, "a context");
    pthread_mutex_init(&context->mutex, NULL);
    FR_GO(done, fr_registry_new(chosen.backend_dir, chosen.cache_dir, &context->registry));
    context->cache = fr_registry_cache(context->registry);
    if (chosen.log) {
        fr_log_to(chosen.log, chosen.log_user, chosen.log_level);
        context->logs = true;
    }
    *out_context = context;
    context = NULL;
done:
    fr_context_free(context);
    return status;
}

void fr_context_free(fr_context *context) {
    if (!context)
        return;
    fr_registry_free(context->registry);
    if (context->logs) /* after the registry: a driver may have a last word */
        fr_log_to(NULL, NULL, 0);
    for (size_t i = 0; i < context->n_verdicts; i++)
        fr_verdicts_close(context->verdicts[i]);
    fr_free(context->verdicts);
    pthread_mutex_destroy(&context->mutex);
    fr_free(context->load_report);
    fr_free(context);
}

fr_status fr_context_devices(fr_context *context, const fr_device_entry **out_entries, size_t *out_count) {
    return fr_registry_devices(context->registry, out_entries, out_count);
}

static fr_status add_verdicts(fr_context *context, const fr_backend *backend, const fr_device_facts *facts,
                              fr_verdicts **out_verdicts) {
    size_t n = context->n_verdicts;
    fr_verdicts **grown = fr_grow_array(context->verdicts, n, n + 1, sizeof *grown);
    if (!grown)
        return fr_no_memory((n + 1) * sizeof *grown, "verdicts on kernels");
    context->verdicts = grown;
    FR_TRY(fr_verdicts_open(context->cache, backend, facts, &grown[n]));
    context->n_verdicts++;
    *out_verdicts = grown[n];
    return FR_OK;
}

fr_status fr_context_verdicts(fr_context *context, const fr_backend *backend, const fr_device_facts *facts,
                              fr_verdicts **out_verdicts) {
    fr_status status = FR_OK;
    *out_verdicts = NULL;
    pthread_mutex_lock(&context->mutex);
    for (size_t i = 0; i < context->n_verdicts && !*out_verdicts; i++)
        if (fr_verdicts_are_of(context->verdicts[i], backend, facts))
            *out_verdicts = context->verdicts[i];
    if (!*out_verdicts)
        status = add_verdicts(context, backend, facts, out_verdicts);
    pthread_mutex_unlock(&context->mutex);
    return status;
}

void fr_context_keep_report(fr_context *context, char *report) {
    pthread_mutex_lock(&context->mutex);
    char *old = context->load_report;
    context->load_report = report;
    pthread_mutex_unlock(&context->mutex);
    fr_free(old);
}

const char *fr_load_report(fr_context *context) {
    pthread_mutex_lock(&context->mutex);
    const char *report = context->load_report ? context->load_report : "";
    pthread_mutex_unlock(&context->mutex);
    return report;
}
