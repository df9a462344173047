/* Reading a comparison's file, whoever wrote it: docs/compare.md. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/compare.h"
#include "cli/models_common.h"

enum { FILE_LIMIT = 128 << 20, MACHINES_MAX = 1000, DEVICES_MAX = 1000 };

/* A file may call its machines as it likes: here they get ids that mean the same in every file. */
typedef struct machine_name {
    const char *given;
    char id[sizeof(((cmp_machine *)0)->id)];
} machine_name;

typedef struct reader {
    const char *path, *list; /* "rows" */
    size_t item;             /* of the list, from 1; 0 = none is being read */
    machine_name *names;
    size_t n_names;
    cmp_set *set;
    int code; /* of the first thing that is wrong; it has been told, and nothing else is */
} reader;

static void wrong(reader *r, const char *fmt, ...) FR_PRINTF(2, 3);
static void wrong(reader *r, const char *fmt, ...) {
    char what[200], where[40] = "";
    va_list args;
    if (r->code != CLI_DONE)
        return;
    va_start(args, fmt);
    if (vsnprintf(what, sizeof what, fmt, args) < 0)
        what[0] = '\0';
    va_end(args);
    if (r->item > 0)
        snprintf(where, sizeof where, "%.*s %zu: ", (int)strlen(r->list) - 1, r->list, r->item); /* without the s */
    cli_complain("%s: %s%s", r->path, where, what);
    r->code = CLI_BAD_INPUT;
}

static void out_of_memory(reader *r) {
    if (r->code == CLI_DONE)
        cli_complain("out of memory");
    r->code = CLI_FAILED;
}

/* NULL where there is none, or null. */
static const fr_json *member_of(const fr_json *object, const char *key) {
    const fr_json *member = fr_json_get(object, key);
    return member && member->kind != FR_JSON_NULL ? member : NULL;
}

static const char *word_of(reader *r, const fr_json *object, const char *key, bool needed) {
    const fr_json *member = member_of(object, key);
    if (member && member->kind != FR_JSON_STRING)
        wrong(r, "'%s' is no text", key);
    const char *word = member && member->kind == FR_JSON_STRING ? member->string : "";
    if (needed && word[0] == '\0')
        wrong(r, "'%s' is missing", key);
    return word;
}

/* What is only shown is cut. */
static void read_text(reader *r, const fr_json *object, const char *key, char *out, size_t bytes) {
    (void)cmp_copy_text(out, bytes, word_of(r, object, key, false));
}

/* What is compared, or used as it stands, must be whole. */
static void read_name(reader *r, const fr_json *object, const char *key, bool needed, char *out, size_t bytes) {
    if (!cmp_copy_text(out, bytes, word_of(r, object, key, needed)))
        wrong(r, "'%s' has more than %zu bytes", key, bytes - 1);
}

static double read_real(reader *r, const fr_json *object, const char *key) {
    const fr_json *member = member_of(object, key);
    if (!member)
        return 0;
    if (member->kind == FR_JSON_NUMBER && member->number >= 0 && member->number <= 1e18)
        return member->number;
    wrong(r, "'%s' is no number from 0 to 1e18", key);
    return 0;
}

/* `low` where there is none, unless it is needed. */
static int64_t read_whole(reader *r, const fr_json *object, const char *key, bool needed, int64_t low, int64_t high) {
    const fr_json *member = member_of(object, key);
    if (!member && !needed)
        return low;
    if (!member)
        wrong(r, "'%s' is missing", key);
    else if (member->kind == FR_JSON_NUMBER && member->number >= (double)low && member->number <= (double)high &&
             member->number - floor(member->number) <= 0)
        return (int64_t)member->number;
    else
        wrong(r, "'%s' is no whole number from %lld to %lld", key, (long long)low, (long long)high);
    return low;
}

static bool read_flag(reader *r, const fr_json *object, const char *key, bool otherwise) {
    const fr_json *member = member_of(object, key);
    if (member && member->kind != FR_JSON_BOOL)
        wrong(r, "'%s' is neither true nor false", key);
    return fr_json_bool(object, key, otherwise);
}

/* An object or a list; NULL where there is none, or it is something else. */
static const fr_json *read_inner(reader *r, const fr_json *object, const char *key, fr_json_kind wanted) {
    const fr_json *member = member_of(object, key);
    if (!member || member->kind == wanted)
        return member;
    wrong(r, "'%s' is no %s", key, wanted == FR_JSON_ARRAY ? "list" : "object");
    return NULL;
}

static void read_by_precision(reader *r, const fr_json *object, const char *key, double out[FR_PRECISIONS]) {
    const fr_json *inner = read_inner(r, object, key, FR_JSON_OBJECT);
    for (int p = 0; p < FR_PRECISIONS && inner; p++)
        out[p] = read_real(r, inner, fr_precision_name((fr_precision)p));
}

static void read_machine(reader *r, const fr_json *from) {
    cmp_machine machine = {0};
    machine_name *name = &r->names[r->n_names];
    name->given = word_of(r, from, "id", true);
    for (size_t i = 0; i < r->n_names; i++)
        if (strcmp(r->names[i].given, name->given) == 0)
            wrong(r, "another one has the same id");
    read_text(r, from, "name", machine.name, sizeof machine.name);
    read_text(r, from, "cpu", machine.host.cpu, sizeof machine.host.cpu);
    read_text(r, from, "os", machine.host.os, sizeof machine.host.os);
    machine.host.cores = (int)read_whole(r, from, "cores", false, 0, 1 << 20);
    machine.host.memory_bytes = read_whole(r, from, "memory_bytes", false, 0, 1LL << 52);
    if (machine.name[0] == '\0')
        cmp_copy_text(machine.name, sizeof machine.name, machine.host.cpu[0] ? machine.host.cpu : name->given);
    cmp_machine_identify(&machine);
    memcpy(name->id, machine.id, sizeof name->id);
    r->n_names++;
    if (!cmp_set_machine(r->set, &machine))
        out_of_memory(r);
}

static void read_machine_id(reader *r, const fr_json *from, char *out, size_t bytes) {
    const char *given = word_of(r, from, "machine", true);
    for (size_t i = 0; i < r->n_names; i++)
        if (strcmp(r->names[i].given, given) == 0) {
            (void)cmp_copy_text(out, bytes, r->names[i].id);
            return;
        }
    wrong(r, "the file has no machine '%.60s'", given);
}

static void read_device(reader *r, const fr_json *from) {
    cmp_device *d, key = {0};
    read_machine_id(r, from, key.machine, sizeof key.machine);
    read_name(r, from, "id", true, key.id, sizeof key.id);
    if (r->code != CLI_DONE)
        return;
    d = cmp_set_device(r->set, key.machine, key.id);
    if (!d) {
        out_of_memory(r);
        return;
    }
    read_text(r, from, "backend", d->backend, sizeof d->backend);
    read_text(r, from, "title", d->title, sizeof d->title);
    read_text(r, from, "name", d->name, sizeof d->name);
    read_text(r, from, "driver", d->driver, sizeof d->driver);
    read_text(r, from, "features", d->features, sizeof d->features);
    read_text(r, from, "clocks", d->clocks, sizeof d->clocks);
    d->units = read_whole(r, from, "units", false, 0, 1 << 30);
    d->memory_bytes = read_whole(r, from, "memory_bytes", false, 0, 1LL << 52);
    d->bandwidth = read_real(r, from, "bandwidth");
    read_by_precision(r, from, "peak", d->peak);
    read_by_precision(r, from, "quantum", d->staircase_quantum);
    const fr_json *profile = read_inner(r, from, "profile", FR_JSON_OBJECT);
    if (profile && !cmp_device_profile(d, profile))
        out_of_memory(r);
}

static void read_visits(reader *r, const fr_json *from, cmp_row *row) {
    const fr_json *list = read_inner(r, from, "visits", FR_JSON_ARRAY);
    if (!list || list->count == 0)
        return;
    row->visits = fr_alloc_array(list->count, sizeof *row->visits);
    if (!row->visits) {
        out_of_memory(r);
        return;
    }
    for (const fr_json *item = list->child; item && r->code == CLI_DONE; item = item->next) {
        cmp_visit *visit = &row->visits[row->n_visits++];
        visit->images_per_s = read_real(r, item, "images_per_s");
        visit->at_s = read_real(r, item, "at_s");
        if (!(visit->images_per_s > 0))
            wrong(r, "a visit's 'images_per_s' is missing or 0");
    }
}

static void read_layers(reader *r, const fr_json *from, cmp_row *row) {
    const fr_json *list = read_inner(r, from, "layers", FR_JSON_ARRAY);
    if (!list || list->count == 0)
        return;
    row->layers = fr_alloc_array(list->count, sizeof *row->layers);
    if (!row->layers) {
        out_of_memory(r);
        return;
    }
    for (const fr_json *item = list->child; item && r->code == CLI_DONE; item = item->next) {
        cmp_layer *layer = &row->layers[row->n_layers++];
        read_text(r, item, "name", layer->name, sizeof layer->name);
        read_text(r, item, "kernel", layer->kernel, sizeof layer->kernel);
        layer->ns = read_real(r, item, "ns");
        layer->ops = read_real(r, item, "ops");
        layer->bytes = read_real(r, item, "bytes");
    }
}

static void read_key(reader *r, const fr_json *from, cmp_row *row) {
    fr_precision precision;
    fr_schedule schedule;
    read_machine_id(r, from, row->machine, sizeof row->machine);
    read_name(r, from, "device", true, row->device, sizeof row->device);
    read_name(r, from, "engine", true, row->engine, sizeof row->engine);
    read_name(r, from, "version", false, row->version, sizeof row->version);
    read_name(r, from, "model", true, row->model, sizeof row->model);
    row->fold = (int32_t)read_whole(r, from, "fold", true, 1, CLI_FOLD_MAX);
    read_name(r, from, "round", false, row->round, sizeof row->round);
    if (row->round[0] == '\0')
        snprintf(row->round, sizeof row->round, "floor");
    row->batch = read_whole(r, from, "batch", true, 1, 1 << 24);
    read_name(r, from, "precision", true, row->precision, sizeof row->precision);
    if (!fr_precision_from_name(row->precision, &precision))
        wrong(r, "'precision' is none of f32, f16, bf16, int8, f64 and tf32");
    read_name(r, from, "schedule", false, row->schedule, sizeof row->schedule);
    if (row->schedule[0] && !fr_schedule_from_name(row->schedule, &schedule))
        wrong(r, "'schedule' is none of auto, layers and chain");
    row->copies = read_flag(r, from, "copies", true);
}

static void read_verdict(reader *r, const fr_json *from, cmp_row *row) {
    const char *word = word_of(r, from, "check", false);
    int at = CMP_UNCHECKED;
    while (word[0] && at <= CMP_WRONG && strcmp(word, cmp_check_word((cmp_check)at)) != 0)
        at++;
    if (at > CMP_WRONG)
        wrong(r, "'check' is none of unchecked, right and wrong");
    else
        row->check = (cmp_check)at;
    row->max_error = read_real(r, from, "max_error");
    row->failed = read_flag(r, from, "failed", false) || row->check == CMP_WRONG;
    read_text(r, from, "reason", row->reason, sizeof row->reason);
    if (row->failed && row->reason[0] == '\0')
        snprintf(row->reason, sizeof row->reason, "%s",
                 row->check == CMP_WRONG ? "its answers are wrong" : "no reason is given");
}

static void read_row(reader *r, const fr_json *from) {
    cmp_row row = {0};
    read_key(r, from, &row);
    read_visits(r, from, &row);
    read_verdict(r, from, &row);
    row.runs = read_whole(r, from, "runs", false, 0, 1LL << 52);
    row.ops_per_image = read_real(r, from, "ops_per_image");
    row.planned_bytes = read_real(r, from, "planned_bytes");
    row.peak_bytes = read_real(r, from, "peak_bytes");
    row.weight_bytes = read_real(r, from, "weight_bytes");
    row.open_ms = read_real(r, from, "open_ms");
    row.first_ms = read_real(r, from, "first_ms");
    read_layers(r, from, &row);
    read_name(r, from, "command", false, row.command, sizeof row.command);
    if (r->code == CLI_DONE && !cmp_set_add(r->set, &row))
        out_of_memory(r);
    fr_free(row.visits);
    fr_free(row.layers);
}

static void read_list(reader *r, const fr_json *root, const char *key, size_t most,
                      void (*read)(reader *r, const fr_json *from)) {
    const fr_json *list = read_inner(r, root, key, FR_JSON_ARRAY);
    if (!list)
        wrong(r, "'%s' is missing", key);
    else if (list->count > most)
        wrong(r, "it has more than %zu %s", most, key);
    if (r->code != CLI_DONE)
        return;
    r->list = key;
    for (const fr_json *item = list->child; item && r->code == CLI_DONE; item = item->next) {
        r->item++;
        if (item->kind == FR_JSON_OBJECT)
            read(r, item);
        else
            wrong(r, "this is no object");
    }
    r->item = 0;
}

static void read_root(reader *r, const fr_json *root) {
    const fr_json *machines = member_of(root, "machines");
    if (strcmp(fr_json_string(root, "what", ""), CMP_KIND) != 0) {
        wrong(r, "this is no comparison: 'foldrun compare -o FILE' writes one");
        return;
    }
    int64_t format = read_whole(r, root, "format", true, 1, 1 << 20);
    if (format != CMP_FORMAT)
        wrong(r, "its format is %lld, and this foldrun reads %d: take the foldrun that wrote it, or measure again",
              (long long)format, (int)CMP_FORMAT);
    if (machines && machines->count > 0 && machines->count <= MACHINES_MAX) {
        r->names = fr_alloc_array(machines->count, sizeof *r->names);
        if (!r->names)
            out_of_memory(r);
    }
    read_text(r, root, "command", r->set->command, sizeof r->set->command);
    r->set->seconds = read_real(r, root, "seconds");
    r->set->interrupted = read_flag(r, root, "interrupted", false);
    read_list(r, root, "machines", MACHINES_MAX, read_machine);
    read_list(r, root, "devices", DEVICES_MAX, read_device);
    read_list(r, root, "rows", SIZE_MAX, read_row);
}

int cmp_set_read(const char *path, cmp_set *out) {
    char *text;
    size_t bytes;
    fr_json_doc *doc = NULL;
    reader r = {.path = path, .set = out, .code = CLI_DONE};
    *out = (cmp_set){0};
    fr_status status = fr_file_read(path, FILE_LIMIT, &text, &bytes);
    if (status == FR_OK) {
        status = fr_json_parse(text, bytes, &doc);
        fr_free(text);
        if (status != FR_OK)
            fr_fail_within(status, "%s", path);
    }
    if (status != FR_OK) {
        cli_failed_here(status);
        return status == FR_NO_MEMORY ? CLI_FAILED : CLI_BAD_INPUT;
    }
    read_root(&r, fr_json_root(doc));
    fr_json_free(doc);
    fr_free(r.names);
    if (r.code != CLI_DONE)
        cmp_set_free(out);
    return r.code;
}
