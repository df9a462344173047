/* Steps written down by hand: for lists of cases. Pure. */
#ifndef FR_CHECK_MAKE_H
#define FR_CHECK_MAKE_H

#include <stdbool.h>

#include "foldrun/backend.h"

/* What tensors and products of a step are made of. INT8: U8 sources, and dst U8 where it can't be negative, else S8. */
typedef enum fr_make_type {
    FR_MAKE_F32,
    FR_MAKE_BF16,
    FR_MAKE_F16,
    FR_MAKE_INT8,
    FR_MAKE_TYPES,               /* those of every kind of step */
    FR_MAKE_TF32 = FR_MAKE_TYPES /* of steps with products alone */
} fr_make_type;
bool fr_make_has_products(const fr_step *step);

fr_step fr_make_step(fr_step_kind kind, int32_t n, int32_t c, int32_t h, int32_t w); /* one source; dst has its dims */
fr_window fr_make_window(int32_t k, int32_t stride, int32_t pad);
int32_t fr_pooled_size(int32_t size, int32_t k, int32_t stride, int32_t pad_begin, int32_t pad_end, bool ceil_mode);
/* A conv with bias and ReLU; the dims of dst follow from the window. */
fr_step fr_make_conv(int32_t n, int32_t c, int32_t h, int32_t w, int32_t c_out, fr_window win, int32_t groups);
void fr_make_residual(fr_step *step);
/* False when the pool's window is larger than the map. */
bool fr_make_pooled(fr_step *step, fr_pool_kind kind, fr_window win, bool ceil_mode);
void fr_make_of_type(fr_step *step, fr_make_type type);

/* Precisions a device must claim to be asked for the step: its products' and its tensors'. Bits as in fr_device_facts. */
uint32_t fr_step_precisions(const fr_step *step);

#endif
