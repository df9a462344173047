/* `report`: a comparison as one page for a browser, or as a picture. */
#include <string.h>

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/compare.h"
#include "cli/output.h"

/* What cannot be written is told before anything is made. NULL: nothing is. */
static int check_place(const char *from, const char *to) {
    cli_output out = {0};
    if (!to)
        return CLI_DONE;
    if (strcmp(from, to) == 0)
        return cli_usage_error("'%s' holds the results: give what is made of them another name", to);
    int code = cli_output_begin(to, &out);
    cli_output_abandon(&out);
    return code;
}

static int write_picture(const cmp_set *set, const char *from, const char *title, const char *to) {
    fr_text text = {0};
    cmp_picture(set, title, &text);
    if (text.length == 0 && !text.failed) {
        cli_complain("'%s' has no fold beside an f = 1 of the same engine and device: there is no speed-up to draw",
                     from);
        return CLI_BAD_INPUT;
    }
    return cli_write_text(to, &text);
}

static int write_all(const char *from, const char *title, const char *page, const char *picture) {
    cmp_set set = {0};
    fr_text text = {0};
    int code = check_place(from, page);
    if (code == CLI_DONE)
        code = check_place(from, picture);
    if (code == CLI_DONE)
        code = cmp_set_read(from, &set);
    if (code == CLI_DONE && page) {
        cmp_report(&set, title, &text);
        code = cli_write_text(page, &text);
    }
    if (code == CLI_DONE && picture)
        code = write_picture(&set, from, title, picture);
    cmp_set_free(&set);
    return code;
}

int cli_report(int argc, char **argv) {
    static const cli_usage usage = {
        .line = "report RESULTS.json -o REPORT.html [options]",
        .about =
            "Makes a page of what 'foldrun compare' measured: what is fastest, what folding brings, rooflines and\n"
            "staircases, memory, and the command behind every figure. One file that needs no network. With --picture\n"
            "also, or alone, the speed-ups as a picture for a document.\n",
        .examples = "  foldrun report results.json -o report.html\n"
                    "  foldrun compare --merge here.json there.json -o both.json\n"
                    "  foldrun report both.json -o report.html --title \"Two machines\"\n"
                    "  foldrun report results.json --picture speed-ups.svg\n",
        .least = 1,
        .most = 1,
    };
    const char *path = NULL, *picture = NULL, *title = "foldrun: small CNNs, plain and folded, compared";
    const cli_option options[] = {
        {"output", 'o', CLI_TEXT, "FILE", &path, "where the page goes", 0, 0},
        {"picture", 0, CLI_TEXT, "FILE", &picture, "where the speed-ups go as SVG", 0, 0},
        {"title", 0, CLI_TEXT, "WORDS", &title, "at the head", 0, 0},
        {.name = NULL},
    };
    int words;
    int code = cli_parse(argc, argv, &usage, options, &words);
    if (code != CLI_GO_ON)
        return code;
    if (!path && !picture)
        return cli_usage_error("-o REPORT.html is missing: where shall the page go?");
    return write_all(argv[1], title, path, picture);
}
