/*
 * What the three kernels of Winograd with V and M in scratch have in common (shaders/opencl/wino3.cl, wino_parts.cl):
 * V is [place][tile / TB][block of channels][tile % TB][4], M is [place][tile][channel], of all tiles. The constant WINO_OUT
 * says how many outputs a side of a tile has.
 */
#include "prelude.glsl"

PARAMS(WINO_PARAMS)

#define WINO_VEC vec4
#define WINO_FMA(a, b, c) fma(a, b, c)
#define WINO_ALL(x) vec4(x)

const int OUTPUTS = WINO_OUT; /* the transforms' text wants a number of that name */

#define LOCAL_X int(gl_LocalInvocationID.x)
#define LOCAL_Y int(gl_LocalInvocationID.y)

/* The rectangle of one image that the group has, in places of the map and in tiles. */
struct part {
    int image, y, x, rows, cols, down, across;
};

part part_of() {
    part g;
    g.image = int(gl_WorkGroupID.z);
    g.y = int(gl_WorkGroupID.y) * p.strip_h;
    g.x = GROUP_X * p.strip_w;
    g.rows = min(p.strip_h, p.map_h - g.y);
    g.cols = min(p.strip_w, p.map_w - g.x);
    g.down = (g.rows + OUTPUTS - 1) / OUTPUTS;
    g.across = (g.cols + OUTPUTS - 1) / OUTPUTS;
    return g;
}

/* Its place in V and M. */
int tile_of(part g, int y, int x) {
    return (g.image * p.down + g.y / OUTPUTS + y) * p.across + g.x / OUTPUTS + x;
}
