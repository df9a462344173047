/* Pools as steps and as what follows a conv. */
#ifndef CPU_POOL_H
#define CPU_POOL_H

#include "cpu.h"

/* src and dst have the same layout. */
void cpu_pool_make(uint16_t kind, const fr_window *win, const fr_tensor *src, const fr_tensor *dst, cpu_pool *out_pool);
void cpu_pool_images(const fr_queue *queue, const cpu_pool *pool, const void *src, void *dst, int32_t images);

#endif
