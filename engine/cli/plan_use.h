/* What run and bench do with a plan: one that was kept (--plan), or one made for the variants of a task (--fold auto). */
#ifndef FR_CLI_PLAN_USE_H
#define FR_CLI_PLAN_USE_H

#include "cli/plan_common.h"

typedef struct cli_chosen {
    cli_planned plan;
    const fr_plan_row *row; /* its choice */
    fr_model *model;        /* as the row has it; the caller may take it, and set NULL */
    fr_model_info info;
} cli_chosen;

/* Both answer an exit code; a failure has been told. Free whatever they answer.
 * `given` is what the command line says; what contradicts the file is a usage error. Where only a plain model is there of a
 * folded choice, its shape with seeded weights is made if may_be_seeded, and else refused. */
int cli_choose_by_file(fr_context *context, const char *path, const char *name, const cli_plan_request *given,
                       const cli_folding *folding, bool may_be_seeded, cli_chosen *out);
int cli_choose_by_planner(fr_context *context, const char *name, const cli_plan_request *request,
                          const cli_folding *folding, cli_chosen *out);
void cli_chosen_free(cli_chosen *chosen);
/* The choice in one line on stderr. */
void cli_chosen_tell(const cli_chosen *chosen, const char *source);
/* Device, schedule, kernels, the limit on memory and the like. The chosen must outlive the opening. */
void cli_chosen_session(const cli_chosen *chosen, const cli_plan_request *given, fr_session_options *options);

/* Widths of networks that are folded already are not rounded: a usage error. */
int cli_refuse_round(const char *name);
/* The one of a folder's variants that is folded by `fold`; the caller's to free. */
int cli_pick_fold(fr_context *context, const char *folder, int64_t fold, fr_model **out_model, fr_model_info *out_info);

#endif
