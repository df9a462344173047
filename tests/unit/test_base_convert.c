#include "base/convert.h"

#include "check.h"

static bool is_nan16(unsigned half) {
    return (half & 0x7c00u) == 0x7c00u && (half & 0x3ffu);
}

TEST(every_half_goes_there_and_back) {
    for (unsigned half = 0; half <= 0xffffu; half++) {
        float value = fr_f16_to_f32((uint16_t)half);
        uint16_t back = fr_f32_to_f16(value);
        if (is_nan16(half))
            CHECK(isnan(value) && is_nan16(back));
        else
            CHECK_INT(back, half);
    }
}

TEST(every_half_is_what_the_format_says) {
    for (unsigned half = 0; half < 0x7c00u; half++) { /* (-1)^s * 2^(e-15) * 1.m, subnormals 2^-14 * 0.m */
        int exponent = (int)(half >> 10), mantissa = (int)(half & 0x3ffu);
        double want = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
        CHECK((double)fr_f16_to_f32((uint16_t)half) == want);
        CHECK((double)fr_f16_to_f32((uint16_t)(half | 0x8000u)) == -want);
    }
    CHECK(isinf(fr_f16_to_f32(0x7c00)) && fr_f16_to_f32(0x7c00) > 0);
    CHECK(isinf(fr_f16_to_f32(0xfc00)) && fr_f16_to_f32(0xfc00) < 0);
}

TEST(halfway_rounds_to_even) {
    for (unsigned half = 0; half < 0x7bffu; half++) {
        float low = fr_f16_to_f32((uint16_t)half), high = fr_f16_to_f32((uint16_t)(half + 1));
        float middle = (low + high) / 2; /* exact in f32 */
        CHECK_INT(fr_f32_to_f16(middle), half % 2 == 0 ? half : half + 1);
        CHECK_INT(fr_f32_to_f16(nextafterf(middle, low)), half);
        CHECK_INT(fr_f32_to_f16(nextafterf(middle, high)), half + 1);
        CHECK_INT(fr_f32_to_f16(-middle), 0x8000u | (half % 2 == 0 ? half : half + 1));
    }
    CHECK_INT(fr_f32_to_f16(65519.996f), 0x7bff);
    CHECK_INT(fr_f32_to_f16(65520.0f), 0x7c00);
    CHECK_INT(fr_f32_to_f16(1e30f), 0x7c00);
    CHECK_INT(fr_f32_to_f16(-INFINITY), 0xfc00);
    CHECK_INT(fr_f32_to_f16(1e-30f), 0);
}

TEST(every_bf16_goes_there_and_back) {
    for (unsigned half = 0; half <= 0xffffu; half++) {
        float value = fr_bf16_to_f32((uint16_t)half);
        uint16_t back = fr_f32_to_bf16(value);
        if (isnan(value))
            CHECK(isnan(fr_bf16_to_f32(back)));
        else
            CHECK_INT(back, half);
    }
}

TEST(bf16_halfway_rounds_to_even) {
    for (unsigned half = 0; half < 0x7f7fu; half++) {
        uint32_t bits = half << 16 | 0x8000u, less = bits - 1, more = bits + 1;
        float middle, below, above;
        memcpy(&middle, &bits, 4);
        memcpy(&below, &less, 4);
        memcpy(&above, &more, 4);
        CHECK_INT(fr_f32_to_bf16(middle), half % 2 == 0 ? half : half + 1);
        CHECK_INT(fr_f32_to_bf16(below), half);
        CHECK_INT(fr_f32_to_bf16(above), half + 1);
    }
    CHECK_INT(fr_f32_to_bf16(3.4028235e38f), 0x7f80);
    uint32_t quiet = 0x7f800001u; /* a NaN whose mantissa is lost by cutting */
    float nan;
    memcpy(&nan, &quiet, 4);
    CHECK(isnan(fr_bf16_to_f32(fr_f32_to_bf16(nan))));
}

CHECK_MAIN
