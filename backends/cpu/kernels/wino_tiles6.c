/* Winograd over tiles of 6 rows of outputs: see wino.h. */
#include "kernels_isa.h"

#if defined(__AVX2__) && defined(__FMA__)

#include "wino_cells.h"
#include "wino_lines.h"

#define OUT_Y 6
#define OUT_X 4
#include "wino_body.h"

#define OUT_Y 6
#define OUT_X 5
#include "wino_body.h"

#define OUT_Y 6
#define OUT_X 6
#include "wino_body.h"

#endif
