/* TensorProto -> numbers: floats of any width become f32, integers and booleans s64. */
#include <string.h>

#include "base/convert.h"
#include "formats/onnx_parts.h"

/* By TensorProto.DataType. `typed`: the field that holds numbers of the type when raw_data does not. */
typedef enum typed_field {
    TYPED_NONE = 0,
    TYPED_FLOAT,
    TYPED_INT32,
    TYPED_INT64,
    TYPED_DOUBLE,
    TYPED_UINT64
} typed_field;

static const struct onnx_type {
    const char *name;
    fr_dtype becomes;
    uint8_t bytes;
    uint8_t typed;
} types[] = {
    {"undefined", FR_DTYPE_NONE, 0, TYPED_NONE}, {"float", FR_F32, 4, TYPED_FLOAT},
    {"uint8", FR_S64, 1, TYPED_INT32},           {"int8", FR_S64, 1, TYPED_INT32},
    {"uint16", FR_S64, 2, TYPED_INT32},          {"int16", FR_S64, 2, TYPED_INT32},
    {"int32", FR_S64, 4, TYPED_INT32},           {"int64", FR_S64, 8, TYPED_INT64},
    {"string", FR_DTYPE_NONE, 0, TYPED_NONE},    {"bool", FR_S64, 1, TYPED_INT32},
    {"float16", FR_F32, 2, TYPED_INT32},         {"double", FR_F32, 8, TYPED_DOUBLE},
    {"uint32", FR_S64, 4, TYPED_UINT64},         {"uint64", FR_S64, 8, TYPED_UINT64},
    {"complex64", FR_DTYPE_NONE, 0, TYPED_NONE}, {"complex128", FR_DTYPE_NONE, 0, TYPED_NONE},
    {"bfloat16", FR_F32, 2, TYPED_INT32},
};

static const struct onnx_type *type_of(int32_t onnx_type) {
    static const struct onnx_type unknown = {"a type that foldrun does not know", FR_DTYPE_NONE, 0, TYPED_NONE};
    return onnx_type >= 0 && (size_t)onnx_type < sizeof types / sizeof *types ? &types[onnx_type] : &unknown;
}

fr_dtype fr_onnx_dtype(int32_t onnx_type) {
    return type_of(onnx_type)->becomes;
}
const char *fr_onnx_dtype_name(int32_t onnx_type) {
    return type_of(onnx_type)->name;
}

static fr_status read_shape(const Onnx__TensorProto *tensor, const char *name, fr_shape *out) {
    if (tensor->n_dims > FR_MAX_RANK)
        return fr_fail(FR_INVALID, "tensor '%s' has %zu dimensions; foldrun takes up to %d", name, tensor->n_dims,
                       FR_MAX_RANK);
    *out = (fr_shape){.rank = (int32_t)tensor->n_dims};
    for (size_t i = 0; i < tensor->n_dims; i++) {
        if (tensor->dims[i] < 0 || tensor->dims[i] > INT32_MAX)
            return fr_fail(FR_INVALID, "tensor '%s': dimension %zu is %lld", name, i, (long long)tensor->dims[i]);
        out->dim[i] = tensor->dims[i];
    }
    if (fr_shape_elements(out) == SIZE_MAX)
        return fr_fail(FR_INVALID, "tensor '%s' has more elements than can be counted", name);
    return FR_OK;
}

static double raw_float(int32_t onnx_type, const uint8_t *at) {
    uint16_t half;
    float single;
    double value;
    switch (onnx_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: memcpy(&single, at, 4); return single;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: memcpy(&value, at, 8); return value;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16: memcpy(&half, at, 2); return fr_f16_to_f32(half);
    default: memcpy(&half, at, 2); return fr_bf16_to_f32(half);
    }
}

static int64_t raw_integer(int32_t onnx_type, const uint8_t *at) {
    union {
        int16_t s16;
        uint16_t u16;
        int32_t s32;
        uint32_t u32;
        int64_t s64;
    } number = {.s64 = 0};
    memcpy(&number, at, type_of(onnx_type)->bytes);
    switch (onnx_type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT8: return *at;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT8: return (int8_t)*at;
    case ONNX__TENSOR_PROTO__DATA_TYPE__BOOL: return *at != 0;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT16: return number.u16;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT16: return number.s16;
    case ONNX__TENSOR_PROTO__DATA_TYPE__INT32: return number.s32;
    case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32: return number.u32;
    default: return number.s64; /* int64; uint64 past its range becomes negative */
    }
}

static void from_raw(const Onnx__TensorProto *tensor, const uint8_t *raw, size_t count, fr_onnx_tensor *out) {
    size_t step = type_of(tensor->data_type)->bytes;
    if (tensor->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        memcpy(out->data, raw, count * step);
    } else if (out->dtype == FR_F32) {
        for (size_t i = 0; i < count; i++)
            ((float *)out->data)[i] = (float)raw_float(tensor->data_type, raw + i * step);
    } else {
        for (size_t i = 0; i < count; i++)
            ((int64_t *)out->data)[i] = raw_integer(tensor->data_type, raw + i * step);
    }
}

static size_t typed_count(const Onnx__TensorProto *tensor) {
    switch (type_of(tensor->data_type)->typed) {
    case TYPED_FLOAT: return tensor->n_float_data;
    case TYPED_INT32: return tensor->n_int32_data;
    case TYPED_INT64: return tensor->n_int64_data;
    case TYPED_DOUBLE: return tensor->n_double_data;
    case TYPED_UINT64: return tensor->n_uint64_data;
    default: return 0;
    }
}

static void from_typed(const Onnx__TensorProto *tensor, size_t count, fr_onnx_tensor *out) {
    float *floats = out->data;
    int64_t *integers = out->data;
    for (size_t i = 0; i < count; i++) {
        switch (tensor->data_type) {
        case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT: floats[i] = tensor->float_data[i]; break;
        case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE: floats[i] = (float)tensor->double_data[i]; break;
        case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16: floats[i] = fr_f16_to_f32((uint16_t)tensor->int32_data[i]); break;
        case ONNX__TENSOR_PROTO__DATA_TYPE__BFLOAT16:
            floats[i] = fr_bf16_to_f32((uint16_t)tensor->int32_data[i]);
            break;
        case ONNX__TENSOR_PROTO__DATA_TYPE__INT64: integers[i] = tensor->int64_data[i]; break;
        case ONNX__TENSOR_PROTO__DATA_TYPE__UINT32:
        case ONNX__TENSOR_PROTO__DATA_TYPE__UINT64: integers[i] = (int64_t)tensor->uint64_data[i]; break;
        default: integers[i] = tensor->int32_data[i]; break;
        }
    }
}

/* uint64 past int64, told by its sign after the cast. */
static fr_status check_range(const Onnx__TensorProto *tensor, const char *name, size_t count,
                             const fr_onnx_tensor *out) {
    if (tensor->data_type != ONNX__TENSOR_PROTO__DATA_TYPE__UINT64)
        return FR_OK;
    for (size_t i = 0; i < count; i++)
        if (((const int64_t *)out->data)[i] < 0)
            return fr_fail(FR_INVALID, "tensor '%s': element %zu is past the largest 64-bit integer", name, i);
    return FR_OK;
}

fr_status fr_onnx_tensor_read(const Onnx__TensorProto *tensor, const char *name, const char *folder,
                              fr_onnx_tensor *out) {
    *out = (fr_onnx_tensor){0};
    const struct onnx_type *type = type_of(tensor->data_type);
    if (!tensor->has_data_type || type->becomes == FR_DTYPE_NONE)
        return fr_fail(FR_UNSUPPORTED, "tensor '%s' holds %s, which foldrun does not read", name,
                       tensor->has_data_type ? type->name : "no type");
    if (tensor->segment)
        return fr_fail(FR_UNSUPPORTED, "tensor '%s' is cut into segments: save the model in one piece", name);
    FR_TRY(read_shape(tensor, name, &out->shape));
    out->dtype = type->becomes;

    size_t count = fr_shape_elements(&out->shape), bytes, out_bytes;
    if (!fr_size_mul(count, type->bytes, &bytes) || !fr_size_mul(count, fr_dtype_bytes(out->dtype), &out_bytes))
        return fr_fail(FR_INVALID, "tensor '%s' has more elements than can be counted", name);
    bool external = tensor->has_data_location && tensor->data_location == ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    bool raw = !external && tensor->has_raw_data && (tensor->raw_data.len > 0 || typed_count(tensor) == 0);
    /* Before any memory is taken: a tensor may claim what the file does not hold. */
    if (raw && tensor->raw_data.len != bytes)
        return fr_fail(FR_INVALID, "tensor '%s': its shape and type need %zu bytes, its data has %zu", name, bytes,
                       tensor->raw_data.len);
    if (!raw && !external && typed_count(tensor) != count)
        return fr_fail(FR_INVALID, "tensor '%s': its shape needs %zu elements, its data has %zu", name, count,
                       typed_count(tensor));

    fr_status status = FR_OK;
    uint8_t *bytes_read = NULL;
    if (external) {
        FR_TRY(fr_onnx_external_read(tensor, name, folder, bytes, &bytes_read));
    }
    out->data = fr_alloc(out_bytes);
    if (!out->data) {
        status = fr_no_memory(out_bytes, "a tensor of an ONNX file");
    } else {
        if (count > 0 && (raw || external))
            from_raw(tensor, external ? bytes_read : tensor->raw_data.data, count, out);
        else if (count > 0)
            from_typed(tensor, count, out);
        status = check_range(tensor, name, count, out);
    }
    fr_free(bytes_read);
    if (status != FR_OK) {
        fr_free(out->data);
        *out = (fr_onnx_tensor){0};
    }
    return status;
}
