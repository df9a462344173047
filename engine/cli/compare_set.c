#include "cli/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/number.h"
#include "cli/cli.h"

bool cmp_copy_text(char *out, size_t bytes, const char *text) {
    size_t at = 0, left = strlen(text);
    while (left > 0) {
        unsigned char c = (unsigned char)text[0];
        size_t length = fr_utf8_length(text, left);
        bool shown = length > 0 && c >= 0x20 && c != 0x7f && !(c == 0xc2 && (unsigned char)text[1] < 0xa0);
        size_t room = shown ? length : 1;
        if (at + room >= bytes)
            break;
        if (shown)
            memcpy(out + at, text, length);
        else
            out[at] = c == '\n' || c == '\t' ? ' ' : '?';
        at += room;
        length += length == 0;
        text += length;
        left -= length;
    }
    out[at] = '\0';
    return left == 0;
}

/* ---- rates ---- */

/* How many visits at each end lie outside the interval of the median: the most for which the others hold it 95 times in a hundred. */
static size_t outside(size_t count) {
    size_t cut = 0;
    if (count > 1000)
        return (size_t)(((double)count - 1.96 * sqrt((double)count)) / 2) - 1; /* the normal's, a little wide */
    double term = ldexp(1, -(int)count), below = term; /* of throwing `cut` heads, and at most as many */
    for (;;) {
        term *= (double)(count - cut) / (double)(cut + 1);
        below += term;
        if (2 * below > 0.05)
            return cut;
        cut++;
    }
}

cmp_rate cmp_rate_of(const cmp_visit *visits, size_t count) {
    cmp_rate rate = {0};
    double *sorted = count > 0 ? fr_alloc_array(count, sizeof *sorted) : NULL;
    if (!sorted)
        return rate;
    for (size_t i = 0; i < count; i++)
        sorted[i] = visits[i].images_per_s;
    fr_sort_numbers(sorted, count);
    size_t cut = outside(count);
    rate.median = (sorted[(count - 1) / 2] + sorted[count / 2]) / 2;
    rate.low = sorted[cut];
    rate.high = sorted[count - 1 - cut];
    fr_free(sorted);
    return rate;
}

static bool add_visits(cmp_row *row, const cmp_visit *visits, size_t count) {
    size_t all;
    if (count == 0)
        return true;
    if (!fr_size_add(row->n_visits, count, &all))
        return false;
    cmp_visit *grown = fr_grow_array(row->visits, row->n_visits, all, sizeof *grown);
    if (!grown)
        return false;
    memcpy(grown + row->n_visits, visits, count * sizeof *grown);
    row->visits = grown;
    row->n_visits = all;
    return true;
}

bool cmp_row_visit(cmp_row *row, double images_per_s, double at_s) {
    const cmp_visit visit = {images_per_s, at_s};
    if (!(images_per_s > 0 && images_per_s < INFINITY))
        return true; /* a clock that stood still tells nothing */
    if (!add_visits(row, &visit, 1))
        return false;
    row->rate = cmp_rate_of(row->visits, row->n_visits);
    return row->rate.median > 0;
}

/* ---- machines and devices ---- */

void cmp_machine_identify(cmp_machine *machine) {
    const cli_host *host = &machine->host;
    char hex[33], text[sizeof machine->name + sizeof *host + 64];
    /* The memory that a system reports differs by a little from boot to boot. */
    int length = snprintf(text, sizeof text, "%s\n%s\n%s\n%d\n%.0f", machine->name, host->cpu, host->os, host->cores,
                          (double)host->memory_bytes / 1e9);
    fr_hash_hex(fr_hash_bytes(text, (size_t)length, (fr_hash){0, 0}), hex);
    snprintf(machine->id, sizeof machine->id, "m%.16s", hex);
}

/* The words are as reading a file would have them, for the id is made of them. */
void cmp_machine_here(const char *name, cmp_machine *out) {
    cli_host host = cli_read_host();
    *out = (cmp_machine){.host = {.cores = host.cores, .memory_bytes = host.memory_bytes}};
    cmp_copy_text(out->host.cpu, sizeof out->host.cpu, host.cpu);
    cmp_copy_text(out->host.os, sizeof out->host.os, host.os);
    cmp_copy_text(out->name, sizeof out->name, name && name[0] ? name : out->host.cpu);
    cmp_machine_identify(out);
}

const cmp_machine *cmp_machine_of(const cmp_set *set, const char *id) {
    for (size_t i = 0; i < set->n_machines; i++)
        if (strcmp(set->machines[i].id, id) == 0)
            return &set->machines[i];
    return NULL;
}

cmp_machine *cmp_set_machine(cmp_set *set, const cmp_machine *machine) {
    for (size_t i = 0; i < set->n_machines; i++)
        if (strcmp(set->machines[i].id, machine->id) == 0)
            return &set->machines[i];
    cmp_machine *grown = fr_grow_array(set->machines, set->n_machines, set->n_machines + 1, sizeof *grown);
    if (!grown)
        return NULL;
    set->machines = grown;
    grown[set->n_machines] = *machine;
    return &grown[set->n_machines++];
}

static cmp_device *find_device(const cmp_set *set, const char *machine, const char *id) {
    for (size_t i = 0; i < set->n_devices; i++)
        if (strcmp(set->devices[i].id, id) == 0 && strcmp(set->devices[i].machine, machine) == 0)
            return &set->devices[i];
    return NULL;
}

const cmp_device *cmp_device_of(const cmp_set *set, const cmp_row *row) {
    return find_device(set, row->machine, row->device);
}

cmp_device *cmp_set_device(cmp_set *set, const char *machine, const char *id) {
    cmp_device *found = find_device(set, machine, id);
    if (found)
        return found;
    cmp_device *grown = fr_grow_array(set->devices, set->n_devices, set->n_devices + 1, sizeof *grown);
    if (!grown)
        return NULL;
    set->devices = grown;
    found = &grown[set->n_devices++];
    cmp_copy_text(found->machine, sizeof found->machine, machine);
    cmp_copy_text(found->id, sizeof found->id, id);
    return found;
}

bool cmp_device_profile(cmp_device *device, const fr_json *profile) {
    fr_json_writer w = {0};
    fr_json_doc *doc = NULL;
    fr_json_put_value(&w, profile);
    bool copied = !w.text.failed && fr_json_parse(w.text.data, w.text.length, &doc) == FR_OK;
    fr_text_free(&w.text);
    if (!copied)
        return false;
    fr_json_free(device->profile);
    device->profile = doc;
    device->profile_root = fr_json_root(doc);
    return true;
}

/* ---- rows ---- */

bool cmp_same_key(const cmp_row *a, const cmp_row *b) {
    return a->fold == b->fold && a->batch == b->batch && a->copies == b->copies && strcmp(a->model, b->model) == 0 &&
           strcmp(a->device, b->device) == 0 && strcmp(a->precision, b->precision) == 0 &&
           strcmp(a->schedule, b->schedule) == 0 && strcmp(a->round, b->round) == 0 &&
           strcmp(a->engine, b->engine) == 0 && strcmp(a->version, b->version) == 0 &&
           strcmp(a->machine, b->machine) == 0;
}

static cmp_row key_of(const cmp_row *row) {
    cmp_row key = {.fold = row->fold, .batch = row->batch, .copies = row->copies};
    memcpy(key.machine, row->machine, sizeof key.machine);
    memcpy(key.device, row->device, sizeof key.device);
    memcpy(key.engine, row->engine, sizeof key.engine);
    memcpy(key.version, row->version, sizeof key.version);
    memcpy(key.model, row->model, sizeof key.model);
    memcpy(key.round, row->round, sizeof key.round);
    memcpy(key.precision, row->precision, sizeof key.precision);
    memcpy(key.schedule, row->schedule, sizeof key.schedule);
    return key;
}

/* The slot that holds the row with the key, or where it belongs. */
static uint32_t *slot_of(const cmp_set *set, const cmp_row *key) {
    const char *const words[] = {key->machine, key->device, key->engine,    key->version,
                                 key->model,   key->round,  key->precision, key->schedule};
    const int64_t numbers[] = {key->fold, key->batch, key->copies};
    fr_hash hash = fr_hash_bytes(numbers, sizeof numbers, (fr_hash){0, 0});
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        hash = fr_hash_bytes(words[i], strlen(words[i]), hash);
    size_t at = (size_t)hash.a & (set->n_slots - 1);
    while (set->slots[at] && !cmp_same_key(&set->rows[set->slots[at] - 1], key))
        at = (at + 1) & (set->n_slots - 1);
    return &set->slots[at];
}

/* Slots for one row more than there are, at most half of them taken. */
static bool index_rows(cmp_set *set) {
    size_t wanted = set->n_slots ? set->n_slots : 64;
    while (wanted / 2 <= set->n_rows)
        wanted *= 2;
    if (wanted > UINT32_MAX / 2)
        return false;
    if (wanted != set->n_slots) {
        uint32_t *slots = fr_alloc_array(wanted, sizeof *slots);
        if (!slots)
            return false;
        fr_free(set->slots);
        set->slots = slots;
        set->n_slots = wanted;
        set->n_indexed = 0;
    }
    for (; set->n_indexed < set->n_rows; set->n_indexed++) {
        uint32_t *slot = slot_of(set, &set->rows[set->n_indexed]);
        if (*slot == 0)
            *slot = (uint32_t)set->n_indexed + 1;
    }
    return true;
}

cmp_row *cmp_set_find(cmp_set *set, const cmp_row *key) {
    uint32_t *slot = index_rows(set) ? slot_of(set, key) : NULL;
    return slot && *slot ? &set->rows[*slot - 1] : NULL;
}

cmp_row *cmp_set_row(cmp_set *set, const cmp_row *key) {
    if (!index_rows(set))
        return NULL;
    uint32_t *slot = slot_of(set, key);
    if (*slot)
        return &set->rows[*slot - 1];
    cmp_row fresh = key_of(key); /* before the rows move: it may be one of them */
    if (set->n_rows >= set->cap_rows) {
        size_t capacity = set->n_rows < 16 ? 32 : 2 * set->n_rows;
        cmp_row *grown = fr_grow_array(set->rows, set->n_rows, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        set->rows = grown;
        set->cap_rows = capacity;
    }
    set->rows[set->n_rows] = fresh;
    *slot = (uint32_t)++set->n_rows;
    set->n_indexed = set->n_rows;
    return &set->rows[set->n_rows - 1];
}

void cmp_row_forget(cmp_row *row) {
    fr_free(row->visits);
    fr_free(row->layers);
    row->visits = NULL;
    row->layers = NULL;
    row->n_visits = row->n_layers = 0;
    row->runs = 0;
    row->rate = (cmp_rate){0};
}

void cmp_set_free(cmp_set *set) {
    for (size_t i = 0; i < set->n_devices; i++)
        fr_json_free(set->devices[i].profile);
    for (size_t i = 0; i < set->n_rows; i++) {
        fr_free(set->rows[i].visits);
        fr_free(set->rows[i].layers);
    }
    fr_free(set->machines);
    fr_free(set->devices);
    fr_free(set->rows);
    fr_free(set->slots);
    *set = (cmp_set){0};
}

/* ---- merging ---- */

static int by_time(const void *a, const void *b) {
    const cmp_visit *x = a, *y = b;
    if (x->at_s < y->at_s || x->at_s > y->at_s)
        return x->at_s < y->at_s ? -1 : 1;
    return (x->images_per_s > y->images_per_s) - (x->images_per_s < y->images_per_s);
}

/* A visit that both have is one: a file that is merged twice makes no interval narrower. *out_new: how many were added. */
static bool merge_visits(cmp_row *into, const cmp_row *from, size_t *out_new) {
    size_t before = into->n_visits;
    cmp_visit *known = fr_alloc_array(before, sizeof *known);
    bool whole = known && add_visits(into, from->visits, from->n_visits);
    *out_new = 0;
    if (whole && from->n_visits > 0) {
        memcpy(known, into->visits, before * sizeof *known);
        qsort(known, before, sizeof *known, by_time);
        into->n_visits = before;
        for (size_t i = 0; i < from->n_visits; i++)
            if (!bsearch(&from->visits[i], known, before, sizeof *known, by_time))
                into->visits[into->n_visits++] = from->visits[i];
        *out_new = into->n_visits - before;
        into->rate = cmp_rate_of(into->visits, into->n_visits);
        whole = into->rate.median > 0;
    }
    fr_free(known);
    return whole;
}

static void keep_larger(double *into, double from) {
    if (from > *into)
        *into = from;
}

static void keep_known(double *into, double from) {
    if (!(*into > 0))
        *into = from;
}

static void keep_text(char *into, size_t bytes, const char *from) {
    if (into[0] == '\0')
        cmp_copy_text(into, bytes, from);
}

static bool merge_layers(cmp_row *into, const cmp_row *from) {
    if (into->n_layers > 0 || from->n_layers == 0)
        return true;
    into->layers = fr_alloc_array(from->n_layers, sizeof *into->layers);
    if (!into->layers)
        return false;
    memcpy(into->layers, from->layers, from->n_layers * sizeof *into->layers);
    into->n_layers = from->n_layers;
    return true;
}

/* Wrong once is wrong. What failed once and worked another time has figures. */
static void merge_verdict(cmp_row *into, const cmp_row *from, bool fresh) {
    bool was_wrong = into->check == CMP_WRONG, wrong = was_wrong || from->check == CMP_WRONG;
    bool failed = wrong || (from->failed && (fresh || into->failed));
    if (fresh || (wrong && !was_wrong))
        cmp_copy_text(into->reason, sizeof into->reason, from->reason);
    else if (!failed)
        into->reason[0] = '\0';
    into->failed = failed;
    into->check = from->check > into->check ? from->check : into->check;
}

static bool merge_row(cmp_set *set, const cmp_row *from, bool *out_news) {
    size_t before = set->n_rows, added;
    cmp_row *into = cmp_set_row(set, from);
    if (!into)
        return false;
    bool fresh = set->n_rows > before;
    if (!merge_visits(into, from, &added) || !merge_layers(into, from))
        return false;
    if (added > 0)
        into->runs += (int64_t)((double)from->runs * (double)added / (double)from->n_visits + 0.5);
    merge_verdict(into, from, fresh);
    keep_larger(&into->max_error, from->max_error);
    keep_larger(&into->planned_bytes, from->planned_bytes);
    keep_larger(&into->peak_bytes, from->peak_bytes);
    keep_known(&into->ops_per_image, from->ops_per_image);
    keep_known(&into->weight_bytes, from->weight_bytes);
    keep_known(&into->open_ms, from->open_ms);
    keep_known(&into->first_ms, from->first_ms);
    keep_text(into->command, sizeof into->command, from->command);
    *out_news |= fresh || added > 0;
    return true;
}

bool cmp_set_add(cmp_set *set, const cmp_row *row) {
    bool news = false;
    return merge_row(set, row, &news);
}

static bool merge_device(cmp_set *set, const cmp_device *from) {
    cmp_device *into = cmp_set_device(set, from->machine, from->id);
    if (!into)
        return false;
    keep_text(into->backend, sizeof into->backend, from->backend);
    keep_text(into->title, sizeof into->title, from->title);
    keep_text(into->name, sizeof into->name, from->name);
    keep_text(into->driver, sizeof into->driver, from->driver);
    keep_text(into->features, sizeof into->features, from->features);
    keep_text(into->clocks, sizeof into->clocks, from->clocks);
    into->units = into->units > 0 ? into->units : from->units;
    into->memory_bytes = into->memory_bytes > 0 ? into->memory_bytes : from->memory_bytes;
    keep_known(&into->bandwidth, from->bandwidth);
    for (int p = 0; p < FR_PRECISIONS; p++) {
        keep_known(&into->peak[p], from->peak[p]);
        keep_known(&into->staircase_quantum[p], from->staircase_quantum[p]);
    }
    return into->profile || !from->profile || cmp_device_profile(into, from->profile_root);
}

int cmp_set_merge(cmp_set *into, const cmp_set *from) {
    bool empty = into->n_machines == 0 && into->n_rows == 0, whole = true, news = empty;
    for (size_t i = 0; i < from->n_machines && whole; i++)
        whole = cmp_set_machine(into, &from->machines[i]) != NULL;
    for (size_t i = 0; i < from->n_devices && whole; i++)
        whole = merge_device(into, &from->devices[i]);
    for (size_t i = 0; i < from->n_rows && whole; i++)
        whole = merge_row(into, &from->rows[i], &news);
    if (!whole) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    if (news)
        into->seconds += from->seconds;
    into->interrupted |= from->interrupted;
    cmp_copy_text(into->command, sizeof into->command, empty ? from->command : "merged");
    return CLI_DONE;
}
