/* A stranger's program: knows the installed headers and pkg-config's flags alone. */
#include <foldrun/backend.h>
#include <foldrun/foldrun.h>
#include <stdio.h>

int main(void) {
    fr_context *context = NULL;
    fr_model *model = NULL;
    fr_session *session = NULL;
    static unsigned char pixels[2 * 22 * 52 * 3];
    float answers[2 * 11];
    fr_context_options at_home = FR_OPTIONS(fr_context_options);
    at_home.cache_dir = "";
    fr_session_options plain = FR_OPTIONS(fr_session_options);
    plain.device = "ref";
    plain.batch = 2;
    fr_images images = {.data = pixels, .dtype = FR_U8, .count = 2};
    int failed = fr_context_new(&at_home, &context) || fr_model_load(context, "v1", &model) ||
                 fr_session_open(context, model, &plain, &session) || fr_session_run(session, &images, answers);
    if (failed)
        fprintf(stderr, "%s\n", fr_error_message());
    else
        printf("foldrun %s: %d models, answers agree: %s\n", fr_version(), (int)fr_zoo_count(),
               answers[0] == answers[11] ? "yes" : "no");
    fr_session_close(session);
    fr_model_free(model);
    fr_context_free(context);
    return failed;
}
