/* F(5x5,3x3) with products of 16-bit integers: see fixed.h. */
#include "kernels_isa.h"
#include "vec.h"

#if defined(__AVX2__) && defined(__FMA__)

#define DOWN    5
#define ACROSS  5
#define KERNELS CPU_VNNI_FN(fixed55_kernels)

#include "fixed_body.h"

#endif
