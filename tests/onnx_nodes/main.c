/* onnx_nodes DATA_FOLDER FLOORS: exit 0 all well, 1 a failure or a count below its floor, 77 skipped. */
#include <stdio.h>

#ifdef FOLDRUN_WITH_ONNX
#include "base/file.h"
#include "suite.h"

int main(int argc, char **argv) {
    if (argc < 3 || !fr_path_is_folder(argv[1])) {
        printf("skip: the ONNX test data is not here: apt-get install libonnx-testdata\n");
        return 77;
    }
    return suite_run(argv[1], argv[2]);
}
#else
int main(void) {
    printf("skip: built without ONNX\n");
    return 77;
}
#endif
