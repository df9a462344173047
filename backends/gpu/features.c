/* What is used of a device's hardware, in words. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "gpu/gpu.h"

void gpu_add_feature(fr_device_facts *facts, const char *fmt, ...) {
    size_t used = strlen(facts->features);
    if (used > 0 && used + 2 < sizeof facts->features)
        used += (size_t)snprintf(facts->features + used, sizeof facts->features - used, ", ");
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(facts->features + used, sizeof facts->features - used, fmt, args);
    va_end(args);
}
