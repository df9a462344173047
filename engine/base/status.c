#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SENTENCE_MAX = FR_SENTENCE_BYTES - 1 };

static _Thread_local struct {
    char sentence[SENTENCE_MAX + 1];
    const char *file;
    int line;
} record;

/* A sentence is one line, whatever a file's names put into it: control characters would reach a terminal. */
static void make_printable(char *text) {
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = *text == '\n' || *text == '\t' ? ' ' : '?';
}

/* vsnprintf may have cut a UTF-8 sequence in two: drop what is left of it. */
static void drop_broken_tail(char *text) {
    size_t length = strlen(text), start = length;
    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0)
        return;
    unsigned char lead = (unsigned char)text[start - 1];
    size_t want = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (length - (start - 1) < want)
        text[start - 1] = '\0';
}

static void keep(const char *sentence) {
    size_t length = strnlen(sentence, SENTENCE_MAX);
    memcpy(record.sentence, sentence, length);
    record.sentence[length] = '\0';
    make_printable(record.sentence);
    if (length == SENTENCE_MAX)
        drop_broken_tail(record.sentence);
}

fr_status fr_fail_at(fr_status code, const char *file, int line, const char *fmt, ...) {
    char sentence[SENTENCE_MAX + 1]; /* the arguments may point into the record */
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(sentence, sizeof sentence, fmt, args) < 0)
        sentence[0] = '\0';
    va_end(args);
    keep(sentence);
    record.file = file;
    record.line = line;
    return code;
}

fr_status fr_fail_within(fr_status code, const char *fmt, ...) {
    char sentence[SENTENCE_MAX + 1];
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    if (length < 0)
        return code;
    if (length < SENTENCE_MAX) {
        size_t room = sizeof sentence - (size_t)length, rest = strlen(record.sentence);
        size_t lead = room > 2 ? 2 : room - 1;
        memcpy(sentence + length, ": ", lead);
        if (rest > room - 1 - lead)
            rest = room - 1 - lead;
        memcpy(sentence + (size_t)length + lead, record.sentence, rest);
        sentence[(size_t)length + lead + rest] = '\0';
    }
    keep(sentence);
    return code;
}

const char *fr_error_sentence(void) {
    return record.sentence;
}

const char *fr_error_place(int *out_line) {
    if (out_line)
        *out_line = record.line;
    return record.file ? record.file : "";
}

const char *fr_status_word(fr_status status) {
    switch (status) {
    case FR_OK: return "ok";
    case FR_INVALID: return "invalid";
    case FR_UNSUPPORTED: return "unsupported";
    case FR_UNAVAILABLE: return "unavailable";
    case FR_NO_MEMORY: return "out of memory";
    case FR_IO: return "input/output";
    case FR_DEVICE_LOST: return "device lost";
    case FR_CANCELLED: return "cancelled";
    case FR_INTERNAL: return "internal";
    }
    return "unknown";
}
