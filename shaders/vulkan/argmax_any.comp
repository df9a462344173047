#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"
#include "channels.glsl"

void main() {
    if (!has_place())
        return;
    float best = stored_at(0);
    int winner = 0;
    for (int c = 1; c < p.channels; c++) {
        const float value = stored_at(c);
        if (value > best || (p.pick_last != 0 && value == best)) {
            best = value;
            winner = c;
        }
    }
    put(0, float(winner));
    zero_padding(1);
}
