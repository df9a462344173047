#include "cli/rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "cli/cli.h"
#include "cli/table.h"
#include "formats/npy.h"

static int out_of_memory(void) {
    cli_complain("out of memory");
    return CLI_FAILED;
}

static int put_text(cli_rows *rows, fr_text *text) {
    int code = text->failed ? out_of_memory() : cli_output_put(&rows->out, text->data, text->length);
    fr_text_free(text);
    return code;
}

int cli_rows_begin(cli_rows *rows, const char *path, cli_format format, int32_t top, int32_t classes) {
    *rows = (cli_rows){.format = format, .top = top < classes ? top : classes, .classes = classes};
    return cli_output_begin(path, &rows->out);
}

static int put_head(cli_rows *rows) {
    if (rows->begun || rows->format != CLI_CSV)
        return CLI_DONE;
    rows->begun = true;
    fr_text head = {0};
    fr_text_add(&head, "image");
    for (int32_t k = 1; k <= rows->top; k++)
        fr_text_add(&head, ",class%d,score%d", k, k);
    fr_text_add(&head, "\n");
    return put_text(rows, &head);
}

/* The best class that comes after `last` in the order of the rows: by score, then by number; NaN comes last of all. -1 = start. */
static int32_t next_best(const float *scores, int32_t classes, int32_t last) {
    int32_t best = -1;
    for (int32_t c = 0; c < classes; c++) {
        float s = isnan(scores[c]) ? -INFINITY : scores[c];
        if (last >= 0) {
            float limit = isnan(scores[last]) ? -INFINITY : scores[last];
            if (s > limit || (s == limit && c <= last))
                continue;
        }
        if (best < 0 || s > (isnan(scores[best]) ? -INFINITY : scores[best]))
            best = c;
    }
    return best;
}

/* The shortest decimal that reads back as the same float, as a double. */
static double short_decimal(float value) {
    char text[32];
    for (int digits = 6; digits <= 9 && isfinite(value); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (strtof(text, NULL) == value)
            return strtod(text, NULL);
    }
    return (double)value;
}

static int add_csv(cli_rows *rows, const char *name, const float *scores) {
    fr_text line = {0};
    cli_csv_text(&line, name);
    for (int32_t k = 0, best = -1; k < rows->top; k++) {
        best = next_best(scores, rows->classes, best);
        fr_text_add(&line, ",%d,%.9g", best, short_decimal(scores[best]));
    }
    fr_text_add(&line, "\n");
    return put_text(rows, &line);
}

static int add_jsonl(cli_rows *rows, const char *name, const float *scores) {
    fr_json_writer w = {.indent = 0};
    fr_json_begin_object(&w);
    fr_json_int_member(&w, "index", rows->count);
    fr_json_string_member(&w, "image", name);
    fr_json_key(&w, "top");
    fr_json_begin_array(&w);
    for (int32_t k = 0, best = -1; k < rows->top; k++) {
        best = next_best(scores, rows->classes, best);
        fr_json_begin_object(&w);
        fr_json_int_member(&w, "class", best);
        fr_json_number_member(&w, "score", short_decimal(scores[best]));
        fr_json_end_object(&w);
    }
    fr_json_end_array(&w);
    fr_json_end_object(&w);
    fr_text_add(&w.text, "\n");
    return put_text(rows, &w.text);
}

static int keep_npy(cli_rows *rows, const float *scores) {
    size_t row = (size_t)rows->classes, count = (size_t)rows->count;
    if (count == rows->capacity) {
        size_t capacity = rows->capacity ? 2 * rows->capacity : 1024;
        float *grown = fr_grow_array(rows->all, rows->capacity, capacity, row * sizeof *grown);
        if (!grown)
            return out_of_memory();
        rows->all = grown;
        rows->capacity = capacity;
    }
    memcpy(rows->all + count * row, scores, row * sizeof *scores);
    return CLI_DONE;
}

int cli_rows_add(cli_rows *rows, const char *name, const float *scores) {
    int code = put_head(rows);
    if (code != CLI_DONE)
        return code;
    switch (rows->format) {
    case CLI_CSV: code = add_csv(rows, name, scores); break;
    case CLI_JSONL: code = add_jsonl(rows, name, scores); break;
    case CLI_NPY: code = keep_npy(rows, scores); break;
    }
    rows->count++;
    return code;
}

int cli_rows_flush(cli_rows *rows) {
    return rows->format == CLI_NPY || rows->out.path ? CLI_DONE : cli_output_commit(&rows->out);
}

static int write_npy(cli_rows *rows) {
    const fr_shape shape = {.rank = 2, .dim = {rows->count, rows->classes}};
    char *header;
    size_t bytes;
    fr_status status = fr_npy_header(FR_F32, &shape, &header, &bytes);
    if (status != FR_OK)
        return cli_failed_here(status);
    int code = cli_output_put(&rows->out, header, bytes);
    fr_free(header);
    bytes = (size_t)rows->count * (size_t)rows->classes * sizeof *rows->all;
    return code == CLI_DONE && bytes > 0 ? cli_output_put(&rows->out, rows->all, bytes) : code;
}

int cli_rows_end(cli_rows *rows) {
    int code = rows->format == CLI_NPY ? write_npy(rows) : put_head(rows);
    if (code == CLI_DONE)
        code = cli_output_commit(&rows->out);
    cli_rows_abandon(rows);
    return code;
}

void cli_rows_abandon(cli_rows *rows) {
    cli_output_abandon(&rows->out);
    fr_free(rows->all);
    rows->all = NULL;
}
