/* Options of a command, as a table: what is read into where, and what --help says of it. */
#ifndef FR_CLI_ARGS_H
#define FR_CLI_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/text.h"
#include "foldrun/foldrun.h"

enum { CLI_LIST_MAX = 64 };
typedef struct cli_ints {
    int64_t at[CLI_LIST_MAX];
    size_t count;
} cli_ints;
typedef struct cli_reals {
    double at[CLI_LIST_MAX];
    size_t count;
} cli_reals;
typedef struct cli_precisions {
    fr_precision at[8];
    size_t count;
} cli_precisions;
typedef struct cli_round {
    fr_round round;
    int32_t quantum;
    bool given; /* on the command line */
} cli_round;
typedef struct cli_rounds {
    cli_round at[16];
    size_t count;
} cli_rounds;
typedef struct cli_dims {
    int32_t height, width, channels;
} cli_dims;
typedef struct cli_texts {
    const char **at;
    size_t count;
} cli_texts; /* free `at` with fr_free */

typedef enum cli_kind {
    CLI_FLAG,              /* bool; no value */
    CLI_TEXT,              /* const char * */
    CLI_TEXTS,             /* cli_texts: all words up to the next option, and again each time it is given */
    CLI_INT,               /* int64_t in [low, high] */
    CLI_INT_OR_AUTO,       /* the same; "auto" is 0 */
    CLI_INTS,              /* cli_ints: 1,2,4-8 each in [low, high] */
    CLI_INTS_OR_AUTO,      /* the same; "auto" is one 0 */
    CLI_REAL,              /* double in [low, high] */
    CLI_REALS,             /* cli_reals: 0.5,1/255 */
    CLI_PRECISION,         /* fr_precision */
    CLI_PRECISIONS,        /* cli_precisions: f32,bf16 */
    CLI_PRECISIONS_OR_ALL, /* the same; "all" is none */
    CLI_ROUND,             /* cli_round: up:16 */
    CLI_ROUNDS_OR_AUTO,    /* cli_rounds: floor,up:16; "auto" is none */
    CLI_DIMS               /* cli_dims: 22x52x3 */
} cli_kind;

typedef struct cli_option {
    const char *name; /* without --; NULL ends the table */
    char letter;      /* -o; 0 = none */
    cli_kind kind;
    const char *value; /* its name in --help; NULL for flags */
    void *out;         /* keeps what it holds when the option is not given */
    const char *help;
    int64_t low, high;
} cli_option;

typedef struct cli_usage {
    const char *line;     /* "show MODEL [options]" */
    const char *about;    /* what it does; lines, each with its newline */
    const char *examples; /* lines */
    int least, most;      /* words that belong to no option */
} cli_usage;

enum { CLI_GO_ON = -1 };

/* CLI_GO_ON, or the exit code: 0 after --help, CLI_USAGE after a complaint. The words that belong to no option are moved to
 * argv[1..], *out_words of them. */
int cli_parse(int argc, char **argv, const cli_usage *usage, const cli_option *options, int *out_words);

#endif
