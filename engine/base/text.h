/* A growable text buffer, and small string services. */
#ifndef FR_BASE_TEXT_H
#define FR_BASE_TEXT_H

#include <stdbool.h>

#include "foldrun/types.h"

typedef struct fr_text {
    char *data;
    size_t length, capacity;
    bool failed;
} fr_text; /* {0} is empty; data may be NULL */

void fr_text_add(fr_text *text, const char *fmt, ...) FR_PRINTF(2, 3); /* out of memory sets failed, once, for good */
void fr_text_add_bytes(fr_text *text, const char *data, size_t bytes);
void fr_text_free(fr_text *text);

/* Bytes of the UTF-8 character that data begins with (1 to 4); 0 when it is none, or cut. */
size_t fr_utf8_length(const char *data, size_t bytes);

/* The name in names[0..count) nearest to `wrong` by edit distance; NULL when none is near enough to be a typo. */
const char *fr_nearest_name(const char *wrong, const char *const *names, size_t count);

/* Like strcmp, but runs of digits compare as numbers: a2 < a10. */
int fr_natural_compare(const char *a, const char *b);
void fr_natural_sort(char **names, size_t count);

/* Whether a file's name has that ending (".onnx", in letters of any case), and something before it. */
bool fr_ends_in(const char *name, const char *ending);

/* The line that *at begins with, without its newline; *at goes on behind it. False at the end. */
bool fr_next_line(const char **at, const char **out_line, size_t *out_length);

#endif
