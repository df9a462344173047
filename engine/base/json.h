/* JSON: a strict reader (RFC 8259, depth at most 64, UTF-8 checked) and a writer that cannot write it wrong. */
#ifndef FR_BASE_JSON_H
#define FR_BASE_JSON_H

#include <stdbool.h>

#include "base/text.h"
#include "foldrun/types.h"

typedef enum fr_json_kind {
    FR_JSON_NULL,
    FR_JSON_BOOL,
    FR_JSON_NUMBER,
    FR_JSON_STRING,
    FR_JSON_ARRAY,
    FR_JSON_OBJECT
} fr_json_kind;

typedef struct fr_json {
    fr_json_kind kind;
    bool boolean;
    double number;
    const char *string;           /* unescaped, NUL-ended; a string with an escaped NUL is refused */
    const char *key;              /* in an object */
    struct fr_json *child, *next; /* first member; next sibling */
    size_t count;                 /* members */
} fr_json;

typedef struct fr_json_doc fr_json_doc;

/* FR_INVALID names the line and column. Of a key given twice the last one counts (in fr_json_get and what stands on it). */
fr_status fr_json_parse(const char *text, size_t bytes, fr_json_doc **out_doc) FR_MUST_CHECK;
const fr_json *fr_json_root(const fr_json_doc *doc);
void fr_json_free(fr_json_doc *doc);

const fr_json *fr_json_get(const fr_json *object, const char *key); /* NULL when absent or not an object */
const fr_json *fr_json_at(const fr_json *array, size_t index);
double fr_json_number(const fr_json *object, const char *key, double otherwise);
const char *fr_json_string(const fr_json *object, const char *key, const char *otherwise);
bool fr_json_bool(const fr_json *object, const char *key, bool otherwise);

/* Writer: commas, quotes, escapes and indentation are its business. NaN and infinities are written as null. */
typedef struct fr_json_writer {
    fr_text text;
    int depth;
    bool comma;
    bool after_key;
    int indent;
} fr_json_writer; /* {0}: compact; indent = 2: pretty */

void fr_json_begin_object(fr_json_writer *w);
void fr_json_end_object(fr_json_writer *w);
void fr_json_begin_array(fr_json_writer *w);
void fr_json_end_array(fr_json_writer *w);
void fr_json_key(fr_json_writer *w, const char *key);
void fr_json_put_string(fr_json_writer *w, const char *value); /* NULL is null */
void fr_json_put_number(fr_json_writer *w, double value);      /* shortest text that reads back the same */
void fr_json_put_int(fr_json_writer *w, int64_t value);
void fr_json_put_bool(fr_json_writer *w, bool value);
void fr_json_put_null(fr_json_writer *w);
void fr_json_put_value(fr_json_writer *w, const fr_json *value); /* what was read, with all that is in it */
/* key + value at once */
void fr_json_string_member(fr_json_writer *w, const char *key, const char *value);
void fr_json_number_member(fr_json_writer *w, const char *key, double value);
void fr_json_int_member(fr_json_writer *w, const char *key, int64_t value);
void fr_json_bool_member(fr_json_writer *w, const char *key, bool value);

#endif
