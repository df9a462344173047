/* onnx_seeds FOLDER FILE.fold...: each small model as an ONNX file, for the importer's corpus. */
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/status.h"
#include "formats/fold_text.h"
#include "formats/onnx.h"

static fr_status convert(const char *path, const char *folder) {
    fr_status status;
    char *text, *out = NULL;
    size_t bytes;
    fr_graph *graph = NULL;
    FR_TRY(fr_file_read(path, 0, &text, &bytes));
    FR_GO(done, fr_fold_text_parse(text, bytes, path, &graph));
    out = fr_format("%s/%s.onnx", folder, graph->name);
    if (!out) {
        status = fr_no_memory(strlen(folder) + strlen(graph->name) + 7, "a file name");
        goto done;
    }
    FR_GO(done, fr_onnx_save(graph, out));
done:
    fr_free(out);
    fr_graph_free(graph);
    fr_free(text);
    return status;
}

int main(int argc, char **argv) {
    if (argc < 3)
        return 2;
    fr_status status = fr_folder_make(argv[1]);
    for (int i = 2; i < argc && status == FR_OK; i++) {
        status = convert(argv[i], argv[1]);
        if (status == FR_INVALID) { /* a corpus also holds what is to be refused */
            printf("%s: no seed: %s\n", argv[i], fr_error_sentence());
            status = FR_OK;
        }
    }
    if (status != FR_OK)
        fprintf(stderr, "%s\n", fr_error_sentence());
    return status != FR_OK;
}
