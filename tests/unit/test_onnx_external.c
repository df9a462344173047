/* External data: read from beside the model, and from nowhere else. */
#include "onnx_builder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"

static const float numbers[4] = {1, 2, 3, 4};
static char home[512];

static const char *in_home(const char *name) {
    static char path[1024];
    snprintf(path, sizeof path, "%s/%s", home, name);
    return path;
}

/* home/model/weights.bin and deeper/weights.bin, home/secret.bin outside the model's folder. */
static bool make_home(void) {
    snprintf(home, sizeof home, "%s/test-onnx-XXXXXX", FOLDRUN_BUILD_DIR);
    if (!mkdtemp(home))
        return false;
    bool made = mkdir(in_home("model"), 0755) == 0 && mkdir(in_home("model/deeper"), 0755) == 0;
    made = made && fr_file_write(in_home("model/weights.bin"), numbers, sizeof numbers) == FR_OK;
    made = made && fr_file_write(in_home("model/deeper/weights.bin"), numbers, sizeof numbers) == FR_OK;
    made = made && fr_file_write(in_home("secret.bin"), numbers, sizeof numbers) == FR_OK;
    made = made && symlink("../secret.bin", in_home("model/link.bin")) == 0 && symlink("..", in_home("model/up")) == 0;
    return made && mkfifo(in_home("model/pipe"), 0600) == 0;
}

static void remove_home(void) {
    static const char *const names[] = {
        "model/pipe",        "model/up",  "model/link.bin", "model/model.onnx", "model/deeper/weights.bin",
        "model/weights.bin", "secret.bin"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(in_home(names[i]));
    rmdir(in_home("model/deeper"));
    rmdir(in_home("model"));
    rmdir(home);
}

static fr_status load(const char *location, const char *offset, const char *length, bool from_file, float *out_last) {
    build b = build_new(13);
    fr_graph *graph = NULL;
    build_input(&b, "x", -1, 2);
    build_output(&b, "y");
    build_node(&b, "Mul", "x,w", "y");
    build_external(&b, build_init(&b, build_tensor(&b, "w", F32, DIMS(2), NULL, 0)), location, offset, length);
    size_t bytes;
    const uint8_t *data = build_pack(&b, &bytes);
    fr_status status;
    if (from_file) {
        status = fr_file_write(in_home("model/model.onnx"), data, bytes);
        if (status == FR_OK)
            status = fr_onnx_load(in_home("model/model.onnx"), &graph, NULL);
    } else {
        status = fr_onnx_parse(data, bytes, in_home("model"), &graph, NULL);
    }
    if (status == FR_OK)
        *out_last = ((const float *)graph->values[fr_graph_find(graph, "w")].data)[1];
    fr_graph_free(graph);
    build_free(&b);
    return status;
}

TEST(weights_beside_the_model) {
    float last = 0;
    CHECK(make_home());
    fr_status plain = load("weights.bin", NULL, NULL, false, &last);
    float first_two = last;
    fr_status offset = load("weights.bin", "8", "8", true, &last);
    float last_two = last;
    fr_status deeper = load("deeper/weights.bin", "4", NULL, true, &last);
    remove_home();
    CHECK_INT(plain, FR_OK);
    CHECK(first_two == 2);
    CHECK_INT(offset, FR_OK);
    CHECK(last_two == 4);
    CHECK_INT(deeper, FR_OK);
    CHECK(last == 3);
}

TEST(everything_else_is_refused) {
    static const struct {
        const char *location, *offset, *length;
        fr_status status;
        const char *says;
    } cases[] = {
        {NULL, NULL, NULL, FR_INVALID, "not where"},
        {"", NULL, NULL, FR_INVALID, "not a plain path"},
        {"../secret.bin", NULL, NULL, FR_INVALID, "not a plain path"},
        {"deeper/../../secret.bin", NULL, NULL, FR_INVALID, "not a plain path"},
        {"./weights.bin", NULL, NULL, FR_INVALID, "not a plain path"},
        {"deeper//weights.bin", NULL, NULL, FR_INVALID, "not a plain path"},
        {"/etc/hostname", NULL, NULL, FR_INVALID, "not a plain path"},
        {"link.bin", NULL, NULL, FR_INVALID, "is a link"},
        {"up/secret.bin", NULL, NULL, FR_INVALID, "is a link"},
        {"weights.bin/x", NULL, NULL, FR_INVALID, "no folder"},
        {"deeper", NULL, NULL, FR_INVALID, "not a regular file"},
        {"pipe", NULL, NULL, FR_INVALID, "not a regular file"},
        {"gone.bin", NULL, NULL, FR_IO, "can't open its external data 'gone.bin'"},
        {"weights\n.bin", NULL, NULL, FR_INVALID, "printable"},
        {"weights.bin", "12", NULL, FR_INVALID, "too few for the 8 at offset 12"},
        {"weights.bin", "999999999999999999", NULL, FR_INVALID, "too few"},
        {"weights.bin", "9999999999999999999", NULL, FR_INVALID, "the offset"},
        {"weights.bin", "-8", NULL, FR_INVALID, "the offset"},
        {"weights.bin", NULL, "12", FR_INVALID, "need 8 bytes, its external data has 12"},
        {"weights.bin", NULL, "2147483648", FR_INVALID, "has 2147483648"},
        {"weights.bin", NULL, "eight", FR_INVALID, "the length"},
    };
    CHECK(make_home());
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        float last;
        fr_status status = load(cases[i].location, cases[i].offset, cases[i].length, false, &last);
        if (status != cases[i].status || !strstr(fr_error_sentence(), cases[i].says)) {
            remove_home();
            CHECK_INT(status, cases[i].status);
            CHECK_HAS(fr_error_sentence(), cases[i].says);
        }
    }
    remove_home();
}

TEST(a_model_that_came_from_no_folder) {
    build b = build_new(13);
    fr_graph *graph;
    build_input(&b, "x", -1, 2);
    build_output(&b, "y");
    build_node(&b, "Mul", "x,w", "y");
    build_external(&b, build_init(&b, build_tensor(&b, "w", F32, DIMS(2), NULL, 0)), "weights.bin", NULL, NULL);
    CHECK_INT(build_parse(&b, NULL, &graph, NULL), FR_INVALID);
    CHECK_HAS(fr_error_sentence(), "not read from a folder");
    build_free(&b);
}

CHECK_MAIN
