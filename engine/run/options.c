#include "run/options.h"

#include <string.h>

#include "base/status.h"

static size_t size_given(const void *theirs, size_t ours) {
    uint32_t given;
    memcpy(&given, theirs, sizeof given);
    return given >= sizeof given ? given : ours;
}

fr_status fr_options_take(const void *given, void *ours, size_t bytes, const char *what) {
    memset(ours, 0, bytes);
    uint32_t own_bytes = (uint32_t)bytes;
    if (given) {
        size_t theirs = size_given(given, bytes);
        for (size_t i = bytes; i < theirs; i++) {
            if (((const unsigned char *)given)[i] != 0)
                return fr_fail(FR_UNSUPPORTED,
                               "%s: an option is set that this version of foldrun does not have; update the library",
                               what);
        }
        memcpy(ours, given, theirs < bytes ? theirs : bytes);
    }
    memcpy(ours, &own_bytes, sizeof own_bytes);
    return FR_OK;
}

fr_status fr_info_give(void *out, const void *ours, size_t bytes, const char *what) {
    if (!out)
        return fr_fail(FR_INVALID, "%s: no place for the answer was given", what);
    size_t theirs = size_given(out, bytes);
    if (theirs < bytes)
        bytes = theirs;
    memcpy((char *)out + sizeof(uint32_t), (const char *)ours + sizeof(uint32_t), bytes - sizeof(uint32_t));
    return FR_OK;
}
