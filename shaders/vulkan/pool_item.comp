#version 450
#extension GL_GOOGLE_include_directive : require
#include "prelude.glsl"
#include "maps.glsl"

PARAMS(POOL_PARAMS)
READS(0, src, SRC_DTYPE)
VECTORS_IN(src)

#include "pool_window.glsl"
