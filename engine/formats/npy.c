#include "formats/npy.h"

#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

/* "\x93NUMPY", version (2 bytes), length of the dictionary (2 bytes in version 1, 4 later), a Python dictionary padded with
 * spaces so that the array begins at a multiple of 64, a newline, the array. */
static const char magic[] = "\x93NUMPY";
enum { MAGIC_BYTES = 6, V1_PREFIX = 10, V2_PREFIX = 12, ALIGN = 64 };

typedef struct npy_type {
    const char *descr;
    fr_dtype dtype;
} npy_type;
static const npy_type types[] = {
    {"|u1", FR_U8},  {"|i1", FR_S8}, {"<f4", FR_F32}, {"<f8", FR_F64}, {"<i4", FR_S32},
    {"<i8", FR_S64}, {"u1", FR_U8},  {"<u1", FR_U8},  {"i1", FR_S8},   {"<i1", FR_S8}, /* other writers' spellings */
};
enum { N_TYPES = sizeof types / sizeof types[0] };

/* ---- the dictionary ---- */

typedef struct cursor {
    const char *at, *end;
    const char *where;
} cursor;

static fr_status damaged(const cursor *c, const char *expected) {
    return fr_fail(FR_INVALID, "%s: damaged .npy header: %s expected", c->where, expected);
}

static void skip_spaces(cursor *c) {
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n' || *c->at == '\t' || *c->at == '\r'))
        c->at++;
}

static bool take(cursor *c, char wanted) {
    skip_spaces(c);
    if (c->at >= c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word) {
    size_t length = strlen(word);
    skip_spaces(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0)
        return false;
    c->at += length;
    return true;
}

static fr_status take_string(cursor *c, char *out, size_t bytes) {
    skip_spaces(c);
    if (c->at >= c->end || (*c->at != '\'' && *c->at != '"'))
        return damaged(c, "a quoted word");
    char quote = *c->at++;
    const char *from = c->at;
    while (c->at < c->end && *c->at != quote)
        c->at++;
    size_t length = (size_t)(c->at - from);
    if (c->at >= c->end || length >= bytes)
        return damaged(c, "a short quoted word");
    memcpy(out, from, length);
    out[length] = '\0';
    c->at++;
    return FR_OK;
}

static fr_status take_dim(cursor *c, int64_t *out_dim) {
    int64_t dim = 0;
    skip_spaces(c);
    const char *from = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(dim, 10, &dim) || __builtin_add_overflow(dim, *c->at - '0', &dim))
            return fr_fail(FR_INVALID, "%s: a dimension in the .npy header does not fit 64 bits", c->where);
    if (c->at == from)
        return damaged(c, "a dimension");
    if (c->at < c->end && *c->at == 'L') /* Python 2 */
        c->at++;
    *out_dim = dim;
    return FR_OK;
}

static fr_status take_shape(cursor *c, fr_shape *out_shape) {
    *out_shape = (fr_shape){0};
    if (!take(c, '('))
        return damaged(c, "'(' of the shape");
    while (!take(c, ')')) {
        if (out_shape->rank == FR_MAX_RANK)
            return fr_fail(FR_UNSUPPORTED, "%s: the array has more than %d dimensions", c->where, FR_MAX_RANK);
        FR_TRY(take_dim(c, &out_shape->dim[out_shape->rank]));
        out_shape->rank++;
        if (!take(c, ',')) {
            if (!take(c, ')'))
                return damaged(c, "')' of the shape");
            break;
        }
    }
    return FR_OK;
}

static fr_status type_of(const cursor *c, const char *descr, fr_dtype *out_dtype) {
    for (size_t i = 0; i < N_TYPES; i++) {
        if (strcmp(descr, types[i].descr) == 0) {
            *out_dtype = types[i].dtype;
            return FR_OK;
        }
    }
    if (descr[0] == '>')
        return fr_fail(FR_UNSUPPORTED, "%s: big-endian numbers ('%s'): save it with .astype('%s')", c->where, descr,
                       descr + 1);
    return fr_fail(FR_UNSUPPORTED, "%s: numbers of type '%s' are not read: u1, i1, i4, i8, f4 and f8 are", c->where,
                   descr);
}

static fr_status take_dictionary(cursor *c, fr_npy *out) {
    bool have_descr = false, have_order = false, have_shape = false;
    if (!take(c, '{'))
        return damaged(c, "'{'");
    while (!take(c, '}')) {
        char key[32], descr[32];
        FR_TRY(take_string(c, key, sizeof key));
        if (!take(c, ':'))
            return damaged(c, "':'");
        if (strcmp(key, "descr") == 0) {
            skip_spaces(c);
            if (c->at < c->end && *c->at == '[')
                return fr_fail(FR_UNSUPPORTED, "%s: records are not read, only arrays of one number type", c->where);
            FR_TRY(take_string(c, descr, sizeof descr));
            FR_TRY(type_of(c, descr, &out->dtype));
            have_descr = true;
        } else if (strcmp(key, "fortran_order") == 0) {
            if (take_word(c, "True"))
                return fr_fail(FR_UNSUPPORTED,
                               "%s: the array is in Fortran order: save it with numpy.ascontiguousarray", c->where);
            if (!take_word(c, "False"))
                return damaged(c, "True or False");
            have_order = true;
        } else if (strcmp(key, "shape") == 0) {
            FR_TRY(take_shape(c, &out->shape));
            have_shape = true;
        } else {
            return fr_fail(FR_INVALID, "%s: damaged .npy header: unknown key '%s'", c->where, key);
        }
        if (!take(c, ',')) {
            if (!take(c, '}'))
                return damaged(c, "',' or '}'");
            break;
        }
    }
    if (!have_descr || !have_order || !have_shape)
        return damaged(c, "descr, fortran_order and shape");
    skip_spaces(c);
    return c->at == c->end ? FR_OK : damaged(c, "nothing after '}'");
}

/* ---- reading ---- */

fr_status fr_npy_head(const void *data, size_t bytes, const char *where, fr_npy *out, size_t *out_offset,
                      size_t *out_bytes) {
    const uint8_t *raw = data;
    *out = (fr_npy){0};
    *out_offset = *out_bytes = 0;
    if (bytes < MAGIC_BYTES || memcmp(raw, magic, MAGIC_BYTES) != 0)
        return fr_fail(FR_INVALID, "%s: not a .npy file", where);
    if (bytes < V2_PREFIX)
        return fr_fail(FR_INVALID, "%s: the .npy file ends within its header", where);
    if (raw[6] < 1 || raw[6] > 3)
        return fr_fail(FR_UNSUPPORTED, "%s: .npy version %d.%d; 1 to 3 are read", where, raw[6], raw[7]);
    size_t prefix = raw[6] == 1 ? V1_PREFIX : V2_PREFIX;
    size_t length = (size_t)raw[8] | (size_t)raw[9] << 8;
    if (raw[6] != 1)
        length |= (size_t)raw[10] << 16 | (size_t)raw[11] << 24;
    if (length > FR_NPY_HEAD_BYTES - prefix)
        return fr_fail(FR_INVALID, "%s: the .npy header claims %zu bytes; no array needs that", where, length);
    if (length > bytes - prefix)
        return fr_fail(FR_INVALID, "%s: the .npy file ends within its header", where);
    cursor c = {(const char *)raw + prefix, (const char *)raw + prefix + length, where};
    FR_TRY(take_dictionary(&c, out));
    size_t elements = 1;
    for (int32_t i = 0; i < out->shape.rank; i++) {
        if (!fr_size_mul(elements, (size_t)out->shape.dim[i], &elements))
            return fr_fail(FR_INVALID, "%s: the .npy header claims more numbers than memory can hold", where);
    }
    if (!fr_size_mul(elements, fr_dtype_bytes(out->dtype), out_bytes))
        return fr_fail(FR_INVALID, "%s: the .npy header claims more bytes than memory can hold", where);
    *out_offset = prefix + length;
    return FR_OK;
}

fr_status fr_npy_parse(const void *data, size_t bytes, const char *where, fr_npy *out) {
    size_t offset, payload;
    FR_TRY(fr_npy_head(data, bytes, where, out, &offset, &payload));
    if (payload > bytes - offset)
        return fr_fail(FR_INVALID, "%s: the .npy file is cut short: %zu bytes of the array are missing", where,
                       payload - (bytes - offset));
    out->data = fr_alloc(payload);
    if (!out->data)
        return fr_no_memory(payload, "an array");
    if (payload > 0)
        memcpy(out->data, (const uint8_t *)data + offset, payload);
    return FR_OK;
}

fr_status fr_npy_load(const char *path, fr_npy *out) {
    char *data;
    size_t bytes;
    *out = (fr_npy){0};
    FR_TRY(fr_file_read(path, 0, &data, &bytes));
    fr_status status = fr_npy_parse(data, bytes, path, out);
    fr_free(data);
    return status;
}

/* ---- writing ---- */

fr_status fr_npy_header(fr_dtype dtype, const fr_shape *shape, char **out_header, size_t *out_bytes) {
    const char *descr = NULL;
    fr_text dict = {0};
    *out_header = NULL;
    *out_bytes = 0;
    for (size_t i = 0; i < N_TYPES && !descr; i++)
        if (types[i].dtype == dtype)
            descr = types[i].descr;
    if (!descr)
        return fr_fail(FR_UNSUPPORTED, "no .npy type for dtype %d", (int)dtype);
    fr_text_add(&dict, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int32_t i = 0; i < shape->rank; i++)
        fr_text_add(&dict, i + 1 < shape->rank ? "%lld, " : "%lld", (long long)shape->dim[i]);
    fr_text_add(&dict, "%s), }", shape->rank == 1 ? "," : "");
    while (!dict.failed && (V1_PREFIX + dict.length + 1) % ALIGN != 0)
        fr_text_add_bytes(&dict, " ", 1);
    fr_text_add_bytes(&dict, "\n", 1);
    size_t bytes = V1_PREFIX + dict.length;
    uint8_t *header = dict.failed ? NULL : fr_alloc(bytes);
    if (!header) {
        fr_text_free(&dict);
        return fr_no_memory(bytes, "a .npy header");
    }
    memcpy(header, magic, MAGIC_BYTES);
    header[6] = 1; /* version 1.0: a dictionary of 8 dimensions is far below its 65,535 bytes */
    header[8] = (uint8_t)dict.length;
    header[9] = (uint8_t)(dict.length >> 8);
    memcpy(header + V1_PREFIX, dict.data, dict.length);
    fr_text_free(&dict);
    *out_header = (char *)header;
    *out_bytes = bytes;
    return FR_OK;
}
