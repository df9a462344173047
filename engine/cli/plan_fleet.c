/* One plan for each of many devices, here and elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "cli/plan.h"
#include "cli/plan_file.h"
#include "cli/table.h"

typedef struct fleet_target {
    char *name;       /* a device, or the path of a profile */
    bool is_profile;  /* of a device that need not be here */
    cli_planned plan; /* its networks are the fleet's */
    char why[512];    /* there is no choice; "" = there is one */
} fleet_target;

typedef struct fleet {
    fleet_target *targets;
    size_t count;
    cli_planned networks;
} fleet;

/* ---- which ---- */

static int add_target(fleet *f, const char *name, size_t bytes, bool is_profile) {
    fleet_target *grown = fr_grow_array(f->targets, f->count, f->count + 1, sizeof *grown);
    if (grown)
        f->targets = grown;
    char *copy = grown ? fr_format("%.*s", (int)bytes, name) : NULL;
    if (!copy) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    f->targets[f->count++] = (fleet_target){.name = copy, .is_profile = is_profile};
    return CLI_DONE;
}

static int add_all_devices(fr_context *context, fleet *f) {
    const fr_device_entry *entries;
    size_t count;
    fr_status status = fr_context_devices(context, &entries, &count);
    int code = status == FR_OK ? CLI_DONE : cli_failed(status);
    for (size_t i = 0; i < count && code == CLI_DONE; i++)
        if (entries[i].status == FR_OK && !(entries[i].facts.flags & FR_DEVICE_ORACLE))
            code = add_target(f, entries[i].id, strlen(entries[i].id), false);
    return code;
}

static int add_devices(fr_context *context, const char *list, fleet *f) {
    int code = CLI_DONE;
    if (strcmp(list, "all") == 0)
        return add_all_devices(context, f);
    for (const char *at = list; code == CLI_DONE; at++) {
        size_t length = strcspn(at, ",");
        if (length == 0)
            return cli_usage_error("--devices: '%s' is not a list like cpu,opencl:0, or all", list);
        code = add_target(f, at, length, false);
        at += length;
        if (*at == '\0')
            break;
    }
    return code;
}

static int add_profiles(const char *folder, fleet *f) {
    char **files;
    size_t count, before = f->count;
    fr_status status = fr_folder_list(folder, &files, &count);
    if (status != FR_OK) {
        cli_failed_here(status);
        return CLI_BAD_INPUT;
    }
    int code = CLI_DONE;
    fr_natural_sort(files, count);
    for (size_t i = 0; i < count; i++) {
        if (code == CLI_DONE && fr_ends_in(files[i], ".json"))
            code = add_target(f, files[i], strlen(files[i]), true);
        fr_free(files[i]);
    }
    fr_free(files);
    if (code == CLI_DONE && f->count == before) {
        cli_complain("folder '%s' holds no .json file: 'foldrun profile' says where a device's profile is", folder);
        code = CLI_BAD_INPUT;
    }
    return code;
}

/* ---- what for each ---- */

static void plan_target(fr_context *context, const fleet *f, fleet_target *t) {
    t->plan = f->networks;
    t->plan.options.device = t->is_profile ? NULL : t->name;
    t->plan.options.profile = t->is_profile ? t->name : NULL;
    fr_status status = cli_plan_try(context, &t->plan);
    if (status != FR_OK) {
        snprintf(t->why, sizeof t->why, "%.500s", fr_error_message());
    } else if (!cli_plan_choice(&t->plan.result)) {
        fr_text miss = {0};
        cli_plan_miss(&t->plan, &miss);
        snprintf(t->why, sizeof t->why, "%.500s", miss.data ? miss.data : "no option keeps the limits");
        fr_text_free(&miss);
    }
}

/* Of the choice over the best of fold 1; 0 where one of them is missing. */
static double speedup(const fr_plan_result *r) {
    const fr_plan_row *choice = cli_plan_choice(r), *plain = cli_plan_best_plain(r);
    return choice && plain ? cli_plan_ratio(choice, plain) : 0;
}

/* ---- told ---- */

static const char *short_name(const fleet_target *t) {
    return t->is_profile && t->plan.result.device[0] ? cli_file_part(t->name) : t->name;
}

static void add_row(const fleet_target *t, bool labels, cli_table *table) {
    const fr_plan_result *r = &t->plan.result;
    const fr_plan_row *row = cli_plan_choice(r);
    cli_table_cell(table, "%s", short_name(t));
    cli_table_cell(table, "%s", r->name[0] ? r->name : "-");
    if (!row) {
        for (int i = labels ? 0 : 1; i < 8; i++)
            cli_table_cell(table, "-");
        cli_table_cell(table, "%s", t->why);
        return;
    }
    if (labels)
        cli_table_cell(table, "%s", row->label);
    cli_table_cell(table, "%d", row->fold);
    cli_table_cell(table, "%s", cli_widths_word(row).text);
    cli_table_cell(table, "%s", fr_precision_name(row->precision));
    cli_table_cell(table, "%s", fr_schedule_name(row->schedule));
    cli_table_cell(table, "%s", cli_integer(row->batch).text);
    cli_table_cell(table, "%s", cli_real(cli_plan_rate(row)).text);
    if (speedup(r) > 0)
        cli_table_cell(table, "%.2fx", speedup(r));
    else
        cli_table_cell(table, "-");
    cli_table_cell(table, "%s%s%s", row->measured > 0 ? "measured" : "predicted",
                   row->trained || row->fold == 1 ? "" : "; to be trained", r->stale_profile ? "; stale profile" : "");
}

static bool has_note(const fleet_target *t, const char *note, size_t bytes) {
    const char *rest = t->plan.result.notes, *at;
    size_t length;
    while (fr_next_line(&rest, &at, &length))
        if (length == bytes && memcmp(at, note, bytes) == 0)
            return true;
    return false;
}

/* A note once, with whose it is unless it is everybody's. */
static void add_note(const fleet *f, size_t first, const char *note, size_t bytes, fr_text *out) {
    fr_text whose = {0};
    bool all = true;
    for (size_t i = 0; i < f->count; i++) {
        bool has = has_note(&f->targets[i], note, bytes);
        if (has && i < first)
            return;
        if (has)
            fr_text_add(&whose, "%s%s", whose.length > 0 ? ", " : "", short_name(&f->targets[i]));
        all &= has || f->targets[i].plan.result.n_rows == 0;
    }
    if (all)
        fr_text_add(out, "note: %.*s\n", (int)bytes, note);
    else
        fr_text_add(out, "note (%s): %.*s\n", whose.data ? whose.data : "", (int)bytes, note);
    out->failed |= whose.failed;
    fr_text_free(&whose);
}

static void add_notes(const fleet *f, fr_text *out) {
    for (size_t i = 0; i < f->count; i++) {
        const char *rest = f->targets[i].plan.result.notes, *at;
        size_t length;
        while (fr_next_line(&rest, &at, &length))
            if (length > 0)
                add_note(f, i, at, length, out);
    }
}

static int print_table(const fleet *f) {
    static const char *const head[] = {"TARGET",   "NAME",  "NETWORK",  "FOLD",        "WIDTHS", "PRECISION",
                                       "SCHEDULE", "BATCH", "IMAGES/S", "OVER FOLD 1", "BASIS"};
    bool labels = f->networks.variants.folder;
    cli_table table = {.columns = labels ? "lllrlllrrrl" : "llrlllrrrl"};
    fr_text text = {0};
    for (size_t i = 0; i < sizeof head / sizeof head[0]; i++)
        if (labels || i != 2)
            cli_table_cell(&table, "%s", head[i]);
    for (size_t i = 0; i < f->count; i++)
        add_row(&f->targets[i], labels, &table);
    cli_table_print(&table, &text);
    fr_text_add(&text, "\nOVER FOLD 1: the choice over the best of fold 1 on the same device\n");
    add_notes(f, &text);
    return cli_print(&text);
}

static void put_target(const fleet_target *t, fr_json_writer *w) {
    const fr_plan_row *choice = cli_plan_choice(&t->plan.result), *plain = cli_plan_best_plain(&t->plan.result);
    fr_json_begin_object(w);
    fr_json_string_member(w, "target", t->name);
    fr_json_string_member(w, "device", t->plan.result.device);
    fr_json_string_member(w, "name", t->plan.result.name);
    fr_json_string_member(w, "driver", t->plan.result.driver);
    fr_json_bool_member(w, "from_cache", t->plan.result.from_cache);
    fr_json_string_member(w, "profile", t->plan.result.profile);
    fr_json_bool_member(w, "quick_profile", t->plan.result.quick_profile);
    fr_json_bool_member(w, "stale_profile", t->plan.result.stale_profile);
    fr_json_bool_member(w, "drop_unjudged", t->plan.result.drop_unjudged);
    fr_json_key(w, "choice");
    if (choice)
        cli_plan_put_row(&t->plan, choice, false, w);
    else
        fr_json_put_null(w);
    fr_json_key(w, "best_fold_1");
    if (plain)
        cli_plan_put_row(&t->plan, plain, false, w);
    else
        fr_json_put_null(w);
    fr_json_key(w, "speedup");
    if (speedup(&t->plan.result) > 0)
        fr_json_put_number(w, speedup(&t->plan.result));
    else
        fr_json_put_null(w);
    cli_put_lines(w, "notes", t->plan.result.notes);
    fr_json_string_member(w, "why", t->why[0] ? t->why : NULL);
    fr_json_end_object(w);
}

static void put_fleet(const fleet *f, fr_json_writer *w) {
    fr_json_begin_object(w);
    fr_json_string_member(w, "version", fr_version());
    fr_json_string_member(w, "model", f->networks.model);
    cli_plan_put_options(&f->networks.options, w);
    fr_json_key(w, "targets");
    fr_json_begin_array(w);
    for (size_t i = 0; i < f->count; i++)
        put_target(&f->targets[i], w);
    fr_json_end_array(w);
    fr_json_end_object(w);
}

static int print_fleet(const fleet *f, bool json, cli_output *file) {
    fr_json_writer w = {.indent = 2};
    put_fleet(f, &w);
    int code = cli_share_json(file, json, &w);
    if (code == CLI_DONE && !json)
        code = print_table(f);
    for (size_t i = 0; i < f->count && code == CLI_DONE; i++)
        if (!f->targets[i].why[0])
            return CLI_DONE;
    if (code == CLI_DONE) {
        cli_complain("none of the %zu targets has a plan", f->count);
        code = CLI_UNSUPPORTED;
    }
    return code;
}

int plan_fleet(fr_context *context, const plan_request *request, const char *name, cli_output *file) {
    fleet f = {.networks = {.result = {.choice = -1}}};
    int code = cli_plan_check(&request->plan, &f.networks.options);
    if (code == CLI_DONE)
        code = cli_plan_networks(context, &request->plan, name, &f.networks);
    if (code == CLI_DONE && request->devices)
        code = add_devices(context, request->devices, &f);
    if (code == CLI_DONE && request->profiles)
        code = add_profiles(request->profiles, &f);
    for (size_t i = 0; i < f.count && code == CLI_DONE; i++) {
        plan_target(context, &f, &f.targets[i]);
        if (cli_interrupted()) {
            cli_complain("interrupted: %zu of %zu targets had a plan", i, f.count);
            code = CLI_INTERRUPTED;
        }
    }
    if (code == CLI_DONE)
        code = print_fleet(&f, request->json, file);
    for (size_t i = 0; i < f.count; i++) {
        fr_plan_result_free(&f.targets[i].plan.result);
        fr_free(f.targets[i].name);
    }
    fr_free(f.targets);
    cli_plan_free(&f.networks);
    return code;
}
