/* NumPy .npy, versions 1 to 3, C order, little endian: u8, s8, f32, f64, s32, s64. */
#ifndef FR_FORMATS_NPY_H
#define FR_FORMATS_NPY_H

#include "graph/graph.h"

typedef struct fr_npy {
    fr_dtype dtype;
    fr_shape shape;
    void *data;
} fr_npy; /* data by fr_free */

fr_status fr_npy_parse(const void *data, size_t bytes, const char *where, fr_npy *out) FR_MUST_CHECK;
fr_status fr_npy_load(const char *path, fr_npy *out) FR_MUST_CHECK;

enum { FR_NPY_HEAD_BYTES = 4096 }; /* the longest header that is read; what rank 8 needs is far less */
/* What a file's first bytes say: FR_NPY_HEAD_BYTES of them, or all there are. out->data stays NULL; the array's bytes begin
 * at *out_offset and are *out_bytes long. */
fr_status fr_npy_head(const void *data, size_t bytes, const char *where, fr_npy *out, size_t *out_offset,
                      size_t *out_bytes) FR_MUST_CHECK;
/* Header text for an array of this shape: *out_header by fr_free. */
fr_status fr_npy_header(fr_dtype dtype, const fr_shape *shape, char **out_header, size_t *out_bytes) FR_MUST_CHECK;

#endif
