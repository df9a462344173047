/* F(4x4,3x3) with products of 16-bit integers: see fixed.h. */
#include "kernels_isa.h"
#include "vec.h"

#if defined(__AVX2__) && defined(__FMA__)

#define DOWN    4
#define ACROSS  4
#define KERNELS CPU_VNNI_FN(fixed44_kernels)

#include "fixed_body.h"

#endif
