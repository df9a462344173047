#include "cli/values.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/number.h"
#include "cli/cli.h"

static int bad_value(const cli_option *o, const char *text, const char *wanted) {
    return cli_usage_error("--%s: '%s' is not %s", o->name, text, wanted);
}

/* A whole number at *at, which moves behind it. */
static bool take_int(const char **at, int64_t *out) {
    char *end;
    if (!((**at >= '0' && **at <= '9') || (**at == '-' && (*at)[1] >= '0' && (*at)[1] <= '9')))
        return false;
    errno = 0;
    long long value = strtoll(*at, &end, 10);
    if (errno != 0)
        return false;
    *at = end;
    *out = value;
    return true;
}

static int check_range(const cli_option *o, int64_t value) {
    if (value >= o->low && value <= o->high)
        return CLI_GO_ON;
    if (o->high == INT64_MAX)
        return cli_usage_error("--%s: %lld is less than %lld", o->name, (long long)value, (long long)o->low);
    return cli_usage_error("--%s: %lld is not between %lld and %lld", o->name, (long long)value, (long long)o->low,
                           (long long)o->high);
}

static int read_int(const cli_option *o, const char *text) {
    int64_t value;
    const char *at = text;
    if (!take_int(&at, &value) || *at != '\0')
        return bad_value(o, text, "a whole number");
    int code = check_range(o, value);
    if (code == CLI_GO_ON)
        *(int64_t *)o->out = value;
    return code;
}

static int read_ints(const cli_option *o, const char *text) {
    cli_ints list = {.count = 0};
    const char *at = text;
    for (;;) {
        int64_t from, to;
        if (!take_int(&at, &from))
            return bad_value(o, text, "a list like 1,2,4 or 1-4");
        to = from;
        if (*at == '-') {
            at++;
            if (!take_int(&at, &to) || to < from)
                return bad_value(o, text, "a list like 1,2,4 or 1-4");
        }
        int code = check_range(o, from);
        if (code == CLI_GO_ON)
            code = check_range(o, to);
        if (code != CLI_GO_ON)
            return code;
        for (int64_t value = from; value <= to; value++) {
            if (list.count == CLI_LIST_MAX)
                return cli_usage_error("--%s: more than %d numbers", o->name, (int)CLI_LIST_MAX);
            list.at[list.count++] = value;
        }
        if (*at == '\0')
            break;
        if (*at++ != ',')
            return bad_value(o, text, "a list like 1,2,4 or 1-4");
    }
    *(cli_ints *)o->out = list;
    return CLI_GO_ON;
}

/* A decimal, or a fraction of two: 1/255. */
static bool parse_real(const char *text, size_t bytes, double *out) {
    const char *slash = memchr(text, '/', bytes);
    double over = 1;
    if (slash && (!fr_number_parse(slash + 1, bytes - (size_t)(slash - text) - 1, &over) || !(over > 0 || over < 0)))
        return false;
    if (!fr_number_parse(text, slash ? (size_t)(slash - text) : bytes, out))
        return false;
    *out /= over;
    return true;
}

static int read_real(const cli_option *o, const char *text) {
    double value;
    if (!parse_real(text, strlen(text), &value))
        return bad_value(o, text, "a number");
    if (!(value >= (double)o->low && value <= (double)o->high))
        return cli_usage_error("--%s: %s is not between %lld and %lld", o->name, text, (long long)o->low,
                               (long long)o->high);
    *(double *)o->out = value;
    return CLI_GO_ON;
}

static int read_reals(const cli_option *o, const char *text) {
    cli_reals list = {.count = 0};
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (list.count == CLI_LIST_MAX)
            return cli_usage_error("--%s: more than %d numbers", o->name, (int)CLI_LIST_MAX);
        if (!parse_real(at, length, &list.at[list.count++]))
            return bad_value(o, text, "a list of numbers like 0.5,1/255");
        at += length;
        if (*at == '\0')
            break;
    }
    *(cli_reals *)o->out = list;
    return CLI_GO_ON;
}

static bool take_precision(const char *text, size_t length, fr_precision *out) {
    char name[16];
    if (length >= sizeof name)
        return false;
    memcpy(name, text, length);
    name[length] = '\0';
    return fr_precision_from_name(name, out);
}

static int read_precisions(const cli_option *o, const char *text, bool many) {
    cli_precisions list = {.count = 0};
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (list.count == sizeof list.at / sizeof list.at[0] || !take_precision(at, length, &list.at[list.count++]))
            return bad_value(o, text,
                             many ? "a list of f32, tf32, f16, bf16, int8, f64" : "f32, tf32, f16, bf16, int8 or f64");
        at += length;
        if (*at == '\0')
            break;
    }
    if (many)
        *(cli_precisions *)o->out = list;
    else if (list.count == 1)
        *(fr_precision *)o->out = list.at[0];
    else
        return bad_value(o, text, "one precision");
    return CLI_GO_ON;
}

/* floor or up:Q at the beginning of text[0..length); false when it is none of them. */
static bool take_round(const char *text, size_t whole, cli_round *out) {
    static const struct {
        const char *word;
        fr_round round;
    } words[] = {{"up:", FR_ROUND_UP}, {"down:", FR_ROUND_DOWN}, {"nearest:", FR_ROUND_NEAREST}};
    if (whole == 5 && strncmp(text, "floor", whole) == 0) {
        *out = (cli_round){FR_ROUND_FLOOR, 0, true};
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        size_t length = strlen(words[i].word);
        const char *at = text + length;
        int64_t quantum;
        if (strncmp(text, words[i].word, length) == 0 && take_int(&at, &quantum) && at == text + whole &&
            quantum >= 1 && quantum <= 65536) {
            *out = (cli_round){words[i].round, (int32_t)quantum, true};
            return true;
        }
    }
    return false;
}

static int read_round(const cli_option *o, const char *text) {
    if (!take_round(text, strlen(text), o->out))
        return bad_value(o, text, "floor, up:Q, down:Q or nearest:Q with Q channels, like up:16");
    return CLI_GO_ON;
}

static int read_rounds(const cli_option *o, const char *text) {
    cli_rounds list = {.count = 0};
    for (const char *at = text;; at++) {
        size_t length = strcspn(at, ",");
        if (list.count == sizeof list.at / sizeof list.at[0] || !take_round(at, length, &list.at[list.count++]))
            return bad_value(o, text, "a list of floor, up:Q, down:Q and nearest:Q, like floor,up:16, or auto");
        at += length;
        if (*at == '\0')
            break;
    }
    *(cli_rounds *)o->out = list;
    return CLI_GO_ON;
}

static int read_dims(const cli_option *o, const char *text) {
    int64_t dim[3];
    const char *at = text;
    for (int i = 0; i < 3; i++)
        if (!take_int(&at, &dim[i]) || dim[i] < 1 || dim[i] > 65536 || *at++ != (i < 2 ? 'x' : '\0'))
            return bad_value(o, text, "height x width x channels, like 22x52x3");
    *(cli_dims *)o->out = (cli_dims){(int32_t)dim[0], (int32_t)dim[1], (int32_t)dim[2]};
    return CLI_GO_ON;
}

int cli_read_value(const cli_option *o, const char *text) {
    switch (o->kind) {
    case CLI_TEXT:
        if (text[0] == '\0')
            return cli_usage_error("--%s: the value is empty", o->name);
        *(const char **)o->out = text;
        return CLI_GO_ON;
    case CLI_INT: return read_int(o, text);
    case CLI_INT_OR_AUTO:
        if (strcmp(text, "auto") != 0)
            return read_int(o, text);
        *(int64_t *)o->out = 0;
        return CLI_GO_ON;
    case CLI_INTS_OR_AUTO:
        if (strcmp(text, "auto") != 0)
            return read_ints(o, text);
        *(cli_ints *)o->out = (cli_ints){.count = 1};
        return CLI_GO_ON;
    case CLI_INTS: return read_ints(o, text);
    case CLI_REAL: return read_real(o, text);
    case CLI_REALS: return read_reals(o, text);
    case CLI_PRECISION: return read_precisions(o, text, false);
    case CLI_PRECISIONS: return read_precisions(o, text, true);
    case CLI_PRECISIONS_OR_ALL:
        if (strcmp(text, "all") != 0)
            return read_precisions(o, text, true);
        *(cli_precisions *)o->out = (cli_precisions){.count = 0};
        return CLI_GO_ON;
    case CLI_ROUND: return read_round(o, text);
    case CLI_ROUNDS_OR_AUTO:
        if (strcmp(text, "auto") != 0)
            return read_rounds(o, text);
        *(cli_rounds *)o->out = (cli_rounds){.count = 0};
        return CLI_GO_ON;
    case CLI_DIMS: return read_dims(o, text);
    case CLI_FLAG:
    case CLI_TEXTS: break;
    }
    return CLI_GO_ON;
}
