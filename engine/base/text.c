#include "base/text.h"

#include <stdlib.h>
#include <strings.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* Room for `bytes` more and the NUL. */
static bool make_room(fr_text *text, size_t bytes) {
    size_t need, capacity = text->capacity;
    if (text->failed || !fr_size_add(text->length, bytes, &need) || !fr_size_add(need, 1, &need))
        return !(text->failed = true);
    if (need <= capacity)
        return true;
    if (!fr_size_mul(capacity, 2, &capacity) || capacity < need)
        capacity = need < 64 ? 64 : need;
    char *data = fr_grow_array(text->data, text->length, capacity, 1);
    if (!data)
        return !(text->failed = true);
    text->data = data;
    text->capacity = capacity;
    return true;
}

void fr_text_add_bytes(fr_text *text, const char *data, size_t bytes) {
    if (!make_room(text, bytes))
        return;
    if (bytes > 0)
        memcpy(text->data + text->length, data, bytes);
    text->length += bytes;
    text->data[text->length] = '\0';
}

void fr_text_add(fr_text *text, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, fmt, args);
    if (length < 0)
        text->failed = true;
    else if (make_room(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, fmt, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

void fr_text_free(fr_text *text) {
    if (!text)
        return;
    fr_free(text->data);
    *text = (fr_text){0};
}

size_t fr_utf8_length(const char *data, size_t bytes) {
    /* The second byte's range keeps out overlong forms, surrogates and what lies past U+10FFFF (RFC 3629, section 4). */
    const unsigned char *s = (const unsigned char *)data;
    if (bytes == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    size_t length = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || length > bytes)
        return 0;
    unsigned char low = s[0] == 0xe0 ? 0xa0 : s[0] == 0xf0 ? 0x90 : 0x80;
    unsigned char high = s[0] == 0xed ? 0x9f : s[0] == 0xf4 ? 0x8f : 0xbf;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

enum { NAME_MAX_CHARS = 63 };

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int least(int a, int b) {
    return a < b ? a : b;
}

/* Inserting, dropping, changing and swapping neighbours cost 1; case costs nothing. Rows of the usual table: two back,
 * one back, this one. */
static int edit_distance(const char *a, int a_length, const char *b, int b_length) {
    int rows[3][NAME_MAX_CHARS + 1];
    for (int j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (int i = 1; i <= a_length; i++) {
        int *row = rows[i % 3], *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= b_length; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = least(up[j - 1] + (x != y), least(up[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && x == lower(b[j - 2]) && lower(a[i - 2]) == y)
                row[j] = least(row[j], up2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

const char *fr_nearest_name(const char *wrong, const char *const *names, size_t count) {
    int length = (int)strnlen(wrong, NAME_MAX_CHARS + 1);
    /* A typo spares more than it spoils: about one change in three letters, and never all of them. */
    int best = least((length + 2) / 3, length - 1) + 1;
    const char *nearest = NULL;
    if (length > NAME_MAX_CHARS)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        int name_length = (int)strnlen(names[i], NAME_MAX_CHARS + 1);
        if (name_length > NAME_MAX_CHARS)
            continue;
        int distance = edit_distance(wrong, length, names[i], name_length);
        if (distance < best) {
            best = distance;
            nearest = names[i];
        }
    }
    return nearest;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

int fr_natural_compare(const char *a, const char *b) {
    const char *whole_a = a, *whole_b = b;
    while (*a && *b) {
        if (is_digit(*a) && is_digit(*b)) {
            while (*a == '0')
                a++;
            while (*b == '0')
                b++;
            size_t digits_a = strspn(a, "0123456789"), digits_b = strspn(b, "0123456789");
            if (digits_a != digits_b)
                return digits_a < digits_b ? -1 : 1;
            int order = strncmp(a, b, digits_a);
            if (order != 0)
                return order;
            a += digits_a;
            b += digits_b;
        } else if (*a != *b) {
            break;
        } else {
            a++;
            b++;
        }
    }
    if (*a != *b)
        return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    return strcmp(whole_a, whole_b); /* 07 and 7: some order, always the same */
}

static int by_nature(const void *a, const void *b) {
    return fr_natural_compare(*(char *const *)a, *(char *const *)b);
}

void fr_natural_sort(char **names, size_t count) {
    if (count > 1)
        qsort(names, count, sizeof *names, by_nature);
}

bool fr_ends_in(const char *name, const char *ending) {
    size_t length = strlen(name), bytes = strlen(ending);
    return length > bytes && strcasecmp(name + length - bytes, ending) == 0;
}

bool fr_next_line(const char **at, const char **out_line, size_t *out_length) {
    if (!*at || !**at)
        return false;
    *out_line = *at;
    *out_length = strcspn(*at, "\n");
    *at += *out_length + ((*at)[*out_length] == '\n');
    return true;
}
