/* The families, one declaration each; table.c lists them. */
#ifndef FR_BACKENDS_GPU_FAMILIES_H
#define FR_BACKENDS_GPU_FAMILIES_H

#include "gpu/gpu.h"

/* Weak, so that a build that leaves a family's file out has no variants of it. */
#define GPU_FAMILY(name) extern const gpu_family name __attribute__((weak))

GPU_FAMILY(gpu_family_conv_direct);  /* conv_direct.c: register tiles, and implicit GEMM through local memory */
GPU_FAMILY(gpu_family_conv_first);   /* conv_first.c: few input channels */
GPU_FAMILY(gpu_family_conv_grouped); /* conv_grouped.c: grouped and depthwise */
GPU_FAMILY(gpu_family_conv_plain);   /* conv_plain.c: any shape, any layout */
GPU_FAMILY(gpu_family_conv_spread);  /* conv_spread.c: sums in registers, weights handed round subgroups */
GPU_FAMILY(gpu_family_conv_wino);    /* wino.c: Winograd, fused */
GPU_FAMILY(gpu_family_conv_wino3);   /* wino3.c: Winograd in three stages */
GPU_FAMILY(gpu_family_conv_gemm);    /* conv_gemm.c: im2col and a library's GEMM */
GPU_FAMILY(gpu_family_conv_matrix);  /* conv_matrix.c: cooperative matrices, fully connected layers too */
GPU_FAMILY(gpu_family_conv_mma);     /* conv_mma.c: a warp's matrix instructions (CUDA), pool in the epilogue */
GPU_FAMILY(gpu_family_chain_mma);    /* chain_mma.c: whole small CNNs by them */
GPU_FAMILY(gpu_family_conv_int8);    /* conv_int8.c */
GPU_FAMILY(gpu_family_fc);           /* fc.c */
GPU_FAMILY(gpu_family_fc_gemm);      /* fc_gemm.c: a library's GEMM */
GPU_FAMILY(gpu_family_fc_int8);      /* fc_int8.c */
GPU_FAMILY(gpu_family_pool);         /* pool.c */
GPU_FAMILY(gpu_family_maps);         /* maps.c: binary, unary, concat, pad, reorder */
GPU_FAMILY(gpu_family_channels);     /* channels.c: LRN, softmax, argmax */
GPU_FAMILY(gpu_family_ends);         /* ends.c: ingest, emit */
GPU_FAMILY(gpu_family_chain);        /* chain.c */

#endif
