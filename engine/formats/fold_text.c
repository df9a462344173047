/* The statements of a .fold text: head lines, names of results, repeats and units. The layers are in fold_text_layers.c. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "formats/fold_text_parts.h"
#include "graph/ops.h"

/* ---- head lines ---- */

static fr_status read_model(ft_parser *p) {
    char name[FT_MAX_NAME + 1], *title;
    ft_word word, quoted = {0};
    if (p->graph)
        return ft_wrong(p, "a second 'model' line");
    FR_TRY(ft_name(p, "the model's name", &word));
    if (ft_peek(p).quoted) {
        quoted = ft_peek(p);
        p->at++;
    }
    snprintf(name, sizeof name, "%.*s", word.length, word.text);
    title = fr_format("%.*s", quoted.length, quoted.text ? quoted.text : "");
    if (!title)
        return fr_no_memory((size_t)quoted.length + 1, "a model's title");
    fr_status status = fr_graph_new(name, title, &p->graph);
    fr_free(title);
    return status;
}

static void set_meta(ft_parser *p, int32_t channels) {
    fr_meta *meta = &p->graph->meta;
    meta->fold = 1;
    meta->image_channels = channels;
    meta->hidden_input = p->hidden;
    meta->seeded = true;
    for (int32_t c = 0; c < FR_MAX_IMAGE_CHANNELS; c++) {
        meta->mean[c] = 0;
        meta->scale[c] = 1.0f / 255;
    }
    snprintf(meta->origin, sizeof meta->origin, "%s", p->where);
}

/* input [hidden] CHANNELSxHEIGHTxWIDTH */
static fr_status read_input(ft_parser *p) {
    int32_t dims[3], count;
    if (p->current >= 0)
        return ft_wrong(p, "a second 'input' line");
    p->hidden = ft_accept(p, "hidden");
    FR_TRY(ft_sizes(p, "CHANNELSxHEIGHTxWIDTH", 1, FT_MAX_SIDE, 3, 3, dims, &count));
    if (!p->hidden && dims[0] > FR_MAX_IMAGE_CHANNELS)
        return ft_wrong(
            p, "images have at most %d channels, not %d; a layer from the middle of a network says 'input hidden'",
            FR_MAX_IMAGE_CHANNELS, dims[0]);
    fr_shape shape = {.rank = 4, .dim = {1, dims[0], dims[1], dims[2]}};
    if (fr_shape_elements(&shape) > FT_MAX_ELEMENTS)
        return ft_wrong(p, "an input of more than 2^31 numbers");
    FR_TRY(ft_within(p, fr_graph_add_input(p->graph, "input", FR_F32, &shape, &p->current)));
    set_meta(p, dims[0]);
    p->points[p->n_points++] = (ft_point){{"input", 5, false}, p->current};
    return FR_OK;
}

static fr_status read_classes(ft_parser *p) {
    p->classes_line = p->line->number;
    return ft_int(p, "a number of classes", 1, FT_MAX_CHANNELS, &p->classes);
}

/* mean N... and scale N...: one number for all channels of an image, or one for each */
static fr_status read_scaling(ft_parser *p, const char *what, float *out) {
    int32_t channels = p->graph->meta.image_channels, count = 0;
    if (p->hidden)
        return ft_wrong(p, "'%s' is for images; this input is a hidden layer's", what);
    while (ft_peek(p).text && count < channels)
        FR_TRY(ft_float(p, what, &out[count++]));
    if (count != 1 && count != channels)
        return ft_expected(p, "one number, or one for each of %d channels", channels);
    for (int32_t c = count; c < channels; c++)
        out[c] = out[0];
    return FR_OK;
}

/* ---- names of results ---- */

int32_t ft_find_point(const ft_parser *p, ft_word name) {
    for (int32_t i = 0; i < p->n_points; i++)
        if (ft_same(p->points[i].name, name))
            return p->points[i].value;
    return -1;
}

/* as NAME: a name used before now means this result. */
static fr_status read_as(ft_parser *p) {
    ft_word name;
    FR_TRY(ft_name(p, "a name for the result", &name));
    for (int32_t i = 0; i < p->n_points; i++) {
        if (ft_same(p->points[i].name, name)) {
            p->points[i].value = p->current;
            return FR_OK;
        }
    }
    if (p->n_points == FT_MAX_POINTS)
        return ft_wrong(p, "more than %d names", FT_MAX_POINTS);
    p->points[p->n_points++] = (ft_point){name, p->current};
    return FR_OK;
}

static fr_status read_from(ft_parser *p) {
    ft_word word = ft_peek(p), name;
    FR_TRY(ft_name(p, "the name of an earlier result", &name));
    int32_t value = ft_find_point(p, name);
    if (value < 0)
        return ft_wrong(p, "expected the name of an earlier result, found '%.*s'", word.length, word.text);
    p->current = value;
    return FR_OK;
}

/* ---- repeats and units ---- */

static fr_status run_lines(ft_parser *p, int32_t begin, int32_t end);

static ft_word first_word(const ft_parser *p, int32_t line) {
    return p->words[p->lines[line].first];
}

/* The `end` that belongs to the repeat or unit on line `begin`. */
static fr_status find_end(ft_parser *p, int32_t begin, int32_t limit, int32_t *out_end) {
    int32_t open = 0;
    for (int32_t i = begin; i < limit; i++) {
        ft_word word = first_word(p, i);
        if (ft_is(word, "repeat") || ft_is(word, "unit"))
            open++;
        else if (ft_is(word, "end") && --open == 0) {
            *out_end = i;
            return FR_OK;
        }
    }
    return ft_wrong(p, "expected an 'end' below, found none");
}

static fr_status end_of_line(const ft_parser *p) {
    return ft_peek(p).text ? ft_expected(p, "the end of the line") : FR_OK;
}

static fr_status enter(ft_parser *p) {
    if (p->depth == FT_MAX_DEPTH)
        return ft_wrong(p, "repeats and units more than %d deep", FT_MAX_DEPTH);
    p->depth++;
    return FR_OK;
}

static fr_status run_repeat(ft_parser *p, int32_t begin, int32_t limit, int32_t *out_end) {
    int32_t times;
    FR_TRY(ft_int(p, "a number of times", 1, FT_MAX_LAYERS, &times));
    FR_TRY(end_of_line(p));
    FR_TRY(find_end(p, begin, limit, out_end));
    FR_TRY(enter(p));
    for (int32_t i = 0; i < times; i++)
        FR_TRY(run_lines(p, begin + 1, *out_end));
    p->depth--;
    return FR_OK;
}

static const ft_unit *unit_of(const ft_parser *p, ft_word name) {
    for (int32_t i = 0; i < p->n_units; i++)
        if (ft_same(p->units[i].name, name) && !name.quoted)
            return &p->units[i];
    return NULL;
}

static bool is_statement(ft_word word) {
    static const char *const words[] = {"model", "input", "classes", "mean", "scale",
                                        "as",    "from",  "repeat",  "unit", "end"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (ft_is(word, words[i]))
            return true;
    return ft_is_layer(word);
}

/* unit NAME PARAMETER...: kept for later use */
static fr_status read_unit(ft_parser *p, int32_t begin, int32_t limit, int32_t *out_end) {
    ft_word name, parameter;
    if (p->depth > 0)
        return ft_wrong(p, "a unit inside a repeat or another unit");
    FR_TRY(ft_name(p, "the unit's name", &name));
    if (is_statement(name) || unit_of(p, name))
        return ft_wrong(p, "the name '%.*s' is taken", name.length, name.text);
    while (ft_peek(p).text)
        FR_TRY(ft_name(p, "a parameter's name", &parameter));
    if (p->line->count - 2 > FT_MAX_PARAMETERS)
        return ft_wrong(p, "a unit of more than %d parameters", FT_MAX_PARAMETERS);
    if (p->n_units == FT_MAX_UNITS)
        return ft_wrong(p, "more than %d units", FT_MAX_UNITS);
    FR_TRY(find_end(p, begin, limit, out_end));
    p->units[p->n_units++] = (ft_unit){name, begin, *out_end};
    return FR_OK;
}

static fr_status run_unit(ft_parser *p, const ft_unit *unit) {
    const ft_line *header = &p->lines[unit->header], *used = p->line;
    ft_frame frame = {.header = header, .used_on = used->number};
    const ft_frame *outer = p->frame;
    for (int32_t i = 2; i < header->count; i++) {
        ft_word name = p->words[header->first + i];
        frame.args[i - 2] = ft_peek(p);
        if (!frame.args[i - 2].text)
            return ft_expected(p, "the unit's '%.*s'", name.length, name.text);
        p->at++;
    }
    FR_TRY(end_of_line(p));
    FR_TRY(enter(p));
    p->frame = &frame;
    fr_status status = run_lines(p, unit->header + 1, unit->end);
    p->frame = outer;
    p->depth--;
    return status;
}

/* ---- lines ---- */

/* A line before `input`. *out_done false: it belongs after it. */
static fr_status run_head_line(ft_parser *p, ft_word word, bool *out_done) {
    *out_done = true;
    if (!p->graph && !ft_is(word, "model")) {
        p->at = 0;
        return ft_expected(p, "the first line to be 'model NAME \"TITLE\"'");
    }
    if (ft_is(word, "model"))
        return read_model(p);
    if (ft_is(word, "input"))
        return read_input(p);
    *out_done = ft_is(word, "classes") || ft_is(word, "unit");
    if (ft_is(word, "classes"))
        return read_classes(p);
    if (!*out_done && p->current < 0) {
        p->at = 0;
        return ft_expected(p, "'input CHANNELSxHEIGHTxWIDTH' before anything else");
    }
    return FR_OK;
}

static fr_status run_body_line(ft_parser *p, ft_word word) {
    if (ft_is(word, "mean"))
        return read_scaling(p, "mean", p->graph->meta.mean);
    if (ft_is(word, "scale"))
        return read_scaling(p, "scale", p->graph->meta.scale);
    if (ft_is(word, "from"))
        return read_from(p);
    if (ft_is(word, "as"))
        return read_as(p);
    if (!ft_is_layer(word)) {
        p->at = 0;
        return ft_expected(p, "a layer (conv, dwconv, fc, maxpool, ...), a unit of this file, repeat, from or as");
    }
    FR_TRY(ft_layer(p, word));
    return ft_accept(p, "as") ? read_as(p) : FR_OK;
}

/* Carries out the line at *io_at and leaves *io_at on the last line that belongs to it. */
static fr_status run_line(ft_parser *p, int32_t *io_at, int32_t limit) {
    int32_t begin = *io_at;
    bool done;
    p->line = &p->lines[begin];
    p->at = 0;
    if (++p->n_statements > FT_MAX_STATEMENTS)
        return ft_wrong(p, "more than %d lines to carry out, repeats counted", FT_MAX_STATEMENTS);
    ft_word word = first_word(p, begin);
    p->at = 1;
    FR_TRY(run_head_line(p, word, &done));
    if (ft_is(word, "unit"))
        return read_unit(p, begin, limit, io_at);
    if (ft_is(word, "repeat"))
        return run_repeat(p, begin, limit, io_at);
    const ft_unit *unit = unit_of(p, word);
    if (unit)
        return run_unit(p, unit);
    if (!done)
        FR_TRY(run_body_line(p, word));
    return end_of_line(p);
}

static fr_status run_lines(ft_parser *p, int32_t begin, int32_t end) {
    for (int32_t i = begin; i < end; i++)
        FR_TRY(run_line(p, &i, end));
    return FR_OK;
}

/* ---- the whole ---- */

static fr_status finish(ft_parser *p) {
    fr_graph *graph = p->graph;
    if (!graph)
        return fr_fail(FR_INVALID, "%s:1: expected the first line to be 'model NAME \"TITLE\"', found nothing",
                       p->where);
    if (graph->n_nodes == 0)
        return fr_fail(FR_INVALID, "%s:%d: expected an input and a layer, found the end of the text", p->where,
                       p->lines[p->n_lines - 1].number);
    char *name = fr_strdup("output");
    if (!name)
        return fr_no_memory(7, "a name");
    fr_free(graph->values[p->current].name);
    graph->values[p->current].name = name;
    FR_TRY(fr_graph_add_output(graph, p->current));
    for (int32_t i = 0; i < graph->n_nodes; i++)
        if (!fr_graph_is_used(graph, graph->nodes[i].outputs[0]))
            return fr_fail(FR_INVALID,
                           "%s:%d: nothing uses what %s makes: use it with 'from', 'add' or 'concat', or leave it out",
                           p->where, p->node_lines[i], graph->nodes[i].name);
    const fr_shape *out = &graph->values[p->current].shape;
    if (out->rank == 2)
        graph->meta.classes = (int32_t)(out->dim[1] <= INT32_MAX ? out->dim[1] : 0);
    if (p->classes && p->classes != graph->meta.classes)
        return fr_fail(FR_INVALID, "%s:%d: expected %d classes, found a last layer that makes %d", p->where,
                       p->classes_line, p->classes, graph->meta.classes);
    return fr_graph_infer(graph, 1);
}

fr_status fr_fold_text_parse(const char *text, size_t bytes, const char *where, fr_graph **out_graph) {
    fr_status status;
    *out_graph = NULL;
    ft_parser *p = fr_alloc(sizeof *p);
    if (!p)
        return fr_no_memory(sizeof *p, "a model's text");
    p->where = where;
    p->current = -1;
    FR_GO(done, ft_split(p, text, bytes));
    FR_GO(done, run_lines(p, 0, p->n_lines));
    FR_GO(done, finish(p));
    *out_graph = p->graph;
    p->graph = NULL;
done:
    fr_graph_free(p->graph);
    fr_free(p->lines);
    fr_free(p->words);
    fr_free(p);
    return status;
}
