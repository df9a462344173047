/* chain.glsl. */
#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"

#define HAS_WINO 0
#define TEXEL_VIEWS 0
#include "chain.glsl"
