/* WINO_FUNCTION(out), a function of that number of outputs, for tiles of 2x2 and for those of 4x4. */
#define WINO_OUT 2
#include "../wino_transforms.h"
WINO_FUNCTION(2)
#undef WINO_OUT
#undef WINO_IN
#undef WINO_PLACES
#undef WINO_INPUT
#undef WINO_OUTPUT
#define WINO_OUT 4
#include "../wino_transforms.h"
WINO_FUNCTION(4)
