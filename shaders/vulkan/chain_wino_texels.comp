/* chain.glsl, layers by Winograd among them, weights through texels. */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

#define HAS_WINO 1
#define TEXEL_VIEWS 1
#include "chain.glsl"
