/*
 * The constants that a recipe gives to a shader when its pipeline is made (gpu_define by NAME, specialisation constant by
 * number), for C and GLSL alike. C(id, NAME, value when the recipe says nothing). Numbers never change their meaning; 0 to 2
 * are the items of a group. ROLLED, QUADS and FC_FORM are OpenCL's alone: recipes define them for both.
 */
#ifndef FR_SHADERS_VULKAN_CONSTANTS_H
#define FR_SHADERS_VULKAN_CONSTANTS_H

#define SHADER_CONSTANTS(C) \
    C(3, SRC_DTYPE, 1)      \
    C(4, DST_DTYPE, 1)      \
    C(5, RES_DTYPE, 1)      \
    C(6, WGT_DTYPE, 1)      \
    C(7, SRC1_DTYPE, 0)     \
    C(8, VW, 4)             \
    C(9, TILE_PX, 1)        \
    C(10, TILE_CB, 1)       \
    C(11, POOLED, 0)        \
    C(12, ROLLED, 0)        \
    C(13, STEP, 1)          \
    C(14, SUBGROUP, 1)      \
    C(15, SLIDE_K, 0)       \
    C(16, CURVED, 0)        \
    C(17, RESIDUAL, 0)      \
    C(18, TP, 1)            \
    C(19, TO, 1)            \
    C(20, QUADS, 1)         \
    C(21, WIDE, 0)          \
    C(22, WINDOW, 0)        \
    C(23, PAIR_PX, 1)       \
    C(24, SINGLE_PX, 1)     \
    C(25, MAPS, 1)          \
    C(26, WINO_OUT, 4)      \
    C(27, TB, 1)            \
    C(28, CB, 1)            \
    C(29, SLIDE_S, 0)       \
    C(30, FC_FORM, 0)       \
    C(31, ROWS, 1)          \
    C(32, IX, 1)            \
    C(33, DEPTH, 4)

#endif
