/* Numbers as text, the same in every locale, and in order. */
#ifndef FR_BASE_NUMBER_H
#define FR_BASE_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

enum { FR_NUMBER_TEXT = 32 };

/* Shortest decimal text that reads back as the same double ("0.1", "1e-7", "-0"). NaN and infinities are "nan", "inf",
 * "-inf". Returns the length. */
size_t fr_number_text(double value, char out[FR_NUMBER_TEXT]);

/* All of text[0..bytes) as a decimal number: -?digits[.digits][e[+-]digits]. False for anything else, and for a number
 * too large for a double; too small ones are 0. */
bool fr_number_parse(const char *text, size_t bytes, double *out_value);

void fr_sort_numbers(double *numbers, size_t count); /* the least first */

#endif
