/*
 * CONV and FC over bytes, of any shape and in any layout: an item makes one output. Constants: RES_DTYPE (0 = no residual),
 * WIDE (1: the sum may pass 2^31). weights: as the step has them; constants: a factor for each output channel, then a bias
 * for each.
 */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

PARAMS(INT8_PLAIN_PARAMS)
layout(std430, binding = 0) readonly buffer src_words_ { uint src_words[]; };
WRITES(1, dst, DST_DTYPE)
layout(std430, binding = 2) readonly buffer weight_words_ { int weight_words[]; };
layout(std430, binding = 3) readonly buffer factors_ { float factors[]; };
READS(4, res, RES_DTYPE)

/* Bytes of words: the word that holds a number is inside the memory of the tensor that holds it, which is whole words. */
int src_at(int i) {
    uint word = src_words[i >> 2];
    return SRC_DTYPE == U8 ? int(bitfieldExtract(word, (i & 3) * 8, 8)) : bitfieldExtract(int(word), (i & 3) * 8, 8);
}

int weight_at(int i) {
    return bitfieldExtract(weight_words[i >> 2], (i & 3) * 8, 8);
}

void main() {
    const int place = ITEM_X, c = int(gl_WorkGroupID.y), n = int(gl_WorkGroupID.z);
    if (place >= p.out_h * p.out_w)
        return;
    const int y = place / p.out_w, x = place % p.out_w;
    const int to = MAP_AT(p, dst, n, c, y, x);
    if (c >= p.channels) { /* a block's padding */
        dst_store(to, 0.0);
        return;
    }
    const int first_c = c / p.group_out * p.group_in;
    const int top = y * p.win_sh - p.win_pt, left = x * p.win_sw - p.win_pl;
    int w = AT(2) + c * p.weights_step, sum = 0, high = 0; /* wide: sum + 2^16 * high */
    for (int k = 0; k < p.group_in; k++) {
        const int from = AT(0) + MAP_AT(p, src, n, first_c + k, 0, 0);
        for (int ky = 0; ky < p.win_kh; ky++) {
            const int row = top + ky * p.win_dh;
            for (int kx = 0; kx < p.win_kw; kx++, w++) {
                const int column = left + kx * p.win_dw;
                if (row >= 0 && row < p.h && column >= 0 && column < p.w)
                    sum += weight_at(w) * src_at(from + row * p.src_y + column * p.src_x);
            }
            if (WIDE != 0) {
                high += sum >> 16;
                sum &= 0xffff;
            }
        }
    }
    float value = (float(high) * 65536.0 + float(sum)) * factors[AT(3) + c] + factors[AT(3) + p.channels + c];
    if (RES_DTYPE != 0)
        value += res_load(MAP_AT(p, res, n, c, y, x)) * p.res_scale;
    dst_store(to, ACTIVATE(value, p) * p.inverse_scale);
}
