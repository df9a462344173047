/* What the page says beside its tables of rows: pictures, devices with their layers, machines, the method, the raw rows. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/report.h"
#include "cli/svg.h"
#include "cli/table.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

void report_figure(report_page *page, fr_text *chart, const char *caption, const char *command) {
    page->out->failed |= chart->failed;
    if (chart->length > 0) {
        page->boxes++;
        fr_text_add(page->out, "<figure><div class=\"box\" role=\"group\" tabindex=\"0\" aria-labelledby=\"b%zu\">\n",
                    page->boxes);
        fr_text_add_bytes(page->out, chart->data, chart->length);
        fr_text_add(page->out, "</div><figcaption id=\"b%zu\">", page->boxes);
        svg_escape(page->out, caption);
        if (command && command[0]) {
            fr_text_add(page->out, " The device was measured by <code>");
            svg_escape(page->out, command);
            fr_text_add(page->out, "</code>.");
        }
        fr_text_add(page->out, "</figcaption></figure>\n");
    }
    fr_text_free(chart);
}

/* ---- facts: a list of names and what they are; what is empty is left out ---- */

static void fact(fr_text *out, const char *name, const char *fmt, ...) FR_PRINTF(3, 4);
static void fact(fr_text *out, const char *name, const char *fmt, ...) {
    char words[1024];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(words, sizeof words, fmt, args) < 0)
        words[0] = '\0';
    va_end(args);
    if (!words[0])
        return;
    fr_text_add(out, "<dt>%s</dt><dd>", name);
    svg_escape(out, words);
    fr_text_add(out, "</dd>\n");
}

static bool is_known(double value) {
    return isfinite(value) && value > 0;
}

/* "f32 123, bf16 456" of those that are known; whole numbers in units of 1. */
static void add_by_precision(const double *values, double unit, char *out, size_t bytes) {
    size_t used = 0;
    bool whole = unit == 1;
    out[0] = '\0';
    for (int p = 0; p < FR_PRECISIONS; p++) {
        if (!is_known(values[p]) || used >= bytes)
            continue;
        int length = snprintf(out + used, bytes - used, "%s%s %s", used ? ", " : "", fr_precision_name((fr_precision)p),
                              whole && values[p] < 1e15 ? cli_integer((int64_t)values[p]).text
                                                        : cli_real(values[p] / unit).text);
        used += length > 0 ? (size_t)length : 0;
    }
}

static void device_facts(report_page *page, const cmp_device *d) {
    const cmp_machine *machine = cmp_machine_of(page->set, d->machine);
    char peaks[256], quanta[256];
    fr_text *out = page->out;
    add_by_precision(d->peak, 1e9, peaks, sizeof peaks);
    add_by_precision(d->staircase_quantum, 1, quanta, sizeof quanta);
    fr_text_add(out, "<dl class=\"facts\">\n");
    fact(out, "Machine", "%s", machine ? machine->name : d->machine);
    fact(out, "Backend", "%s", d->title[0] ? d->title : d->backend);
    fact(out, "Driver", "%s", d->driver);
    fact(out, "Features", "%s", d->features);
    if (d->units > 0)
        fact(out, "Units", "%s", cli_integer(d->units).text);
    if (d->memory_bytes > 0)
        fact(out, "Memory", "%s", cli_bytes((double)d->memory_bytes).text);
    if (peaks[0])
        fact(out, "Peak, GFLOP/s", "%s", peaks);
    if (is_known(d->bandwidth))
        fact(out, "Bandwidth", "%s GB/s", cli_real(d->bandwidth / 1e9).text);
    if (quanta[0])
        fact(out, "Channels of a tile", "%s", quanta);
    fact(out, "Clocks meanwhile", "%s", d->clocks);
    fr_text_add(out, "</dl>\n");
}

/* ---- layers ---- */

static void layer_row(report_page *page, const cmp_layer *l) {
    double gflops = is_known(l->ns) && is_known(l->ops) ? l->ops / l->ns : 0;
    double intensity = is_known(l->bytes) && is_known(l->ops) ? l->ops / l->bytes : 0;
    report_row(page);
    report_head_cell(page, NULL, "%s", l->name);
    report_cell(page, NULL, "%s", l->kernel);
    report_number(page, l->ns, NULL, "%s", cli_real(l->ns).text);
    report_number(page, gflops, NULL, "%s", cli_real(gflops).text);
    report_number(page, intensity, NULL, "%s", cli_real(intensity).text);
    report_row_end(page, NULL, NULL);
}

static void layer_table(report_page *page, const cmp_row *row) {
    static const char *const heads[] = {"Layer", "Kernel", "ns an image<", "GFLOP/s>", "Operations a byte>"};
    report_table(page, heads, COUNT(heads), "%s, f = %d, %s, batch %s, layer by layer", row->model, row->fold,
                 row->precision, cli_integer(row->batch).text);
    for (size_t i = 0; i < row->n_layers; i++)
        layer_row(page, &row->layers[i]);
    report_table_end(page);
    if (row->command[0]) {
        fr_text_add(page->out, "<p><code>");
        svg_escape(page->out, row->command);
        fr_text_add(page->out, "%s</code></p>\n", strncmp(row->command, "foldrun bench ", 14) == 0 ? " --layers" : "");
    }
}

/* The fastest row of the device that has layers: plain, or folded. */
static const cmp_row *best_with_layers(const cmp_set *model, const cmp_device *d, bool folded) {
    const cmp_row *best = NULL;
    for (size_t i = 0; i < model->n_rows; i++) {
        const cmp_row *row = &model->rows[i];
        if (row->n_layers > 0 && cmp_row_worked(row) && (row->fold > 1) == folded && strcmp(row->device, d->id) == 0 &&
            strcmp(row->machine, d->machine) == 0 && (!best || row->rate.median > best->rate.median))
            best = row;
    }
    return best;
}

static void layers(report_page *page, const cmp_device *d, const report_models *models) {
    size_t shown = 0;
    for (size_t i = 0; i < models->count; i++)
        for (int folded = 0; folded < 2; folded++) {
            const cmp_row *row = best_with_layers(&models->at[i], d, folded == 1);
            if (!row)
                continue;
            if (shown++ == 0)
                fr_text_add(page->out, "<details><summary>The layers, plain and folded</summary>\n");
            layer_table(page, row);
        }
    if (shown > 0)
        fr_text_add(page->out, "</details>\n");
}

void report_device(report_page *page, const cmp_device *d, const report_models *models) {
    fr_text chart = {0};
    char command[96] = "";
    if (d->profile_root)
        snprintf(command, sizeof command, "foldrun profile --device %.40s", d->id);
    fr_text_add(page->out, "<h3>");
    report_words(page->out, "%s%s%s", d->id, d->name[0] ? ": " : "", d->name);
    fr_text_add(page->out, "</h3>\n");
    device_facts(page, d);
    cmp_chart_roofline(page->set, d, &chart);
    report_figure(
        page, &chart,
        "Roofline: what each layer reaches, under what the arithmetic and the memory allow. Above the slope lie "
        "layers whose maps stay in a cache, above the level those whose kernels do fewer operations than are "
        "counted (Winograd). The commands of the layers stand beneath.",
        command);
    layers(page, d, models);
    cmp_chart_staircase(d, &chart);
    report_figure(page, &chart,
                  "Staircases: the time of a step as its channels grow shows the tiles that the device works in.",
                  command);
}

/* ---- the machines and the method ---- */

void report_machines(report_page *page) {
    static const char *const heads[] = {"Machine", "Processor", "Cores>", "Memory>", "System"};
    if (page->set->n_machines == 0)
        return;
    report_table(page, heads, COUNT(heads), "The machines");
    for (size_t i = 0; i < page->set->n_machines; i++) {
        const cmp_machine *m = &page->set->machines[i];
        report_row(page);
        report_head_cell(page, NULL, "%s", m->name[0] ? m->name : m->id);
        report_cell(page, NULL, "%s", m->host.cpu);
        report_number(page, m->host.cores, NULL, "%d", m->host.cores);
        report_number(page, (double)m->host.memory_bytes, NULL, "%s", cli_bytes((double)m->host.memory_bytes).text);
        report_cell(page, NULL, "%s", m->host.os);
        report_row_end(page, NULL, NULL);
    }
    report_table_end(page);
}

static const char method[] =
    "<ul class=\"plain\">\n"
    "<li>A row is a configuration: a model, folded by f or not, on a device, in a precision and a batch. With f "
    "&gt; 1, f images ride in the channels of one input. That is another network, which must be trained; here its "
    "speed is measured, not its accuracy.</li>\n"
    "<li>The configurations are visited by turns, in random order, so that a clock that drifts meets them all "
    "alike. A visit is a fresh session with kernels that were chosen before: a first run, which is timed by itself, "
    "a warm-up, and runs for a slice of time, whose median is the visit.</li>\n"
    "<li>Images/s is the median of the visits. Beneath it stands the interval that holds it, 95 times in a hundred, "
    "read off the visits by their order; of few visits it is the least and the largest. No shape of their spread is "
    "assumed. Where two intervals overlap, there is no difference to speak of, and the rows share a rank. Fewer "
    "than three visits are not ranked.</li>\n"
    "<li>Before a figure counts, the answers are compared with those of the reference, which computes in double "
    "precision. Off by: the largest difference, as a share of the largest score.</li>\n"
    "<li>A speed-up is over the same engine's best f = 1 on the same device: its best batch, and its best precision "
    "of the same class of accuracy (f64, f32 and tf32; f16 and bf16; int8).</li>\n"
    "<li>Memory is the most that the engine held, and what it had planned; the first answer takes the opening of a "
    "session and its first run.</li>\n"
    "<li>The command beneath a row measures that row alone.</li>\n"
    "</ul>\n";

void report_method(report_page *page) {
    const cmp_set *set = page->set;
    fr_text_add(page->out, "%s", method);
    if (strcmp(set->command, "merged") == 0) {
        fr_text_add(page->out, "<p>Put together from several files, %s s of measuring in all.</p>\n",
                    cli_real(set->seconds).text);
    } else if (set->command[0]) {
        fr_text_add(page->out, "<p>%s by <code>", is_known(set->seconds) ? "Measured" : "Made");
        svg_escape(page->out, set->command);
        fr_text_add(page->out, "</code>");
        if (is_known(set->seconds))
            report_words(page->out, " in %s s", cli_real(set->seconds).text);
        fr_text_add(page->out, ".</p>\n");
    }
}

/* ---- the raw rows ---- */

static void add_base64(fr_text *out, const char *data, size_t bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char piece[1024];
    size_t used = 0;
    for (size_t i = 0; i < bytes; i += 3) {
        size_t left = bytes - i;
        uint32_t bits = (uint32_t)(unsigned char)data[i] << 16;
        bits |= left > 1 ? (uint32_t)(unsigned char)data[i + 1] << 8 : 0;
        bits |= left > 2 ? (uint32_t)(unsigned char)data[i + 2] : 0;
        piece[used++] = digits[bits >> 18];
        piece[used++] = digits[bits >> 12 & 63];
        piece[used++] = '=';
        piece[used++] = '=';
        if (left > 1)
            piece[used - 2] = digits[bits >> 6 & 63];
        if (left > 2)
            piece[used - 1] = digits[bits & 63];
        if (used == sizeof piece || left <= 3) {
            fr_text_add_bytes(out, piece, used);
            used = 0;
        }
    }
}

/* In the page itself, so that it needs neither a server nor a script. Frees the text. */
static void download(fr_text *out, fr_text *data, const char *type, const char *file, const char *words) {
    out->failed |= data->failed;
    if (data->length > 0) {
        fr_text_add(out, "<li><a download=\"%s\" href=\"data:%s;base64,", file, type);
        add_base64(out, data->data, data->length);
        fr_text_add(out, "\">%s</a>, %s</li>\n", words, cli_bytes((double)data->length).text);
    }
    fr_text_free(data);
}

void report_downloads(report_page *page) {
    fr_json_writer json = {.indent = 0};
    fr_text csv = {0};
    cmp_set_put(page->set, &json);
    cmp_print(page->set, CMP_CSV, &csv);
    fr_text_add(page->out, "<ul class=\"plain\">\n");
    download(page->out, &json.text, "application/json", "results.json",
             "All rows with their visits and layers, machines and devices, as JSON");
    download(page->out, &csv, "text/csv;charset=utf-8", "results.csv", "The rows, as CSV for a spreadsheet");
    fr_text_add(page->out, "</ul>\n");
}
