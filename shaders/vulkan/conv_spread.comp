/* Any window, weights spread through the subgroup. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define SPREADS 1
#define TEXEL_VIEWS 0
#include "conv_spread_any.glsl"
