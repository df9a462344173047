/*
 * CONV and FC over bytes: an item sums TP places by TO vectors of four outputs in registers, four input channels at a time.
 * Constants: TP, TO, RES_DTYPE (0 = no residual). The includer says with DOT8 whether the device multiplies and adds four
 * bytes in one instruction.
 *
 * weights: four zero words, then for each tile of TO * 4 outputs, block of four channels, row and column of the window: TO
 * vectors of four outputs times four bytes. constants: for each tile TO * 4 factors, as many biases, and the first block of
 * the source that the tile reads.
 */
#if DOT8
#extension GL_EXT_spirv_intrinsics : require
#endif
#include "prelude.glsl"

PARAMS(CONV_INT8_PARAMS)
layout(std430, binding = 0) readonly buffer src_words_ { uint src_words[]; };
WRITES(1, dst, DST_DTYPE)
layout(std430, binding = 2) readonly buffer weights_ { uvec4 weights[]; };
layout(std430, binding = 3) readonly buffer factors_ { vec4 factors[]; };
layout(std430, binding = 3) readonly buffer numbers_ { int numbers[]; };
READS(4, res, RES_DTYPE)

/* ---- four products and their sum ---- */

#if DOT8
/* OpSUDot and OpSDot of SPV_KHR_integer_dot_product, on four bytes packed in a word (format 0) */
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4452)
int dot_signed_unsigned(int w, uint a, spirv_literal int format);
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6018, 6019], id = 4450)
int dot_signed(int w, int a, spirv_literal int format);

int dot8(uint w, uint a) {
    return SRC_DTYPE == U8 ? dot_signed_unsigned(int(w), a, 0) : dot_signed(int(w), int(a), 0);
}
#define DECLARE_WEIGHTS uvec4 wide[TO];
#define UNPACK_WEIGHTS(o, words) wide[o] = words;
#define DECLARE_BYTES(words) const uint a = words;
#define ADD_PRODUCTS(sum, o) sum += ivec4(dot8(wide[o].x, a), dot8(wide[o].y, a), dot8(wide[o].z, a), dot8(wide[o].w, a));
#else
ivec4 bytes_of(uint word) {
    ivec4 all = ivec4(int(word));
    if (SRC_DTYPE == U8)
        return ivec4(word & 255u, word >> 8 & 255u, word >> 16 & 255u, word >> 24);
    return ivec4(bitfieldExtract(int(word), 0, 8), bitfieldExtract(int(word), 8, 8), bitfieldExtract(int(word), 16, 8),
                 bitfieldExtract(int(word), 24, 8));
}
#define DECLARE_WEIGHTS ivec4 wide[4 * TO]; /* a byte of each word */
#define UNPACK_WEIGHTS(o, words)                                \
    {                                                           \
        ivec4 all = ivec4(words);                               \
        wide[4 * (o)] = bitfieldExtract(all, 0, 8);             \
        wide[4 * (o) + 1] = bitfieldExtract(all, 8, 8);         \
        wide[4 * (o) + 2] = bitfieldExtract(all, 16, 8);        \
        wide[4 * (o) + 3] = bitfieldExtract(all, 24, 8);        \
    }
#define DECLARE_BYTES(words) const ivec4 a = bytes_of(words);
#define ADD_PRODUCTS(sum, o)                                                                       \
    {                                                                                              \
        sum += wide[4 * (o)] * a.x;                                                                \
        sum += wide[4 * (o) + 1] * a.y;                                                            \
        sum += wide[4 * (o) + 2] * a.z;                                                            \
        sum += wide[4 * (o) + 3] * a.w;                                                            \
    }
#endif

/* ---- what follows the sums ---- */

/* dst holds whole vectors of the channels [c, c + 4), at a multiple of four: in blocks, or side by side */
bool is_whole(int c) {
    return p.dst_c == 1 && p.dst_x % 4 == 0 && c + 4 <= p.stored;
}

int element_of(int n, int c, int place) {
    return n * p.dst_n + c / p.dst_block * p.dst_b + c % p.dst_block * p.dst_c + place * p.dst_x;
}

int residual_at(int n, int c, int place) {
    return n * p.res_n + c / p.dst_block * p.res_b + c % p.dst_block * p.dst_c + place * p.dst_x;
}

vec4 residual_of(int n, int c, int place) {
    if (is_whole(c))
        return res_loadv(residual_at(n, c, place)) * p.res_scale;
    vec4 x = vec4(0.0);
    for (int i = 0; i < 4; i++)
        if (c + i < p.stored)
            x[i] = res_load(residual_at(n, c + i, place)) * p.res_scale;
    return x;
}

void put(vec4 x, int n, int c, int place) {
    if (is_whole(c)) {
        dst_storev(element_of(n, c, place), x);
        return;
    }
    for (int i = 0; i < 4; i++)
        if (c + i < p.stored)
            dst_store(element_of(n, c + i, place), x[i]);
}

/* ---- the kernel ---- */

void main() {
    const int tile = int(gl_WorkGroupID.y), lane = int(gl_LocalInvocationID.x), map = p.out_h * p.out_w;
    const int constants = (AT(3) + tile * p.constants_step) >> 2;
    const int first_word = numbers[4 * constants + 2 * TO * 4] * p.src_b + AT(0);
    const int begin = GROUP_X * p.span, end = min(begin + p.span, p.places);
    for (int first_place = begin; first_place < end; first_place += TP * LX) {
        ivec4 acc[TP * TO];
        int row[TP], column[TP], from[TP];
        [[unroll]] for (int t = 0; t < TP; t++) { /* beyond the end: the last place once more */
            int place = min(first_place + t * LX + lane, end - 1), n = place / map, in_map = place - n * map;
            int y = in_map / p.out_w;
            row[t] = y * p.win_sh - p.win_pt;
            column[t] = (in_map - y * p.out_w) * p.win_sw - p.win_pl;
            from[t] = first_word + n * p.src_n + (row[t] * p.w + column[t]) * p.src_x;
        }
        [[unroll]] for (int i = 0; i < TP * TO; i++)
            acc[i] = ivec4(0);
        int w = (AT(2) + 4 + tile * p.weights_step) >> 2;
        for (int b = 0; b < p.blocks; b++)
            for (int ky = 0; ky < p.win_kh; ky++)
                for (int kx = 0; kx < p.win_kw; kx++, w += TO) {
                    const int down = ky * p.win_dh, right = kx * p.win_dw;
                    const int tap = b * p.src_b + (down * p.w + right) * p.src_x;
                    DECLARE_WEIGHTS
                    [[unroll]] for (int o = 0; o < TO; o++)
                        UNPACK_WEIGHTS(o, weights[w + o])
                    [[unroll]] for (int t = 0; t < TP; t++) {
                        bool is_inside = uint(row[t] + down) < uint(p.h) && uint(column[t] + right) < uint(p.w);
                        uint bytes = src_words[(is_inside ? from[t] + tap : first_word) >> 2];
                        DECLARE_BYTES(is_inside ? bytes : 0u)
                        [[unroll]] for (int o = 0; o < TO; o++)
                            ADD_PRODUCTS(acc[t * TO + o], o)
                    }
                }
        ivec4 sums[TP * TO]; /* a copy, read in a loop that is not unrolled: acc stays in registers, and the code is short */
        [[unroll]] for (int i = 0; i < TP * TO; i++)
            sums[i] = acc[i];
        [[dont_unroll]] for (int i = 0; i < TP * TO; i++) {
            const int o = i % TO, place = first_place + i / TO * LX + lane, first_c = (tile * TO + o) * 4;
            if (place < end && first_c < p.stored) {
                const int n = place / map, in_map = place - n * map;
                vec4 x = vec4(sums[i]) * factors[constants + o] + factors[constants + TO + o];
                if (RES_DTYPE != 0)
                    x += residual_of(n, first_c, in_map);
                x = ACTIVATE(x, p) * p.inverse_scale;
                put(keep_lanes(x, p.channels - first_c), n, first_c, in_map);
            }
        }
    }
}
