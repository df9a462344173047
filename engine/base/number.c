#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strtod_l */
#endif
#include "base/number.h"

#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static double read_double(const char *text) {
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0); /* libc's own object: no memory is taken */
    if (plain == (locale_t)0)
        return strtod(text, NULL);
    double value = strtod_l(text, NULL, plain);
    freelocale(plain);
    return value;
}

/* Significant digits, without trailing zeros, and the power of ten of the first: d.ddd * 10^exponent. */
typedef struct decimal {
    char digits[20];
    int count, exponent;
} decimal;

static decimal split_decimal(double magnitude, int precision) {
    decimal d = {.count = 0};
    char text[64];
    snprintf(text, sizeof text, "%.*e", precision - 1, magnitude);
    const char *at = text;
    for (; *at && *at != 'e'; at++) /* skips the locale's decimal point */
        if (*at >= '0' && *at <= '9' && d.count < (int)sizeof d.digits)
            d.digits[d.count++] = *at;
    d.exponent = *at ? atoi(at + 1) : 0;
    while (d.count > 1 && d.digits[d.count - 1] == '0')
        d.count--;
    return d;
}

/* 0.00123, 123000 or 123.45 for exponents -5 to 16; 1.2345e-7 beyond. */
static size_t join_decimal(const decimal *d, bool negative, char out[FR_NUMBER_TEXT]) {
    size_t length = 0;
    if (negative)
        out[length++] = '-';
    if (d->exponent < -5 || d->exponent > 16) {
        out[length++] = d->digits[0];
        if (d->count > 1)
            out[length++] = '.';
        for (int i = 1; i < d->count; i++)
            out[length++] = d->digits[i];
        return length + (size_t)snprintf(out + length, FR_NUMBER_TEXT - length, "e%d", d->exponent);
    }
    int last =
        d->exponent - (d->count - 1) < 0 ? d->exponent - (d->count - 1) : 0; /* powers of ten, down to this one */
    for (int place = d->exponent > 0 ? d->exponent : 0; place >= last; place--) {
        int index = d->exponent - place;
        if (place == -1)
            out[length++] = '.';
        out[length++] = index >= 0 && index < d->count ? d->digits[index] : '0';
    }
    out[length] = '\0';
    return length;
}

size_t fr_number_text(double value, char out[FR_NUMBER_TEXT]) {
    if (!isfinite(value))
        return (size_t)snprintf(out, FR_NUMBER_TEXT, "%s", isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    double magnitude = fabs(value), back;
    size_t length = 0;
    for (int precision = 1; precision <= 17; precision++) { /* 17 digits always read back */
        decimal d = split_decimal(magnitude, precision);
        length = join_decimal(&d, signbit(value) != 0, out);
        if (fr_number_parse(out, length, &back) && back == value)
            break;
    }
    return length;
}

static size_t skip_digits(const char *text, size_t at, size_t bytes) {
    while (at < bytes && text[at] >= '0' && text[at] <= '9')
        at++;
    return at;
}

static bool is_decimal(const char *text, size_t bytes) {
    size_t at = bytes > 0 && text[0] == '-', from = at;
    at = skip_digits(text, at, bytes);
    if (at == from)
        return false;
    if (at < bytes && text[at] == '.') {
        from = ++at;
        at = skip_digits(text, at, bytes);
        if (at == from)
            return false;
    }
    if (at < bytes && (text[at] == 'e' || text[at] == 'E')) {
        at++;
        if (at < bytes && (text[at] == '+' || text[at] == '-'))
            at++;
        from = at;
        at = skip_digits(text, at, bytes);
        if (at == from)
            return false;
    }
    return at == bytes;
}

bool fr_number_parse(const char *text, size_t bytes, double *out_value) {
    char room[128], *copy = room;
    *out_value = 0;
    if (!is_decimal(text, bytes))
        return false;
    if (bytes >= sizeof room && !(copy = fr_alloc(bytes + 1)))
        return false;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    double value = read_double(copy);
    if (copy != room)
        fr_free(copy);
    if (!isfinite(value))
        return false;
    *out_value = value;
    return true;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void fr_sort_numbers(double *numbers, size_t count) {
    if (count > 1)
        qsort(numbers, count, sizeof *numbers, by_size);
}
