/* Winograd over tiles of 4 rows of outputs: see wino.h. Built for AVX2 and AVX-512; narrower vectors have no use for it. */
#include "kernels_isa.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "wino_cells.h"
#include "wino_lines.h"

#define OUT_Y 4
#define OUT_X 4
#include "wino_body.h"

#define OUT_Y 4
#define OUT_X 5
#include "wino_body.h"

#define OUT_Y 4
#define OUT_X 6
#include "wino_body.h"

#endif
