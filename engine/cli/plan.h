/* Between plan.c and plan_fleet.c. */
#ifndef FR_CLI_PLAN_H
#define FR_CLI_PLAN_H

#include "cli/output.h"
#include "cli/plan_common.h"

typedef struct plan_request {
    cli_plan_request plan;
    const char *devices, *profiles, *save, *output;
    bool json;
} plan_request;

/* A row for each device and each profile; one that fails is a row too. */
int plan_fleet(fr_context *context, const plan_request *request, const char *name, cli_output *file);

#endif
