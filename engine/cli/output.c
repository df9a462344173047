#include "cli/output.h"

#include <errno.h>
#include <string.h>

#include "base/status.h"
#include "cli/cli.h"
#include "cli/progress.h"

static int stdout_failed(void) {
    cli_complain("cannot write to standard output: %s", strerror(errno));
    return CLI_FAILED;
}

int cli_output_begin(const char *path, cli_output *out) {
    *out = (cli_output){.path = path};
    fr_status status = path ? fr_file_begin(path, &out->file) : FR_OK;
    return status == FR_OK ? CLI_DONE : cli_failed_here(status);
}

int cli_output_put(cli_output *out, const void *data, size_t bytes) {
    if (out->path) {
        fr_status status = fr_file_put(out->file, data, bytes);
        return status == FR_OK ? CLI_DONE : cli_failed_here(status);
    }
    cli_progress_clear(); /* rows and progress may share a terminal */
    return fwrite(data, 1, bytes, stdout) == bytes ? CLI_DONE : stdout_failed();
}

int cli_output_commit(cli_output *out) {
    if (out->path) {
        fr_status status = fr_file_commit(out->file);
        *out = (cli_output){0};
        return status == FR_OK ? CLI_DONE : cli_failed_here(status);
    }
    return fflush(stdout) == 0 && !ferror(stdout) ? CLI_DONE : stdout_failed();
}

void cli_output_abandon(cli_output *out) {
    fr_file_abandon(out->file);
    *out = (cli_output){0};
}

int cli_write_text(const char *path, fr_text *text) {
    cli_output out;
    int code;
    if (text->failed) {
        cli_complain("out of memory");
        code = CLI_FAILED;
    } else {
        code = cli_output_begin(path, &out);
        if (code == CLI_DONE && text->length > 0)
            code = cli_output_put(&out, text->data, text->length);
        if (code == CLI_DONE)
            code = cli_output_commit(&out);
        else
            cli_output_abandon(&out);
    }
    fr_text_free(text);
    return code;
}

int cli_print(fr_text *text) {
    return cli_write_text(NULL, text);
}

int cli_write_json(const char *path, fr_json_writer *json) {
    fr_text_add(&json->text, "\n");
    return cli_write_text(path, &json->text);
}

int cli_share_json(cli_output *file, bool print, fr_json_writer *json) {
    int code = CLI_DONE;
    fr_text *text = &json->text;
    fr_text_add(text, "\n");
    if (file->path && !text->failed) {
        code = cli_output_put(file, text->data, text->length);
        if (code == CLI_DONE)
            code = cli_output_commit(file);
    }
    if (code == CLI_DONE && (print || text->failed))
        return cli_print(text); /* which tells of a text that failed */
    fr_text_free(text);
    return code;
}
