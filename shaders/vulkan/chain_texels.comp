/* chain.glsl, weights through texels. */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

#define HAS_WINO 0
#define TEXEL_VIEWS 1
#include "chain.glsl"
