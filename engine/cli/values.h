/* Values of options, from text. */
#ifndef FR_CLI_VALUES_H
#define FR_CLI_VALUES_H

#include "cli/args.h"

/* Reads `text` into o->out by o->kind (not CLI_FLAG, not CLI_TEXTS); CLI_GO_ON, or CLI_USAGE after a complaint. */
int cli_read_value(const cli_option *o, const char *text);

#endif
