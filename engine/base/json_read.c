#include "base/json.h"

#include <string.h>

#include "base/alloc.h"
#include "base/number.h"
#include "base/status.h"

enum { DEPTH_MAX = 64, ARENA_BYTES = 4000 };

/* Nodes and strings live in a chain of chunks that the document owns. */
typedef struct chunk {
    struct chunk *next;
    size_t used, size;
} chunk; /* `size` bytes follow */

struct fr_json_doc {
    chunk *chunks;
    fr_json *root;
};

typedef struct reader {
    fr_json_doc *doc;
    const char *text;
    size_t at, bytes;
    int depth;
} reader;

static void *take(fr_json_doc *doc, size_t bytes) {
    const size_t unit = sizeof(void *);
    if (bytes > SIZE_MAX / 2)
        return NULL;
    bytes = (bytes + unit - 1) / unit * unit;
    if (!doc->chunks || doc->chunks->size - doc->chunks->used < bytes) {
        size_t size = bytes > ARENA_BYTES ? bytes : ARENA_BYTES;
        chunk *fresh = fr_alloc(sizeof *fresh + size);
        if (!fresh)
            return NULL;
        fresh->size = size;
        fresh->next = doc->chunks;
        doc->chunks = fresh;
    }
    void *block = (char *)(doc->chunks + 1) + doc->chunks->used;
    doc->chunks->used += bytes;
    return block;
}

static fr_status wrong_at(const reader *r, size_t at, const char *what) {
    size_t line = 1, column = 1; /* characters, not bytes */
    for (size_t i = 0; i < at && i < r->bytes; i++) {
        if (r->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)r->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return fr_fail(FR_INVALID, "JSON, line %zu, column %zu: %s", line, column,
                   at >= r->bytes ? "the text ends too early" : what);
}

static fr_status wrong(const reader *r, const char *what) {
    return wrong_at(r, r->at, what);
}

static int peek(const reader *r) {
    return r->at < r->bytes ? (unsigned char)r->text[r->at] : -1;
}

static int skip_space(reader *r) {
    while (r->at < r->bytes && strchr(" \t\r\n", r->text[r->at]) && r->text[r->at])
        r->at++;
    return peek(r);
}

/* ---- strings ------------------------------------------------------------------------------------------------ */

static bool read_hex4(reader *r, uint32_t *out) {
    *out = 0;
    if (r->bytes - r->at < 4)
        return false;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->text[r->at];
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (uint32_t)((c | 0x20) - 'a') + 10;
        else
            return false;
        *out = *out << 4 | digit;
    }
    return true;
}

static size_t put_utf8(char *dst, uint32_t code) {
    if (code < 0x80) {
        dst[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, code >>= 6)
        dst[i] = (char)(0x80 | (code & 0x3f));
    dst[0] = (char)(code | (length == 2 ? 0xc0u : length == 3 ? 0xe0u : 0xf0u));
    return length;
}

/* After "\u". Two escapes make one character past U+FFFF. */
static fr_status read_unicode(reader *r, char *dst, size_t *out_length) {
    uint32_t code, low;
    if (!read_hex4(r, &code))
        return wrong(r, "\\u wants four hexadecimal digits");
    if (code == 0)
        return wrong(r, "an escaped NUL is not accepted in a string");
    if (code >= 0xdc00 && code <= 0xdfff)
        return wrong(r, "a low surrogate stands alone");
    if (code >= 0xd800 && code <= 0xdbff) {
        if (r->bytes - r->at < 2)
            return wrong_at(r, r->bytes, "");
        if (r->text[r->at] != '\\' || r->text[r->at + 1] != 'u')
            return wrong(r, "a high surrogate stands alone");
        r->at += 2;
        if (!read_hex4(r, &low))
            return wrong(r, "\\u wants four hexadecimal digits");
        if (low < 0xdc00 || low > 0xdfff)
            return wrong(r, "a high surrogate stands alone");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *out_length = put_utf8(dst, code);
    return FR_OK;
}

static fr_status read_escape(reader *r, char *dst, size_t *out_length) {
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    int c = peek(r);
    *out_length = 1;
    if (c == 'u') {
        r->at++;
        return read_unicode(r, dst, out_length);
    }
    const char *letter = c > 0 ? strchr(letters, c) : NULL;
    if (!letter)
        return wrong(r, "unknown escape in a string");
    *dst = meant[letter - letters];
    r->at++;
    return FR_OK;
}

/* Where the closing quote is; bytes when it is missing. */
static size_t string_end(const reader *r) {
    size_t at = r->at;
    while (at < r->bytes && r->text[at] != '"')
        at += r->text[at] == '\\' ? 2 : 1;
    return at < r->bytes ? at : r->bytes;
}

static fr_status read_string(reader *r, const char **out_string) {
    r->at++;
    size_t room = string_end(r) - r->at + 1; /* no escape grows */
    char *dst = take(r->doc, room);
    if (!dst)
        return fr_no_memory(room, "a JSON string");
    *out_string = dst;
    for (;;) {
        int c = peek(r);
        size_t length;
        if (c == '"')
            break;
        if (c == '\\') {
            r->at++;
            FR_TRY(read_escape(r, dst, &length));
        } else if (c < 0x20) {
            return wrong(r, "a control character in a string must be escaped");
        } else {
            length = fr_utf8_length(r->text + r->at, r->bytes - r->at);
            if (length == 0)
                return wrong(r, "this is not UTF-8");
            memcpy(dst, r->text + r->at, length);
            r->at += length;
        }
        dst += length;
    }
    *dst = '\0';
    r->at++;
    return FR_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------- */

static fr_status read_number(reader *r, double *out) {
    size_t from = r->at, to = from;
    while (to < r->bytes && r->text[to] && strchr("+-.0123456789eE", r->text[to]))
        to++;
    const char *digits = r->text + from + (r->text[from] == '-');
    if (to - from > (size_t)(digits - (r->text + from)) + 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9')
        return wrong(r, "a number may not begin with 0");
    if (!fr_number_parse(r->text + from, to - from, out))
        return wrong_at(r, strchr("+-.eE", r->text[to - 1]) ? to : from, "this is not a number that a double holds");
    r->at = to;
    return FR_OK;
}

static fr_status read_word(reader *r, const char *word) {
    for (size_t i = 0; word[i]; i++, r->at++)
        if (peek(r) != (unsigned char)word[i])
            return wrong(r, "expected a value: an object, an array, a string, a number, true, false or null");
    return FR_OK;
}

static fr_status read_value(reader *r, fr_json *value);

/* Members up to the closing bracket; r->at stands on the opening one. */
static fr_status read_members(reader *r, fr_json *parent, char closing) {
    fr_json **tail = &parent->child;
    bool keyed = closing == '}';
    if (++r->depth > DEPTH_MAX)
        return wrong(r, "nested more than 64 levels deep");
    r->at++;
    if (skip_space(r) == closing)
        goto closed;
    for (;;) {
        fr_json *member = take(r->doc, sizeof *member);
        if (!member)
            return fr_no_memory(sizeof *member, "a JSON value");
        *tail = member;
        tail = &member->next;
        parent->count++;
        if (keyed) {
            if (skip_space(r) != '"')
                return wrong(r, "expected a key in double quotes");
            FR_TRY(read_string(r, &member->key));
            if (skip_space(r) != ':')
                return wrong(r, "expected ':' after the key");
            r->at++;
        }
        FR_TRY(read_value(r, member));
        int c = skip_space(r);
        if (c == closing)
            goto closed;
        if (c != ',')
            return wrong(r, keyed ? "expected ',' or '}'" : "expected ',' or ']'");
        r->at++;
    }
closed:
    r->at++;
    r->depth--;
    return FR_OK;
}

static fr_status read_value(reader *r, fr_json *value) {
    switch (skip_space(r)) {
    case '{': value->kind = FR_JSON_OBJECT; return read_members(r, value, '}');
    case '[': value->kind = FR_JSON_ARRAY; return read_members(r, value, ']');
    case '"': value->kind = FR_JSON_STRING; return read_string(r, &value->string);
    case 't':
        value->kind = FR_JSON_BOOL;
        value->boolean = true;
        return read_word(r, "true");
    case 'f': value->kind = FR_JSON_BOOL; return read_word(r, "false");
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9': value->kind = FR_JSON_NUMBER; return read_number(r, &value->number);
    default: value->kind = FR_JSON_NULL; return read_word(r, "null");
    }
}

fr_status fr_json_parse(const char *text, size_t bytes, fr_json_doc **out_doc) {
    fr_status status = FR_OK;
    *out_doc = NULL;
    fr_json_doc *doc = fr_alloc(sizeof *doc);
    if (!doc)
        return fr_no_memory(sizeof *doc, "a JSON document");
    reader r = {.doc = doc, .text = text, .bytes = bytes};
    doc->root = take(doc, sizeof *doc->root);
    if (!doc->root) {
        status = fr_no_memory(sizeof *doc->root, "a JSON document");
        goto failed;
    }
    FR_GO(failed, read_value(&r, doc->root));
    if (skip_space(&r) >= 0) {
        status = wrong(&r, "more text after the document");
        goto failed;
    }
    *out_doc = doc;
    return FR_OK;
failed:
    fr_json_free(doc);
    return status;
}

const fr_json *fr_json_root(const fr_json_doc *doc) {
    return doc->root;
}

void fr_json_free(fr_json_doc *doc) {
    if (!doc)
        return;
    for (chunk *c = doc->chunks, *next; c; c = next) {
        next = c->next;
        fr_free(c);
    }
    fr_free(doc);
}

/* ---- looking things up -------------------------------------------------------------------------------------- */

const fr_json *fr_json_get(const fr_json *object, const char *key) {
    const fr_json *found = NULL;
    if (!object || object->kind != FR_JSON_OBJECT)
        return NULL;
    for (const fr_json *member = object->child; member; member = member->next)
        if (strcmp(member->key, key) == 0)
            found = member;
    return found;
}

const fr_json *fr_json_at(const fr_json *array, size_t index) {
    if (!array || array->kind != FR_JSON_ARRAY || index >= array->count)
        return NULL;
    const fr_json *member = array->child;
    while (index-- > 0)
        member = member->next;
    return member;
}

static const fr_json *get_kind(const fr_json *object, const char *key, fr_json_kind kind) {
    const fr_json *member = fr_json_get(object, key);
    return member && member->kind == kind ? member : NULL;
}

double fr_json_number(const fr_json *object, const char *key, double otherwise) {
    const fr_json *member = get_kind(object, key, FR_JSON_NUMBER);
    return member ? member->number : otherwise;
}

const char *fr_json_string(const fr_json *object, const char *key, const char *otherwise) {
    const fr_json *member = get_kind(object, key, FR_JSON_STRING);
    return member ? member->string : otherwise;
}

bool fr_json_bool(const fr_json *object, const char *key, bool otherwise) {
    const fr_json *member = get_kind(object, key, FR_JSON_BOOL);
    return member ? member->boolean : otherwise;
}
