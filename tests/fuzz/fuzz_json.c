/* What the JSON reader accepts, the writer writes, and reads back as the same text. */
#include <string.h>

#include "base/json.h"
#include "fuzz.h"

static fr_text rewrite(const char *text, size_t bytes, bool must_read) {
    fr_json_doc *doc;
    fr_json_writer w = {0};
    fr_status status = fr_json_parse(text, bytes, &doc);
    FUZZ_REQUIRE(status == FR_OK || !must_read);
    if (status == FR_OK)
        fr_json_put_value(&w, fr_json_root(doc));
    else
        fuzz_check_refusal(status, doc);
    fr_json_free(doc);
    return w.text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes) {
    uint64_t live = fr_alloc_read().live_blocks;
    fr_text first = rewrite((const char *)data, bytes, false);
    if (first.data) {
        fr_text second = rewrite(first.data, first.length, true);
        FUZZ_REQUIRE(second.data && strcmp(first.data, second.data) == 0);
        fr_text_free(&second);
    }
    fr_text_free(&first);
    FUZZ_REQUIRE(fr_alloc_read().live_blocks == live);
    return 0;
}
