/* The small CNNs whose whole runs correct the predictions. */
#include <stdio.h>

#include "plan/probe.h"

void fr_probe_net(int32_t net, int32_t width, int32_t h, int32_t w, char *out, size_t bytes) {
    if (net == 0)
        snprintf(out, bytes,
                 "model probe0_%d \"three pools, equal widths\"\n"
                 "input 3x%dx%d\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "maxpool 3x3 stride 2\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "maxpool 3x3 stride 1\n"
                 "conv 8 3x3 pad 1 relu\n"
                 "maxpool 3x3 stride 2\n"
                 "flatten\n"
                 "fc 24\n",
                 width, h, w, width, width, width, width);
    else
        snprintf(out, bytes,
                 "model probe1_%d \"pairs and a hidden layer\"\n"
                 "input 3x%dx%d\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "maxpool 2x2 stride 2\n"
                 "conv %d 3x3 pad 1 relu\n"
                 "maxpool 2x2 stride 2\n"
                 "flatten\n"
                 "fc 64 relu\n"
                 "fc 2\n",
                 width, h, w, width, width, width);
}
