/* PNG, JPEG (libpng, libjpeg where built with them) and PPM/PGM images, as 8-bit HWC. */
#ifndef FR_FORMATS_IMAGE_H
#define FR_FORMATS_IMAGE_H

#include "foldrun/types.h"

typedef struct fr_image {
    int32_t height, width, channels;
    uint8_t *pixels;
} fr_image; /* HWC; fr_free(pixels) */

/* channels 1 or 3: converted. FR_INVALID: damaged, empty or absurdly large (over 2^28 pixels); FR_UNSUPPORTED: not an image format we know. */
fr_status fr_image_load(const char *path, int32_t channels, fr_image *out_image) FR_MUST_CHECK;
fr_status fr_image_parse(const void *data, size_t bytes, const char *where, int32_t channels,
                         fr_image *out_image) FR_MUST_CHECK;
/* Area average when shrinking, bilinear when growing (half-pixel centres); out is height*width*channels. */
fr_status fr_image_resize(const fr_image *image, int32_t height, int32_t width, uint8_t *out) FR_MUST_CHECK;

#endif
