/* Lines and words of a .fold text, and the sentences about them. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/status.h"
#include "formats/fold_text_parts.h"

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* One line's words; *at stands on its first byte, and after the call on its end. */
static fr_status split_line(ft_parser *p, const char *text, size_t bytes, size_t *at, int32_t number) {
    size_t i = *at;
    while (i < bytes && text[i] != '\n' && text[i] != '#') {
        if (is_space(text[i])) {
            i++;
            continue;
        }
        bool quoted = text[i] == '"';
        size_t begin = quoted ? ++i : i;
        while (i < bytes && text[i] != '\n' && (quoted ? text[i] != '"' : !is_space(text[i]) && text[i] != '#')) {
            if (text[i] < ' ' || text[i] > '~')
                return fr_fail(FR_INVALID, "%s:%d: expected plain ASCII text, found byte 0x%02x", p->where, number,
                               (unsigned)(unsigned char)text[i]);
            i++;
        }
        if (quoted && (i == bytes || text[i] != '"'))
            return fr_fail(FR_INVALID, "%s:%d: expected a closing quote, found the end of the line", p->where, number);
        p->words[p->n_words++] = (ft_word){text + begin, (int32_t)(i - begin), quoted};
        i += quoted;
    }
    while (i < bytes && text[i] != '\n')
        i++;
    *at = i;
    return FR_OK;
}

fr_status ft_split(ft_parser *p, const char *text, size_t bytes) {
    if (bytes > FT_MAX_BYTES)
        return fr_fail(FR_INVALID, "%s: a model's text of %zu bytes; at most %d are read", p->where, bytes,
                       FT_MAX_BYTES);
    size_t room_words = bytes / 2 + 2, room_lines = 1; /* a word takes a byte and a separator; quotes take two */
    for (size_t i = 0; i < bytes; i++) {
        room_lines += text[i] == '\n';
        room_words += text[i] == '"';
    }
    p->words = fr_alloc_array(room_words, sizeof *p->words);
    p->lines = fr_alloc_array(room_lines, sizeof *p->lines);
    if (!p->words || !p->lines)
        return fr_no_memory(room_words * sizeof *p->words + room_lines * sizeof *p->lines, "a model's text");
    int32_t number = 1;
    for (size_t i = 0; i < bytes; i++, number++) {
        int32_t first = p->n_words;
        FR_TRY(split_line(p, text, bytes, &i, number));
        if (p->n_words > first)
            p->lines[p->n_lines++] = (ft_line){number, first, p->n_words - first};
    }
    return FR_OK;
}

bool ft_is(ft_word word, const char *text) {
    return !word.quoted && word.length > 0 && strlen(text) == (size_t)word.length &&
           memcmp(word.text, text, (size_t)word.length) == 0;
}

bool ft_same(ft_word a, ft_word b) {
    return a.length == b.length && a.length > 0 && memcmp(a.text, b.text, (size_t)a.length) == 0;
}

ft_word ft_peek(const ft_parser *p) {
    if (p->at >= p->line->count)
        return (ft_word){0};
    ft_word word = p->words[p->line->first + p->at];
    if (!p->frame || word.quoted || word.text[0] != '$')
        return word;
    const ft_line *header = p->frame->header; /* unit NAME parameters... */
    ft_word name = {word.text + 1, word.length - 1, false};
    for (int32_t i = 2; i < header->count; i++)
        if (ft_same(name, p->words[header->first + i]))
            return p->frame->args[i - 2];
    return word;
}

bool ft_accept(ft_parser *p, const char *text) {
    bool is = ft_is(ft_peek(p), text);
    p->at += is;
    return is;
}

/* " (in unit 'x', used on line 9)", or nothing. */
static void say_unit(const ft_parser *p, char *out, size_t bytes) {
    out[0] = 0;
    if (p->frame) {
        ft_word name = p->words[p->frame->header->first + 1];
        snprintf(out, bytes, " (in unit '%.*s', used on line %d)", name.length, name.text, p->frame->used_on);
    }
}

fr_status ft_wrong(const ft_parser *p, const char *fmt, ...) {
    char sentence[512], unit[128];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    say_unit(p, unit, sizeof unit);
    return fr_fail(FR_INVALID, "%s:%d: %s%s", p->where, p->line->number, sentence, unit);
}

fr_status ft_expected(const ft_parser *p, const char *fmt, ...) {
    char what[400];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    ft_word word = ft_peek(p);
    if (!word.text)
        return ft_wrong(p, "expected %s, found the end of the line", what);
    return ft_wrong(p, "expected %s, found '%.*s%s'", what, word.length > 40 ? 40 : word.length, word.text,
                    word.length > 40 ? "..." : "");
}

fr_status ft_within(const ft_parser *p, fr_status status) {
    return status == FR_OK ? FR_OK : fr_fail_within(status, "%s:%d", p->where, p->line->number);
}

fr_status ft_name(ft_parser *p, const char *what, ft_word *out) {
    ft_word word = ft_peek(p);
    bool good = word.length > 0 && word.length <= FT_MAX_NAME && !word.quoted && is_letter(word.text[0]);
    for (int32_t i = 0; good && i < word.length; i++)
        good = is_letter(word.text[i]) || is_digit(word.text[i]) || word.text[i] == '.' || word.text[i] == '-';
    if (!good)
        return ft_expected(p, "%s (a letter, then letters, digits, '_', '.' or '-', at most %d)", what, FT_MAX_NAME);
    *out = word;
    p->at++;
    return FR_OK;
}

fr_status ft_sizes(ft_parser *p, const char *what, int32_t low, int32_t high, int32_t min_count, int32_t max_count,
                   int32_t *out, int32_t *out_count) {
    ft_word word = ft_peek(p);
    int32_t count = 0, i = 0;
    bool good = word.length > 0 && !word.quoted;
    while (good && i < word.length) {
        int64_t number = 0;
        int32_t digits = 0;
        for (; i < word.length && is_digit(word.text[i]) && digits < 9; i++, digits++)
            number = number * 10 + (word.text[i] - '0');
        good = digits > 0 && count < max_count && number >= low && number <= high;
        if (good)
            out[count++] = (int32_t)number;
        if (i < word.length)
            good = good && word.text[i++] == 'x' && i < word.length;
    }
    if (!good || count < min_count)
        return ft_expected(p, "%s, each from %d to %d", what, low, high);
    *out_count = count;
    p->at++;
    return FR_OK;
}

fr_status ft_int(ft_parser *p, const char *what, int32_t low, int32_t high, int32_t *out) {
    char sentence[128];
    int32_t count;
    snprintf(sentence, sizeof sentence, "%s (one number)", what);
    return ft_sizes(p, sentence, low, high, 1, 1, out, &count);
}

fr_status ft_float(ft_parser *p, const char *what, float *out) {
    ft_word word = ft_peek(p);
    double number;
    if (word.length == 0 || word.quoted || !fr_number_parse(word.text, (size_t)word.length, &number) || number > 1e30 ||
        number < -1e30)
        return ft_expected(p, "%s (a decimal number)", what);
    *out = (float)number;
    p->at++;
    return FR_OK;
}
