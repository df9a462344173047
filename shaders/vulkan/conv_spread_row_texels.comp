/* Windows three wide, weights spread through the subgroup, reads through views. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define SPREADS 1
#define TEXEL_VIEWS 1
#include "conv_spread_row.glsl"
