/* Between profile.c (measures or reads), profile_table.c, profile_plot.c and profile_svg.c (show). */
#ifndef FR_CLI_PROFILE_H
#define FR_CLI_PROFILE_H

#include "base/text.h"
#include "cli/svg.h"
#include "foldrun/planner.h"

/* What is shown of a report: the staircases of some precisions. */
typedef struct profile_view {
    const fr_device_report *report;
    uint32_t precisions; /* bits; 0 = all */
} profile_view;

static inline bool profile_shows(const profile_view *view, fr_precision precision) {
    return view->precisions == 0 || (view->precisions >> precision & 1) != 0;
}

enum { PROFILE_TELLS = 6 }; /* points; fewer tell of no steps, nor that there are none */

void profile_tables(const profile_view *view, fr_text *out);
/* "quick, not complete": what there is of it. */
const char *profile_state(const fr_device_report *report);
double profile_ops(const fr_staircase *stair, int32_t channels); /* of a launch */

/* Time an operation against channels, as characters: of the plain 3x3 convolution whose both sides grow, for each precision or (`few`) the
 * first. `fine`: the terminal shows Unicode. */
void profile_plots(const profile_view *view, bool few, bool fine, fr_text *out);

/* The longest of the staircases that are alike to the models' layers; NULL = none. */
const fr_staircase *profile_main_stair(const fr_device_report *report, fr_precision precision);

/* Time and rate of a staircase, one above the other; returns the y behind it. */
double profile_panel(svg *s, const fr_staircase *stair, double x, double y, double width);
/* A panel for each staircase; to a file, or standard output (NULL). Answers an exit code. */
int profile_picture(const profile_view *view, const char *path);

#endif
