/* A session: a model made ready on a device. Private to engine/run/session*.c. */
#ifndef FR_RUN_SESSION_H
#define FR_RUN_SESSION_H

#include "foldrun/foldrun.h"
#include "graph/graph.h"
#include "plan/cuts.h"
#include "run/executor.h"
#include "run/target.h"

struct fr_session {
    fr_target target;
    fr_graph *graph; /* simplified; the steps point into its constants */
    fr_steps steps;
    fr_cuts *cuts;          /* the ways they can be cut into chains, */
    const fr_steps *chosen; /* and the one that runs */
    fr_executor *executor;
    char *plan_text;
    bool uses_given; /* what runs is the plan that the options give */
    fr_session_info info;
    int64_t image_numbers; /* of one image */
    fr_dtype input_dtype;
    bool input_chw;
};

/* All of an opening but the choice of a plan: the device, with its checks, the graph and the steps. The session is zeroed memory;
 * fr_session_close takes it, whatever this answers. */
fr_status fr_session_prepare(fr_session *session, fr_context *context, const fr_model *model,
                             const fr_session_options *options) FR_MUST_CHECK;

#endif
