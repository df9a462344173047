/* Plans of N4 from the profile of a device that is a formula: what is made once for all tests of a program. */
#ifndef FR_TESTS_MADE_PLANS_H
#define FR_TESTS_MADE_PLANS_H

#include "made_device.h"

static fr_context *context;
static fr_model *model;
static char profile[128];

static void clean_up(void) {
    unlink(profile);
    fr_model_free(model);
    fr_context_free(context);
}

static bool begin(void) {
    fr_context_options options = FR_OPTIONS(fr_context_options);
    options.cache_dir = "";
    if (context)
        return true;
    snprintf(profile, sizeof profile, "/tmp/foldrun-planner-%ld.json", (long)getpid());
    atexit(clean_up);
    return fr_context_new(&options, &context) == FR_OK && fr_model_load(context, "n4", &model) == FR_OK &&
           made_write(&made_usual, 1, profile) == FR_OK;
}

#endif
