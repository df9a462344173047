/* What the fuzz targets share. Each target is one file with LLVMFuzzerTestOneInput: libFuzzer drives it with what it makes
 * up, replay.c with the files of its corpus. */
#ifndef FR_TESTS_FUZZ_H
#define FR_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

#define FUZZ_REQUIRE(condition)                                                            \
    do {                                                                                   \
        if (!(condition)) {                                                                \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
            abort();                                                                       \
        }                                                                                  \
    } while (0)

/* A refusal is one sentence of one line, for a reason that bytes can have, and leaves nothing behind. */
static inline void fuzz_check_refusal(fr_status status, const void *result) {
    FUZZ_REQUIRE(status == FR_INVALID || status == FR_UNSUPPORTED || status == FR_NO_MEMORY);
    FUZZ_REQUIRE(result == NULL);
    FUZZ_REQUIRE(fr_error_sentence()[0] != '\0');
}

#endif
