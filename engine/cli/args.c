#include "cli/args.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/values.h"

enum { HELP_COLUMN = 30 };

/* Each line of `help` in its column. */
static void add_help(fr_text *text, size_t used, const char *help) {
    int indent = used < HELP_COLUMN ? (int)(HELP_COLUMN - used) : 0;
    if (indent == 0) {
        fr_text_add(text, "\n");
        indent = HELP_COLUMN;
    }
    while (*help) {
        size_t length = strcspn(help, "\n");
        fr_text_add(text, "%*s%.*s\n", indent, "", (int)length, help);
        help += length + (help[length] == '\n');
        indent = HELP_COLUMN;
    }
}

static int print_usage(const cli_usage *usage, const cli_option *options) {
    static const cli_option help = {.name = "help", .letter = 'h', .help = "this text"};
    fr_text text = {0};
    fr_text_add(&text, "usage: foldrun %s\n\n%s\noptions:\n", usage->line, usage->about);
    for (const cli_option *o = options;; o++) {
        const cli_option *shown = o->name ? o : &help;
        size_t before = text.length;
        if (shown->letter)
            fr_text_add(&text, "  -%c, ", shown->letter);
        else
            fr_text_add(&text, "      ");
        fr_text_add(&text, "--%s%s%s ", shown->name, shown->value ? " " : "", shown->value ? shown->value : "");
        add_help(&text, text.length - before, shown->help);
        if (!o->name)
            break;
    }
    fr_text_add(&text, "\nexamples:\n%s", usage->examples);
    return cli_print(&text);
}

static const cli_option *find_long(const cli_option *options, const char *name, size_t length) {
    for (const cli_option *o = options; o->name; o++)
        if (strncmp(o->name, name, length) == 0 && o->name[length] == '\0')
            return o;
    return NULL;
}

static const cli_option *find_letter(const cli_option *options, char letter) {
    for (const cli_option *o = options; o->name; o++)
        if (o->letter == letter)
            return o;
    return NULL;
}

static int unknown_option(const cli_option *options, const char *word, size_t length) {
    const char *names[64] = {"help"};
    char wrong[64];
    size_t count = 1;
    for (const cli_option *o = options; o->name && count < 64; o++)
        names[count++] = o->name;
    snprintf(wrong, sizeof wrong, "%.*s", (int)(length < 63 ? length : 63), word + 2);
    const char *nearest = word[1] == '-' ? fr_nearest_name(wrong, names, count) : NULL;
    if (nearest)
        return cli_usage_error("unknown option '%.*s': did you mean '--%s'?", (int)length + 2, word, nearest);
    return cli_usage_error("unknown option '%.*s': --help lists the options", (int)length + 2, word);
}

static bool is_option(const char *word) {
    return word[0] == '-' && word[1] != '\0';
}

static int add_text(cli_texts *texts, int argc, const char *value) {
    if (!texts->at)
        texts->at = fr_alloc_array((size_t)argc, sizeof *texts->at); /* there cannot be more words than that */
    if (!texts->at) {
        cli_complain("out of memory");
        return CLI_FAILED;
    }
    texts->at[texts->count++] = value;
    return CLI_GO_ON;
}

/* The words after a CLI_TEXTS option, up to the next one; *at is moved to the last taken. */
static int take_texts(int argc, char **argv, int *at, const cli_option *o, const char *attached) {
    if (attached)
        return add_text(o->out, argc, attached);
    int code = CLI_GO_ON, from = *at;
    while (*at + 1 < argc && !is_option(argv[*at + 1]) && code == CLI_GO_ON)
        code = add_text(o->out, argc, argv[++*at]);
    if (*at == from)
        return cli_usage_error("--%s needs a value (%s)", o->name, o->value);
    return code;
}

static int take_option(int argc, char **argv, int *at, const cli_option *options) {
    const char *word = argv[*at], *attached = NULL;
    const cli_option *o;
    if (word[1] == '-') {
        const char *equals = strchr(word, '=');
        size_t length = equals ? (size_t)(equals - word) - 2 : strlen(word) - 2;
        o = find_long(options, word + 2, length);
        if (!o)
            return unknown_option(options, word, length);
        attached = equals ? equals + 1 : NULL;
    } else {
        o = find_letter(options, word[1]);
        if (!o)
            return unknown_option(options, word, strlen(word) - 2);
        if (word[2] != '\0')
            attached = word[2] == '=' ? word + 3 : word + 2;
    }
    if (o->kind == CLI_FLAG) {
        if (attached)
            return cli_usage_error("--%s takes no value", o->name);
        *(bool *)o->out = true;
        return CLI_GO_ON;
    }
    if (o->kind == CLI_TEXTS)
        return take_texts(argc, argv, at, o, attached);
    if (!attached) {
        /* A value may begin with a minus sign, but not like an option: "--mean -0.5" is one, "--out --json" is not. */
        if (*at + 1 >= argc || (argv[*at + 1][0] == '-' && argv[*at + 1][1] == '-'))
            return cli_usage_error("--%s needs a value (%s)", o->name, o->value);
        attached = argv[++*at];
    }
    return cli_read_value(o, attached);
}

int cli_parse(int argc, char **argv, const cli_usage *usage, const cli_option *options, int *out_words) {
    int words = 0;
    bool only_words = false;
    *out_words = 0;
    for (int at = 1; at < argc; at++) {
        if (only_words || !is_option(argv[at])) {
            argv[++words] = argv[at];
        } else if (strcmp(argv[at], "--") == 0) {
            only_words = true;
        } else if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0) {
            return print_usage(usage, options);
        } else {
            int code = take_option(argc, argv, &at, options);
            if (code != CLI_GO_ON)
                return code;
        }
    }
    if (words < usage->least)
        return cli_usage_error("usage: foldrun %s", usage->line);
    if (words > usage->most)
        return cli_usage_error("'%s' is one word too many; usage: foldrun %s", argv[usage->most + 1], usage->line);
    *out_words = words;
    return CLI_GO_ON;
}
