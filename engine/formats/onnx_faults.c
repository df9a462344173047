/* The one table of everything in a file that foldrun does not run. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formats/onnx_parts.h"

enum { CELL_BYTES = 160 };

static char *cell(const char *text) { /* a copy cut at CELL_BYTES, between characters */
    size_t length = strlen(text);
    if (length <= CELL_BYTES)
        return fr_strdup(text);
    length = CELL_BYTES - 3;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return fr_format("%.*s...", (int)length, text);
}

fr_status fr_onnx_fault_add(fr_onnx_import *in, const char *name, const char *op, const char *advice,
                            const char *why_fmt, ...) {
    if (in->n_faults == in->cap_faults) {
        int32_t room = in->cap_faults ? in->cap_faults * 2 : 16;
        fr_onnx_fault *grown = fr_grow_array(in->faults, (size_t)in->cap_faults, (size_t)room, sizeof *grown);
        if (!grown)
            return fr_no_memory((size_t)room * sizeof *grown, "the table of unsupported nodes");
        in->faults = grown;
        in->cap_faults = room;
    }
    char why[2 * CELL_BYTES];
    va_list args;
    va_start(args, why_fmt);
    vsnprintf(why, sizeof why, why_fmt, args);
    va_end(args);
    fr_onnx_fault *row = &in->faults[in->n_faults++];
    *row = (fr_onnx_fault){{cell(name), cell(op), cell(why), cell(advice)}};
    for (int i = 0; i < FR_ONNX_FAULT_CELLS; i++)
        if (!row->cell[i])
            return fr_no_memory(CELL_BYTES, "the table of unsupported nodes");
    return FR_OK;
}

static int characters(const char *text) {
    int count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static void add_row(fr_text *table, const fr_onnx_fault *row, const int *width) {
    for (int i = 0; i < FR_ONNX_FAULT_CELLS; i++) {
        bool last = i + 1 == FR_ONNX_FAULT_CELLS;
        fr_text_add(table, "%s%*s%s", row->cell[i], last ? 0 : width[i] - characters(row->cell[i]), "",
                    last ? "\n" : "  ");
    }
}

fr_status fr_onnx_faults_report(const fr_onnx_import *in, char **out_report) {
    static char head_name[] = "name", head_op[] = "op", head_why[] = "why", head_advice[] = "what to do";
    static const fr_onnx_fault head = {{head_name, head_op, head_why, head_advice}};
    int width[FR_ONNX_FAULT_CELLS];
    if (in->n_faults == 0)
        return FR_OK;
    for (int i = 0; i < FR_ONNX_FAULT_CELLS; i++) {
        width[i] = characters(head.cell[i]);
        for (int32_t row = 0; row < in->n_faults; row++)
            if (characters(in->faults[row].cell[i]) > width[i])
                width[i] = characters(in->faults[row].cell[i]);
    }
    if (out_report) {
        fr_text table = {0};
        add_row(&table, &head, width);
        for (int32_t row = 0; row < in->n_faults; row++)
            add_row(&table, &in->faults[row], width);
        if (table.failed) {
            fr_text_free(&table);
            return fr_no_memory(CELL_BYTES * (size_t)in->n_faults, "the table of unsupported nodes");
        }
        *out_report = table.data; /* one block: fr_free */
    }
    const char *const *first = (const char *const *)in->faults[0].cell;
    if (in->n_faults == 1)
        return fr_fail(FR_UNSUPPORTED, "%s '%s' can't run: %s (%s)", first[1], first[0], first[2], first[3]);
    return fr_fail(FR_UNSUPPORTED,
                   "%d nodes or tensors of the file can't run, the report lists them all; the first: %s '%s': %s",
                   in->n_faults, first[1], first[0], first[2]);
}

void fr_onnx_faults_free(fr_onnx_import *in) {
    for (int32_t row = 0; row < in->n_faults; row++)
        for (int i = 0; i < FR_ONNX_FAULT_CELLS; i++)
            fr_free(in->faults[row].cell[i]);
    fr_free(in->faults);
    in->faults = NULL;
    in->n_faults = in->cap_faults = 0;
}
