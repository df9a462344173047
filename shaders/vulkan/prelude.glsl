/*
 * What every shader begins with. A shader file: #version 450, then #include "prelude.glsl" behind
 * #extension GL_GOOGLE_include_directive, its parameters, its buffers, main().
 *
 * Each file is built twice: with NARROW 1 for devices that store 8 and 16 bits, and with NARROW 0 for the others, which run
 * f32 alone (and read u8 as words). Buffer `b` of a dispatch is binding b, its first element the launch word AT(b); the
 * parameters are a uniform block at binding PARAMS_AT. Reads past a tensor's end are faults, as everywhere.
 */
#ifndef PRELUDE_GLSL
#define PRELUDE_GLSL
#extension GL_EXT_control_flow_attributes : require
#if NARROW
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types_int8 : require
#endif

#define fmax max
#define fmin min
#include "../common.h"
#include "../params.h"
#include "constants.h"

layout(local_size_x_id = 0, local_size_y_id = 1, local_size_z_id = 2) in;
#define LX int(gl_WorkGroupSize.x)
#define LY int(gl_WorkGroupSize.y)
#define LZ int(gl_WorkGroupSize.z)
#define CONSTANT_(id, name, value) layout(constant_id = id) const int name = value;
SHADER_CONSTANTS(CONSTANT_)

/* Numbers of fr_dtype */
const int F32 = 1, F16 = 2, U8 = 4, S8 = 5, S32 = 6;

layout(push_constant) uniform launch_block { uint word[8]; } launch;
#define AT(b) int(launch.word[b])
#define VALID int(launch.word[6])
/* Of the whole grid, which may be wider than what one dispatch takes: it comes in pieces then, each with its first group. */
#define GROUP_X int(gl_WorkGroupID.x + launch.word[7])
#define ITEM_X int(gl_GlobalInvocationID.x + launch.word[7] * gl_WorkGroupSize.x)

/* PARAMS(LIST) declares `p` with the members of a list in params.h. */
#define PARAMS_AT 6
#define PARAM_INT_(name) int name;
#define PARAM_FLOAT_(name) float name;
#define PARAMS(list) layout(std140, binding = PARAMS_AT) uniform params_block { list(PARAM_INT_, PARAM_FLOAT_) } p;

/*
 * READS(b, src, SRC_DTYPE) declares binding b as a source and makes, for element i after the launch's offset:
 *   float src_load(int i)      a number as it is stored (integers without their scale)
 *   vec4  src_loadv(int i)     four side by side, AT(b) + i a multiple of four
 *   vec4  src_loadu(int i)     four side by side, anywhere
 * WRITES(b, dst, DST_DTYPE): dst_store(int i, float v), dst_storev(int i, vec4 v), integers saturated and rounded to even (halves as the device does).
 * TEXELS(b, src): as READS of f32 or f16, through a buffer view of four components (recipes say so in gpu_dispatch.texels).
 */
#define READ_WORDS_(b, name)                                                             \
    layout(std430, binding = b) readonly buffer name##_f32_ { float name##_f32[]; };     \
    layout(std430, binding = b) readonly buffer name##_f32v_ { vec4 name##_f32v[]; };    \
    layout(std430, binding = b) readonly buffer name##_word_ { uint name##_word[]; };
#if NARROW
#define READS(b, name, DTYPE)                                                            \
    READ_WORDS_(b, name)                                                                 \
    layout(std430, binding = b) readonly buffer name##_f16_ { float16_t name##_f16[]; }; \
    layout(std430, binding = b) readonly buffer name##_f16v_ { f16vec4 name##_f16v[]; }; \
    layout(std430, binding = b) readonly buffer name##_u8_ { uint8_t name##_u8[]; };     \
    layout(std430, binding = b) readonly buffer name##_s8_ { int8_t name##_s8[]; };      \
    float name##_load(int i) {                                                           \
        i += AT(b);                                                                      \
        return DTYPE == F32   ? name##_f32[i]                                            \
               : DTYPE == F16 ? float(name##_f16[i])                                     \
               : DTYPE == U8  ? float(uint(name##_u8[i]))                                \
               : DTYPE == S8  ? float(int(name##_s8[i]))                                 \
                              : float(int(name##_word[i]));                              \
    }                                                                                    \
    vec4 name##_loadv(int i) {                                                           \
        i = (i + AT(b)) >> 2;                                                            \
        if (DTYPE == F32)                                                                \
            return name##_f32v[i];                                                       \
        if (DTYPE == F16)                                                                \
            return vec4(name##_f16v[i]);                                                 \
        uint word = name##_word[i];                                                      \
        return DTYPE == U8 ? BYTES_OF_(word) : SIGNED_BYTES_OF_(word);                   \
    }                                                                                    \
    LOADU_(name)
#else
#define READS(b, name, DTYPE)                                                            \
    READ_WORDS_(b, name)                                                                 \
    float name##_load(int i) {                                                           \
        i += AT(b);                                                                      \
        return DTYPE == U8 ? float(bitfieldExtract(name##_word[i >> 2], (i & 3) * 8, 8)) : name##_f32[i]; \
    }                                                                                    \
    vec4 name##_loadv(int i) {                                                           \
        i = (i + AT(b)) >> 2;                                                            \
        return DTYPE == U8 ? BYTES_OF_(name##_word[i]) : name##_f32v[i];                 \
    }                                                                                    \
    LOADU_(name)
#endif
#define LOADU_(name) \
    vec4 name##_loadu(int i) { return vec4(name##_load(i), name##_load(i + 1), name##_load(i + 2), name##_load(i + 3)); }
#define BYTES_OF_(word) vec4((word) & 255u, (word) >> 8 & 255u, (word) >> 16 & 255u, (word) >> 24)
#define SIGNED_BYTES_OF_(word)                                                                      \
    vec4(bitfieldExtract(int(word), 0, 8), bitfieldExtract(int(word), 8, 8), bitfieldExtract(int(word), 16, 8), \
         bitfieldExtract(int(word), 24, 8))

#define TEXELS(b, name)                                                                        \
    layout(binding = b) uniform samplerBuffer name##_texels;                                   \
    vec4 name##_loadv(int i) { return texelFetch(name##_texels, (i + AT(b)) >> 2); }           \
    float name##_load(int i) { return texelFetch(name##_texels, (i + AT(b)) >> 2)[(i + AT(b)) & 3]; } \
    LOADU_(name)

#define WRITE_WORDS_(b, name)                                               \
    layout(std430, binding = b) buffer name##_f32_ { float name##_f32[]; }; \
    layout(std430, binding = b) buffer name##_f32v_ { vec4 name##_f32v[]; };
#if NARROW
#define WRITES(b, name, DTYPE)                                                        \
    WRITE_WORDS_(b, name)                                                             \
    layout(std430, binding = b) buffer name##_f16_ { float16_t name##_f16[]; };       \
    layout(std430, binding = b) buffer name##_f16v_ { f16vec4 name##_f16v[]; };       \
    layout(std430, binding = b) buffer name##_u8_ { uint8_t name##_u8[]; };           \
    layout(std430, binding = b) buffer name##_s8_ { int8_t name##_s8[]; };            \
    layout(std430, binding = b) buffer name##_s32_ { int name##_s32[]; };             \
    void name##_store(int i, float v) {                                               \
        i += AT(b);                                                                   \
        if (DTYPE == F32)                                                             \
            name##_f32[i] = v;                                                        \
        else if (DTYPE == F16)                                                        \
            name##_f16[i] = float16_t(v);                                             \
        else if (DTYPE == U8)                                                         \
            name##_u8[i] = uint8_t(uint(clamp(roundEven(v), 0.0, 255.0)));            \
        else if (DTYPE == S8)                                                         \
            name##_s8[i] = int8_t(int(clamp(roundEven(v), -128.0, 127.0)));           \
        else                                                                          \
            name##_s32[i] = int(v);                                                   \
    }                                                                                 \
    void name##_storev(int i, vec4 v) {                                               \
        if (DTYPE == F32)                                                             \
            name##_f32v[(i + AT(b)) >> 2] = v;                                        \
        else if (DTYPE == F16)                                                        \
            name##_f16v[(i + AT(b)) >> 2] = f16vec4(v);                               \
        else                                                                          \
            STORE_EACH_(name, i, v)                                                   \
    }
#else
#define WRITES(b, name, DTYPE)                                                        \
    WRITE_WORDS_(b, name)                                                             \
    void name##_store(int i, float v) { name##_f32[i + AT(b)] = v; }                  \
    void name##_storev(int i, vec4 v) { name##_f32v[(i + AT(b)) >> 2] = v; }
#endif
#define STORE_EACH_(name, i, v)         \
    {                                   \
        name##_store(i, (v).x);         \
        name##_store((i) + 1, (v).y);   \
        name##_store((i) + 2, (v).z);   \
        name##_store((i) + 3, (v).w);   \
    }

/* Numbers of stored integers, and back: number = scale * stored. Other dtypes are stored as they are. */
#define IS_SCALED(dtype) ((dtype) == U8 || (dtype) == S8)
#define NUMBER(dtype, v, scale) (IS_SCALED(dtype) ? (v) * (scale) : (v))
#define STORED(dtype, v, scale) (IS_SCALED(dtype) ? (v) / (scale) : (v))

/* The first `count` lanes, zeros after them: the padding of a block is zero. */
vec4 keep_lanes(vec4 v, int count) {
    return mix(vec4(0.0), v, lessThan(ivec4(0, 1, 2, 3), ivec4(count)));
}

/* ACTIVATE(x, p) with the three words of ACT_PARAMS in p, on a float or a vec4. */
#define ACTIVATE_(T)                                  \
    T activate_(T x, int act, float a, float b) {     \
        if (CURVED != 0)                              \
            switch (act) { ACT_CURVES(T) default: break; } \
        switch (act) { ACT_LINES(T) default: return x; } \
    }
ACTIVATE_(float)
ACTIVATE_(vec4)
#define ACTIVATE(x, p) activate_(x, p.act, p.act_a, p.act_b)

#endif
