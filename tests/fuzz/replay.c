/* replay FILE_OR_FOLDER...: a fuzz target on every file of its corpus, whole, cut and with bytes changed; needs no libFuzzer. */
#include <string.h>

#include "base/file.h"
#include "base/hash.h"
#include "fuzz.h"

enum { CUTS = 64, CHANGES = 192, MUTATED_BYTES_MAX = 1 << 16 };

static int files, inputs;

/* A block of its own size, so that a sanitizer sees one byte too many. */
static void feed(const uint8_t *data, size_t bytes) {
    uint8_t *exact = malloc(bytes ? bytes : 1);
    FUZZ_REQUIRE(exact);
    if (bytes > 0)
        memcpy(exact, data, bytes);
    LLVMFuzzerTestOneInput(exact, bytes);
    free(exact);
    inputs++;
}

static void feed_changed(uint8_t *data, size_t bytes, fr_random *random) {
    static const uint8_t telling[] = {0x00, 0x01, 0x7f, 0x80, 0xff, '0', '9', ' ', '\n', '"'};
    size_t at = (size_t)(fr_random_next(random) % bytes);
    uint64_t kind = fr_random_next(random);
    uint8_t before = data[at];
    if (kind % 3 == 0)
        data[at] ^= (uint8_t)(1u << (kind >> 8) % 8);
    else if (kind % 3 == 1)
        data[at] = telling[(kind >> 8) % sizeof telling];
    else
        data[at] = (uint8_t)(kind >> 8);
    feed(data, bytes);
    data[at] = before;
}

static void replay_file(const char *path) {
    char *data;
    size_t bytes;
    if (fr_file_read(path, 0, &data, &bytes) != FR_OK) {
        fprintf(stderr, "%s\n", fr_error_sentence());
        exit(1);
    }
    feed((const uint8_t *)data, bytes);
    if (bytes > 0 && bytes <= MUTATED_BYTES_MAX) {
        fr_random random = {bytes};
        for (size_t i = 0; i < CUTS; i++)
            feed((const uint8_t *)data, bytes * i / CUTS);
        for (int i = 0; i < CHANGES; i++)
            feed_changed((uint8_t *)data, bytes, &random);
    }
    fr_free(data);
    files++;
}

int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++) {
        char **names;
        size_t count;
        if (!fr_path_is_folder(argv[i])) {
            replay_file(argv[i]);
            continue;
        }
        if (fr_folder_list(argv[i], &names, &count) != FR_OK) {
            fprintf(stderr, "%s\n", fr_error_sentence());
            return 1;
        }
        for (size_t n = 0; n < count; n++) {
            replay_file(names[n]);
            fr_free(names[n]);
        }
        fr_free(names);
    }
    printf("%d files, %d inputs\n", files, inputs);
    return files > 0 ? 0 : 1;
}
