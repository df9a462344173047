#version 450
#extension GL_GOOGLE_include_directive : require
#define DOT8 0
#include "conv_int8.glsl"
