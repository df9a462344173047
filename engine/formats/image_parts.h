/* Between image.c and the decoders: each gives 1 or 3 channels of 8 bits, whatever the file has. */
#ifndef FR_FORMATS_IMAGE_PARTS_H
#define FR_FORMATS_IMAGE_PARTS_H

#include "formats/image.h"

enum { FR_IMAGE_MAX_PIXELS = 1 << 28 };

/* Checks the size and allocates the pixels; `where` is for the sentence. */
fr_status fr_image_new(int64_t height, int64_t width, int32_t channels, const char *where,
                       fr_image *out_image) FR_MUST_CHECK;
/* Grey from RGB by luma, RGB from grey by copying; `where` is for the sentence. Replaces the pixels. */
fr_status fr_image_convert(fr_image *image, int32_t channels, const char *where) FR_MUST_CHECK;

fr_status fr_png_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) FR_MUST_CHECK;
fr_status fr_jpeg_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) FR_MUST_CHECK;
fr_status fr_pnm_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) FR_MUST_CHECK;

#endif
