/* Winograd F(2x2, 3x3) in the registers of subgroups. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define OUTPUTS 2
#include "wino_lanes.glsl"
