/* TensorProto files as doubles, and comparing. */
#include <math.h>
#include <string.h>

#include <onnx.pb-c.h>

#include "base/alloc.h"
#include "base/convert.h"
#include "base/file.h"
#include "suite.h"

enum { FLOAT = 1, UINT8 = 2, INT8 = 3, INT32 = 6, INT64 = 7, BOOL = 9, FLOAT16 = 10, DOUBLE = 11, BFLOAT16 = 16 };

static size_t item_bytes(int32_t type) {
    switch (type) {
    case UINT8:
    case INT8:
    case BOOL: return 1;
    case FLOAT16:
    case BFLOAT16: return 2;
    case FLOAT:
    case INT32: return 4;
    case INT64:
    case DOUBLE: return 8;
    default: return 0;
    }
}

static double from_raw(int32_t type, const uint8_t *at) {
    union {
        float f;
        double d;
        int32_t i;
        int64_t l;
        uint16_t h;
    } u;
    memcpy(&u, at, item_bytes(type));
    switch (type) {
    case FLOAT: return (double)u.f;
    case DOUBLE: return u.d;
    case INT32: return u.i;
    case INT64: return (double)u.l;
    case FLOAT16: return (double)fr_f16_to_f32(u.h);
    case BFLOAT16: return (double)fr_bf16_to_f32(u.h);
    case INT8: return (int8_t)*at;
    default: return *at;
    }
}

/* Typed fields hold small types in int32_data. */
static size_t typed_count(const Onnx__TensorProto *t) {
    switch (t->data_type) {
    case FLOAT: return t->n_float_data;
    case DOUBLE: return t->n_double_data;
    case INT64: return t->n_int64_data;
    default: return t->n_int32_data;
    }
}

static double from_typed(const Onnx__TensorProto *t, size_t i) {
    switch (t->data_type) {
    case FLOAT: return (double)t->float_data[i];
    case DOUBLE: return t->double_data[i];
    case INT64: return (double)t->int64_data[i];
    case FLOAT16: return (double)fr_f16_to_f32((uint16_t)t->int32_data[i]);
    case BFLOAT16: return (double)fr_bf16_to_f32((uint16_t)t->int32_data[i]);
    default: return t->int32_data[i];
    }
}

static fr_status read_tensor(const Onnx__TensorProto *t, fr_dense *out) {
    size_t bytes = item_bytes(t->data_type);
    if (bytes == 0 || t->n_dims > FR_MAX_RANK)
        return fr_fail(FR_UNSUPPORTED, "test data of type %d", t->data_type);
    out->shape.rank = (int32_t)t->n_dims;
    for (size_t i = 0; i < t->n_dims; i++)
        out->shape.dim[i] = t->dims[i];
    size_t count = fr_shape_elements(&out->shape);
    bool raw = t->has_raw_data;
    if (count == SIZE_MAX || (raw ? t->raw_data.len / bytes : typed_count(t)) != count)
        return fr_fail(FR_INVALID, "test data does not fill its shape");
    out->data = fr_alloc_array(count, sizeof *out->data);
    if (!out->data)
        return fr_no_memory(count * sizeof *out->data, "test data");
    for (size_t i = 0; i < count; i++)
        out->data[i] = raw ? from_raw(t->data_type, t->raw_data.data + i * bytes) : from_typed(t, i);
    return FR_OK;
}

fr_status tensor_from_file(const char *path, fr_dense *out, bool *out_coarse) {
    char *data = NULL;
    size_t bytes;
    *out = (fr_dense){0};
    *out_coarse = false;
    FR_TRY(fr_file_read(path, 0, &data, &bytes));
    Onnx__TensorProto *tensor = onnx__tensor_proto__unpack(NULL, bytes, (const uint8_t *)data);
    fr_free(data);
    if (!tensor)
        return fr_fail(FR_INVALID, "'%s' is no tensor", path);
    fr_status status = read_tensor(tensor, out);
    *out_coarse = tensor->data_type == FLOAT16 || tensor->data_type == BFLOAT16;
    onnx__tensor_proto__free_unpacked(tensor, NULL);
    return status;
}

bool tensor_matches(const fr_dense *got, const fr_dense *want, bool coarse, char *why, size_t bytes) {
    double relative = coarse ? 2e-3 : 1e-4, absolute = coarse ? 1e-3 : 1e-5;
    if (!fr_shape_equal(&got->shape, &want->shape)) {
        char a[128], b[128];
        fr_shape_text(&got->shape, a, sizeof a);
        fr_shape_text(&want->shape, b, sizeof b);
        snprintf(why, bytes, "its shape is %s, not %s", a, b);
        return false;
    }
    size_t count = fr_shape_elements(&want->shape);
    for (size_t i = 0; i < count; i++) {
        double g = got->data[i], w = want->data[i];
        bool same = (isnan(g) && isnan(w)) || g == w || fabs(g - w) <= absolute + relative * fabs(w);
        if (!same) {
            snprintf(why, bytes, "number %zu is %.9g, not %.9g", i, g, w);
            return false;
        }
    }
    return true;
}
