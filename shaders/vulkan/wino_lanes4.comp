/* Winograd F(4x4, 3x3) in the registers of subgroups. */
#version 450
#extension GL_GOOGLE_include_directive : require
#define OUTPUTS 4
#include "wino_lanes.glsl"
