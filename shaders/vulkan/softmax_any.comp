#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"
#include "channels.glsl"

void main() {
    if (!has_place())
        return;
    float highest = LOWEST, sum = 0.0;
    for (int c = 0; c < p.channels; c++)
        highest = max(highest, number_at(c));
    for (int c = 0; c < p.channels; c++)
        sum += exp(number_at(c) - highest);
    for (int c = 0; c < p.channels; c++)
        put(c, exp(number_at(c) - highest) / sum);
    zero_padding(p.channels);
}
