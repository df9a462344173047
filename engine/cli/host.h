/* The machine a measurement was taken on, in words. */
#ifndef FR_CLI_HOST_H
#define FR_CLI_HOST_H

#include <stdint.h>

typedef struct cli_host {
    char cpu[128], os[192];
    int cores;
    int64_t memory_bytes;
} cli_host;

cli_host cli_read_host(void);

#endif
