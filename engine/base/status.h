/* Status codes come with one sentence, kept in a thread-local record: no heap, so it survives out-of-memory. */
#ifndef FR_BASE_STATUS_H
#define FR_BASE_STATUS_H

#include "foldrun/types.h"

enum { FR_SENTENCE_BYTES = 1001 };

/* Records the sentence (cut at 1,000 characters), file and line; returns code. */
fr_status fr_fail_at(fr_status code, const char *file, int line, const char *fmt, ...) FR_PRINTF(4, 5);
#define fr_fail(code, ...) fr_fail_at((code), __FILE__, __LINE__, __VA_ARGS__)

/* Puts "what: " before the recorded sentence, on the way up; returns code. */
fr_status fr_fail_within(fr_status code, const char *fmt, ...) FR_PRINTF(2, 3);

const char *fr_error_sentence(void);          /* "" when nothing was recorded on this thread */
const char *fr_error_place(int *out_line);    /* file that recorded it */
const char *fr_status_word(fr_status status); /* "invalid", "unsupported", ... */

#define FR_TRY(call)                       \
    do {                                   \
        fr_status fr_try_status_ = (call); \
        if (fr_try_status_ != FR_OK)       \
            return fr_try_status_;         \
    } while (0)

/* For functions with one cleanup path: `status` must be a local variable. */
#define FR_GO(label, call)   \
    do {                     \
        status = (call);     \
        if (status != FR_OK) \
            goto label;      \
    } while (0)

#endif
