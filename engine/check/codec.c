/* Stored numbers, decoded and encoded by arithmetic alone: on purpose not the bit tricks of base/convert.h. */
#include <math.h>
#include <string.h>

#include "check/numbers.h"

/* value rounded to `digits` binary digits, halves to even; `lowest` is the exponent of the smallest normal number. */
static double round_binary(double value, int digits, int lowest) {
    int exponent;
    if (value == 0.0 || !isfinite(value))
        return value;
    frexp(value, &exponent); /* value = m * 2^exponent, 0.5 <= m < 1 */
    exponent = exponent - 1 < lowest ? lowest + 1 : exponent;
    return ldexp(rint(ldexp(value, digits - exponent)), exponent - digits);
}

static uint16_t pack(double value, int exponent_bits, int mantissa_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1, exponent;
    uint16_t sign = signbit(value) ? 0x8000u : 0u, infinity = (uint16_t)(((1 << exponent_bits) - 1) << mantissa_bits);
    double rounded = fabs(round_binary(value, mantissa_bits + 1, 1 - bias));
    if (isnan(value))
        return (uint16_t)(infinity | 1u);
    if (rounded >= ldexp(1.0, bias + 1))
        return sign | infinity;
    if (rounded < ldexp(1.0, 1 - bias)) /* subnormal, or zero */
        return (uint16_t)(sign | (uint16_t)ldexp(rounded, bias - 1 + mantissa_bits));
    frexp(rounded, &exponent);
    unsigned mantissa = (unsigned)ldexp(rounded, mantissa_bits + 1 - exponent) - (1u << mantissa_bits);
    return (uint16_t)(sign | (unsigned)(exponent - 1 + bias) << mantissa_bits | mantissa);
}

static double unpack(uint16_t bits, int exponent_bits, int mantissa_bits) {
    int bias = (1 << (exponent_bits - 1)) - 1, exponent = (bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
    double mantissa = bits & ((1 << mantissa_bits) - 1), sign = bits & 0x8000u ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1)
        return mantissa > 0 ? (double)NAN : sign * (double)INFINITY;
    if (exponent == 0)
        return sign * ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * ldexp(mantissa + ldexp(1.0, mantissa_bits), exponent - bias - mantissa_bits);
}

double fr_check_decode(uint16_t dtype, float scale, const void *data, uint64_t index) {
    switch (dtype) {
    case FR_F64: return ((const double *)data)[index];
    case FR_F32: return (double)((const float *)data)[index];
    case FR_F16: return unpack(((const uint16_t *)data)[index], 5, 10);
    case FR_BF16: return unpack(((const uint16_t *)data)[index], 8, 7);
    case FR_U8: return (double)scale * ((const uint8_t *)data)[index];
    case FR_S8: return (double)scale * ((const int8_t *)data)[index];
    default: return (double)NAN;
    }
}

void fr_check_encode(uint16_t dtype, float scale, void *data, uint64_t index, double value) {
    double stored = dtype == FR_U8 || dtype == FR_S8 ? rint(value / (double)scale) : value;
    switch (dtype) {
    case FR_F64: ((double *)data)[index] = value; break;
    case FR_F32: ((float *)data)[index] = (float)value; break;
    case FR_F16: ((uint16_t *)data)[index] = pack((double)(float)value, 5, 10); break;
    case FR_BF16: ((uint16_t *)data)[index] = pack((double)(float)value, 8, 7); break;
    case FR_U8: ((uint8_t *)data)[index] = (uint8_t)fmin(fmax(stored, 0), 255); break;
    case FR_S8: ((int8_t *)data)[index] = (int8_t)fmin(fmax(stored, -128), 127); break;
    default: break;
    }
}
