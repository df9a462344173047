/* What the files of the .fold reader share: words of the current line, and layers added to the graph. */
#ifndef FR_FORMATS_FOLD_TEXT_PARTS_H
#define FR_FORMATS_FOLD_TEXT_PARTS_H

#include "formats/fold_text.h"

/* Limits that keep a hostile text from asking for more than a legitimate network could. */
enum {
    FT_MAX_BYTES = 1 << 20,
    FT_MAX_SIDE = 16384,     /* height, width, kernel, stride, pad */
    FT_MAX_CHANNELS = 65536, /* of a map */
    FT_MAX_LAYERS = 4096,
    FT_MAX_STATEMENTS = 65536, /* carried out, repeats counted */
    FT_MAX_DEPTH = 8,          /* repeats and units in one another */
    FT_MAX_NAME = 63,
    FT_MAX_PARAMETERS = 12, /* of a unit */
    FT_MAX_UNITS = 64,
    FT_MAX_POINTS = 1024,
    FT_MAX_SOURCES = 64 /* of a concat */
};
#define FT_MAX_ELEMENTS ((size_t)1 << 31) /* of one map, or one layer's weights */

typedef struct ft_word {
    const char *text;
    int32_t length;
    bool quoted;
} ft_word; /* length 0 and no text: none */
typedef struct ft_line {
    int32_t number, first, count;
} ft_line; /* words[first..first + count) */
typedef struct ft_point {
    ft_word name;
    int32_t value;
} ft_point; /* what `as NAME` names */
typedef struct ft_unit {
    ft_word name;
    int32_t header, end;
} ft_unit; /* lines; the body lies between */

/* A unit being carried out: $name stands for args[i], name being the i-th parameter of its header. */
typedef struct ft_frame {
    const ft_line *header;
    ft_word args[FT_MAX_PARAMETERS];
    int32_t used_on;
} ft_frame;

typedef struct ft_counter {
    const char *prefix;
    int32_t count;
} ft_counter;

typedef struct ft_parser {
    const char *where;
    ft_word *words;
    ft_line *lines;
    int32_t n_words, n_lines;
    const ft_line *line; /* being read */
    int32_t at;          /* next word of it */
    const ft_frame *frame;
    int32_t depth, n_statements, n_layers;
    ft_unit units[FT_MAX_UNITS];
    int32_t n_units;
    ft_point points[FT_MAX_POINTS];
    int32_t n_points;
    ft_counter counters[40];
    fr_graph *graph;
    int32_t node_lines[FT_MAX_LAYERS]; /* by node: the line it came from */
    int32_t current;                   /* value that the next layer reads; -1 before the input */
    bool hidden;
    int32_t classes, classes_line; /* as stated; 0 = not */
} ft_parser;

/* ---- words (fold_text_words.c) ---- */

fr_status ft_split(ft_parser *p, const char *text, size_t bytes) FR_MUST_CHECK;
ft_word ft_peek(const ft_parser *p); /* with a unit's $parameters replaced */
bool ft_is(ft_word word, const char *text);
bool ft_same(ft_word a, ft_word b);
bool ft_accept(ft_parser *p, const char *text); /* takes the next word when it is this one */
fr_status ft_expected(const ft_parser *p, const char *fmt, ...)
    FR_PRINTF(2, 3); /* FR_INVALID: expected ..., found the next word */
fr_status ft_wrong(const ft_parser *p, const char *fmt, ...) FR_PRINTF(2, 3); /* FR_INVALID with the line before it */
fr_status ft_within(const ft_parser *p, fr_status status); /* puts the line before a sentence from elsewhere */
fr_status ft_name(ft_parser *p, const char *what, ft_word *out) FR_MUST_CHECK;
fr_status ft_int(ft_parser *p, const char *what, int32_t low, int32_t high, int32_t *out) FR_MUST_CHECK;
fr_status ft_float(ft_parser *p, const char *what, float *out) FR_MUST_CHECK;
/* "3x22x52": between min_count and max_count numbers joined by x. */
fr_status ft_sizes(ft_parser *p, const char *what, int32_t low, int32_t high, int32_t min_count, int32_t max_count,
                   int32_t *out, int32_t *out_count) FR_MUST_CHECK;

/* ---- layers (fold_text_layers.c, fold_text_nodes.c) ---- */

bool ft_is_layer(ft_word word);
/* The line whose first word, a layer's, has been taken; leaves what it does not know (as NAME). */
fr_status ft_layer(ft_parser *p, ft_word word) FR_MUST_CHECK;
int32_t ft_find_point(const ft_parser *p, ft_word name); /* value, or -1 */

const fr_shape *ft_current(const ft_parser *p);
/* A node named prefix + running number, its shape inferred; its output becomes the current value. */
fr_status ft_add_node(ft_parser *p, fr_op op, const char *prefix, const fr_attrs *attrs, const int32_t *inputs,
                      int32_t n_inputs) FR_MUST_CHECK;
fr_status ft_add_weight(ft_parser *p, const char *prefix, const char *part, fr_init init, int32_t rank,
                        const int64_t *dims, int32_t *out_value) FR_MUST_CHECK;

#endif
