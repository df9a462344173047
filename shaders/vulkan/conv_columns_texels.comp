/* conv_columns.glsl with source and weights through texels. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define TEXEL_VIEWS 1
#include "conv_columns.glsl"
