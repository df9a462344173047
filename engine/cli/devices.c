#include "cli/models_common.h"
#include "cli/output.h"
#include "cli/table.h"

static const char *kind_word(uint32_t kind) {
    switch (kind) {
    case FR_DEVICE_CPU: return "cpu";
    case FR_DEVICE_GPU: return "gpu";
    case FR_DEVICE_INTEGRATED: return "integrated gpu";
    default: return "other";
    }
}

static bool has_precision(const fr_device_facts *facts, int precision) {
    return (facts->precisions >> precision & 1u) != 0;
}

static void add_row(cli_table *table, const fr_device_entry *e) {
    fr_text precisions = {0};
    for (int p = FR_PRECISION_F32; p < FR_PRECISIONS; p++)
        if (has_precision(&e->facts, p))
            fr_text_add(&precisions, "%s%s", precisions.length ? " " : "", fr_precision_name((fr_precision)p));
    cli_table_cell(table, "%s", e->id);
    cli_table_cell(table, "%s", e->facts.name);
    cli_table_cell(table, "%s%s", kind_word(e->facts.kind), e->facts.flags & FR_DEVICE_SOFTWARE ? " (software)" : "");
    cli_table_cell(table, "%u", e->facts.units);
    cli_table_cell(table, "%s", cli_bytes((double)e->facts.memory_bytes).text);
    cli_table_cell(table, "%s", precisions.data ? precisions.data : "");
    cli_table_cell(table, "%s", e->facts.driver);
    fr_text_free(&precisions);
}

static void add_details(fr_text *text, const fr_device_entry *e) {
    const fr_device_facts *facts = &e->facts;
    fr_text_add(text, "\n%s\n  backend   %s\n", e->id, e->title);
    if (facts->vendor[0])
        fr_text_add(text, "  vendor    %s\n", facts->vendor);
    fr_text_add(text, "  driver    %s\n", facts->driver);
    if (facts->features[0])
        fr_text_add(text, "  features  %s\n", facts->features);
    if (facts->uuid[0])
        fr_text_add(text, "  uuid      %s\n", facts->uuid);
}

static int print_table(const fr_device_entry *entries, size_t count, bool details) {
    static const char *const head[] = {"DEVICE", "NAME", "KIND", "UNITS", "MEMORY", "PRECISIONS", "DRIVER"};
    cli_table table = {.columns = "lllrrll"};
    fr_text text = {0};
    cli_table_cells(&table, head);
    for (size_t i = 0; i < count; i++)
        if (entries[i].status == FR_OK)
            add_row(&table, &entries[i]);
    cli_table_print(&table, &text);
    for (size_t i = 0; details && i < count; i++)
        if (entries[i].status == FR_OK)
            add_details(&text, &entries[i]);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (entries[i].status == FR_OK)
            continue;
        fr_text_add(&text, first ? "\nnot available:\n" : "");
        fr_text_add(&text, "  %s: %s\n", entries[i].id, entries[i].why);
        first = false;
    }
    return cli_print(&text);
}

static void put_facts(fr_json_writer *w, const fr_device_facts *facts) {
    fr_json_string_member(w, "name", facts->name);
    fr_json_string_member(w, "vendor", facts->vendor);
    fr_json_string_member(w, "driver", facts->driver);
    fr_json_string_member(w, "uuid", facts->uuid);
    fr_json_string_member(w, "kind", kind_word(facts->kind));
    fr_json_int_member(w, "units", facts->units);
    fr_json_int_member(w, "lanes", facts->lanes);
    fr_json_int_member(w, "memory_bytes", (int64_t)facts->memory_bytes);
    fr_json_key(w, "cache_bytes");
    fr_json_begin_array(w);
    for (int i = 0; i < 3; i++)
        fr_json_put_int(w, (int64_t)facts->cache_bytes[i]);
    fr_json_end_array(w);
    fr_json_key(w, "precisions");
    fr_json_begin_array(w);
    for (int p = FR_PRECISION_F32; p < FR_PRECISIONS; p++)
        if (has_precision(facts, p))
            fr_json_put_string(w, fr_precision_name((fr_precision)p));
    fr_json_end_array(w);
    fr_json_bool_member(w, "unified_memory", (facts->flags & FR_DEVICE_UNIFIED) != 0);
    fr_json_bool_member(w, "software", (facts->flags & FR_DEVICE_SOFTWARE) != 0);
    fr_json_bool_member(w, "oracle", (facts->flags & FR_DEVICE_ORACLE) != 0);
    fr_json_string_member(w, "features", facts->features);
}

static int print_json(const fr_device_entry *entries, size_t count) {
    fr_json_writer w = {.indent = 2};
    fr_json_begin_object(&w);
    fr_json_string_member(&w, "version", fr_version());
    fr_json_key(&w, "devices");
    fr_json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        const fr_device_entry *e = &entries[i];
        fr_json_begin_object(&w);
        fr_json_string_member(&w, "id", e->id);
        fr_json_string_member(&w, "backend", e->backend);
        fr_json_string_member(&w, "title", e->title);
        fr_json_bool_member(&w, "available", e->status == FR_OK);
        if (e->status == FR_OK)
            put_facts(&w, &e->facts);
        else
            fr_json_string_member(&w, "why", e->why);
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    return cli_write_json(NULL, &w);
}

int cli_devices(int argc, char **argv) {
    static const cli_usage usage = {
        .line = "devices [options]",
        .about = "Lists every device of every backend; for a backend that cannot open, why, and what to do.\n",
        .examples = "  foldrun devices\n  foldrun devices --details\n  foldrun devices --json | jq -r '.devices[] | "
                    "select(.available) | .id'\n",
    };
    bool json = false, details = false;
    const cli_option options[] = {
        {"details", 0, CLI_FLAG, NULL, &details, "also each device's vendor, and what is used of its hardware", 0, 0},
        CLI_JSON_OPTION(json),
        {.name = NULL}};
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    fr_context *context;
    const fr_device_entry *entries;
    size_t count;
    code = cli_open_context(&context);
    if (code != CLI_DONE)
        return code;
    fr_status status = fr_context_devices(context, &entries, &count);
    if (status != FR_OK)
        code = cli_failed(status);
    else
        code = json ? print_json(entries, count) : print_table(entries, count, details);
    fr_context_free(context);
    return code;
}
