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
    .wino = &CPU_FN(wino_kernels),
    .wino_rows = &CPU_FN(wino_rows_kernels),
    .direct = &CPU_MOST_FN(direct_kernels),
    .grouped = &CPU_MOST_FN(grouped_kernels),
    .grouped_wino = &CPU_FN(grouped_wino_kernels),
    .depthwise = &CPU_MOST_FN(depthwise_kernels),
#endif
#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)
    .fixed44 = &CPU_VNNI_FN(fixed44_kernels),
    .fixed55 = &CPU_VNNI_FN(fixed55_kernels),
#endif
#if defined(CPU_HAS_AMX)
    .amx = &CPU_LEVEL_FN(amx_kernels),
#endif
};
