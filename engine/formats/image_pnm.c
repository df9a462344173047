/* PPM and PGM as netpbm describes them: "P6" or "P5", width, height and maxval as decimals between white space and
 * #-comments, ONE white space, then the bytes. */
#include <stdbool.h>
#include <string.h>

#include "base/status.h"
#include "formats/image_parts.h"

typedef struct pnm_cursor {
    const uint8_t *at, *end;
} pnm_cursor;

static bool is_space(uint8_t c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void skip_blanks(pnm_cursor *c) {
    while (c->at < c->end && (is_space(*c->at) || *c->at == '#')) {
        if (*c->at == '#')
            while (c->at < c->end && *c->at != '\n' && *c->at != '\r')
                c->at++;
        else
            c->at++;
    }
}

/* -1 when there is no number, or none below 2^31. */
static int64_t take_number(pnm_cursor *c) {
    int64_t number = 0;
    skip_blanks(c);
    const uint8_t *from = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
        number = number * 10 + (*c->at - '0');
        if (number > INT32_MAX)
            return -1;
    }
    return c->at > from ? number : -1;
}

fr_status fr_pnm_parse(const void *data, size_t bytes, const char *where, fr_image *out_image) {
    const uint8_t *raw = data;
    pnm_cursor c = {raw + 2, raw + bytes};
    *out_image = (fr_image){0};
    if (raw[1] != '5' && raw[1] != '6')
        return fr_fail(FR_UNSUPPORTED, "%s: portable map of type P%c; P5 (PGM) and P6 (PPM) are read", where, raw[1]);
    int32_t channels = raw[1] == '6' ? 3 : 1;
    int64_t width = take_number(&c), height = take_number(&c), maxval = take_number(&c);
    if (width < 0 || height < 0 || maxval < 0 || c.at >= c.end || !is_space(*c.at))
        return fr_fail(FR_INVALID, "%s: damaged header: width, height and 255 expected after P%c", where, raw[1]);
    if (maxval != 255)
        return fr_fail(FR_UNSUPPORTED, "%s: largest value %lld; only 255 is read", where, (long long)maxval);
    c.at++;
    uint64_t have = (uint64_t)(c.end - c.at), need;
    if (__builtin_mul_overflow((uint64_t)width * (uint64_t)height, (uint64_t)channels, &need))
        need = UINT64_MAX;
    /* The size is judged first: "the image claims ..." says more than "cut short". */
    if (need > have && height > 0 && width > 0 && need <= (uint64_t)FR_IMAGE_MAX_PIXELS * (uint64_t)channels)
        return fr_fail(FR_INVALID, "%s: the image is cut short: %llu bytes are missing", where,
                       (unsigned long long)(need - have));
    FR_TRY(fr_image_new(height, width, channels, where, out_image));
    memcpy(out_image->pixels, c.at, (size_t)need);
    return FR_OK;
}
