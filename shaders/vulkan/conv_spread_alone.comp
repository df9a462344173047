/* Any window, each item reading its weights itself. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define SPREADS 0
#define TEXEL_VIEWS 0
#include "conv_spread_any.glsl"
