#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"
#include "channels.glsl"

/* base to the power of -beta; 3/4 is the usual one and needs no logarithm */
float damped(float x, float base) {
    return p.beta == 0.75 ? x / (sqrt(base) * sqrt(sqrt(base))) : x / pow(base, p.beta);
}

void main() {
    if (!has_place())
        return;
    for (int c = 0; c < p.channels; c++) {
        const int first = max(c - p.before, 0), last = min(c + p.after, p.channels - 1);
        float squares = 0.0;
        for (int j = first; j <= last; j++) {
            const float value = number_at(j);
            squares += value * value;
        }
        put(c, damped(number_at(c), p.k + p.alpha * squares));
    }
    zero_padding(p.channels);
}
