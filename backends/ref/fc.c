#include "ref.h"

void ref_fc(const fr_program *program, const ref_maps *src, double *extra, const ref_maps *dst) {
    const fr_step *step = &program->step;
    uint64_t count = ref_elements(&step->src[0]);
    (void)extra;
    for (int32_t o = 0; o < dst->c; o++) {
        const float *weight = program->weight + (uint64_t)o * count;
        double sum = 0.0;
        for (uint64_t i = 0; i < count; i++)
            sum += (double)weight[i] * src[0].at[i];
        if (program->factor)
            sum *= program->factor[o];
        if (program->bias)
            sum += (double)program->bias[o];
        if (step->residual)
            sum += src[1].at[o];
        dst->at[o] = ref_act(step, sum);
    }
}
