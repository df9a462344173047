/* conv_columns.glsl with what it reads in buffers. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define TEXEL_VIEWS 0
#include "conv_columns.glsl"
