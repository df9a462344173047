#include "kernels_isa.h"

const cpu_kernels CPU_LEVEL_FN(kernels) = {
    .convert = CPU_FN(convert),
    .move = CPU_FN(move),
    .act = CPU_FN(act),
    .binary = CPU_FN(binary),
    .pool = CPU_FN(pool),
    .plane = CPU_FN(plane),
    .interleaved = CPU_FN(interleaved),
    .rgb_planes = CPU_FN(rgb_planes),
    .weave = CPU_FN(weave),
    .softmax = CPU_FN(softmax),
#if defined(__AVX2__) && defined(__FMA__)
    .wino4 = &CPU_FN(wino4_kernels),
    .wino5 = &CPU_FN(wino5_kernels),
    .wino_rows = &CPU_FN(wino_rows_kernels),
    .direct = &CPU_LEVEL_FN(direct_kernels),
    .grouped = &CPU_LEVEL_FN(grouped_kernels),
    .depthwise = &CPU_FN(depthwise_kernels),
#endif
#if defined(CPU_HAS_AMX)
    .amx = &CPU_LEVEL_FN(amx_kernels),
#endif
};
