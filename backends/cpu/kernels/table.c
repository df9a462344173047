#include "kernels_isa.h"

const cpu_kernels CPU_FN(kernels) = {
    .convert = CPU_FN(convert),
    .move = CPU_FN(move),
    .act = CPU_FN(act),
    .binary = CPU_FN(binary),
    .pool = CPU_FN(pool),
    .plane = CPU_FN(plane),
    .rgb_planes = CPU_FN(rgb_planes),
    .softmax = CPU_FN(softmax),
#if defined(__AVX2__) && defined(__FMA__)
    .wino = &CPU_FN(wino_kernels),
#endif
};
