#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/number.h"

static void new_line(fr_json_writer *w) {
    if (w->indent > 0)
        fr_text_add(&w->text, "\n%*s", w->depth * w->indent, "");
}

/* Before every key and every value that has none: the comma, and a line of its own. */
static void begin_item(fr_json_writer *w) {
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->comma)
        fr_text_add_bytes(&w->text, ",", 1);
    if (w->depth > 0)
        new_line(w);
}

static void begin(fr_json_writer *w, char bracket) {
    begin_item(w);
    fr_text_add_bytes(&w->text, &bracket, 1);
    w->depth++;
    w->comma = false;
}

static void end(fr_json_writer *w, char bracket) {
    w->depth--;
    if (w->comma)
        new_line(w);
    fr_text_add_bytes(&w->text, &bracket, 1);
    w->comma = true;
}

void fr_json_begin_object(fr_json_writer *w) {
    begin(w, '{');
}

void fr_json_end_object(fr_json_writer *w) {
    end(w, '}');
}

void fr_json_begin_array(fr_json_writer *w) {
    begin(w, '[');
}

void fr_json_end_array(fr_json_writer *w) {
    end(w, ']');
}

static void put_escaped(fr_text *text, unsigned char c) {
    static const char plain[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    const char *found = c ? strchr(plain, c) : NULL;
    if (found)
        fr_text_add(text, "\\%c", letters[found - plain]);
    else
        fr_text_add(text, "\\u%04x", c);
}

/* Bytes that are no UTF-8 become U+FFFD, so that the document can always be read. */
static void put_quoted(fr_text *text, const char *value) {
    size_t bytes = strlen(value), from = 0, at = 0;
    fr_text_add_bytes(text, "\"", 1);
    while (at < bytes) {
        unsigned char c = (unsigned char)value[at];
        size_t length = fr_utf8_length(value + at, bytes - at);
        if (length > 0 && c >= 0x20 && c != '"' && c != '\\') {
            at += length;
            continue;
        }
        fr_text_add_bytes(text, value + from, at - from);
        if (length == 0)
            fr_text_add_bytes(text, "\xef\xbf\xbd", 3);
        else
            put_escaped(text, c);
        from = ++at;
    }
    fr_text_add_bytes(text, value + from, at - from);
    fr_text_add_bytes(text, "\"", 1);
}

void fr_json_key(fr_json_writer *w, const char *key) {
    begin_item(w);
    put_quoted(&w->text, key);
    fr_text_add(&w->text, w->indent > 0 ? ": " : ":");
    w->after_key = true;
    w->comma = false;
}

static void put_plain(fr_json_writer *w, const char *text, size_t bytes) {
    begin_item(w);
    fr_text_add_bytes(&w->text, text, bytes);
    w->comma = true;
}

void fr_json_put_string(fr_json_writer *w, const char *value) {
    if (!value) {
        fr_json_put_null(w);
        return;
    }
    begin_item(w);
    put_quoted(&w->text, value);
    w->comma = true;
}

void fr_json_put_number(fr_json_writer *w, double value) {
    char text[FR_NUMBER_TEXT];
    if (!isfinite(value)) {
        fr_json_put_null(w);
        return;
    }
    size_t bytes = fr_number_text(value, text);
    put_plain(w, text, bytes);
}

void fr_json_put_int(fr_json_writer *w, int64_t value) {
    begin_item(w);
    fr_text_add(&w->text, "%lld", (long long)value);
    w->comma = true;
}

void fr_json_put_bool(fr_json_writer *w, bool value) {
    put_plain(w, value ? "true" : "false", value ? 4 : 5);
}

void fr_json_put_null(fr_json_writer *w) {
    put_plain(w, "null", 4);
}

void fr_json_string_member(fr_json_writer *w, const char *key, const char *value) {
    fr_json_key(w, key);
    fr_json_put_string(w, value);
}

void fr_json_number_member(fr_json_writer *w, const char *key, double value) {
    fr_json_key(w, key);
    fr_json_put_number(w, value);
}

void fr_json_int_member(fr_json_writer *w, const char *key, int64_t value) {
    fr_json_key(w, key);
    fr_json_put_int(w, value);
}

void fr_json_bool_member(fr_json_writer *w, const char *key, bool value) {
    fr_json_key(w, key);
    fr_json_put_bool(w, value);
}

void fr_json_put_value(fr_json_writer *w, const fr_json *value) {
    switch (value->kind) {
    case FR_JSON_NULL: fr_json_put_null(w); break;
    case FR_JSON_BOOL: fr_json_put_bool(w, value->boolean); break;
    case FR_JSON_NUMBER: fr_json_put_number(w, value->number); break;
    case FR_JSON_STRING: fr_json_put_string(w, value->string); break;
    case FR_JSON_ARRAY:
        fr_json_begin_array(w);
        for (const fr_json *item = value->child; item; item = item->next)
            fr_json_put_value(w, item);
        fr_json_end_array(w);
        break;
    case FR_JSON_OBJECT:
        fr_json_begin_object(w);
        for (const fr_json *item = value->child; item; item = item->next) {
            fr_json_key(w, item->key);
            fr_json_put_value(w, item);
        }
        fr_json_end_object(w);
        break;
    }
}
