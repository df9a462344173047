#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(POOL_PARAMS)
TEXELS(0, src)
VECTORS_IN(src)

#include "pool_window.glsl"
