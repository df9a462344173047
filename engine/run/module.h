/* One backend module: found by its file name, checked, its driver opened. What went wrong is kept, not returned. */
#ifndef FR_RUN_MODULE_H
#define FR_RUN_MODULE_H

#include <stdbool.h>

#include "foldrun/backend.h"

#define FR_MODULE_PREFIX "foldrun-backend-"
#define FR_MODULE_SUFFIX ".so"

typedef struct fr_module {
    char name[16];  /* from the file's name */
    char title[64]; /* the name, until the module's own title is known */
    fr_status status;
    char why[1024];            /* when status is not FR_OK: what is missing and what to do */
    const fr_backend *backend; /* NULL unless status is FR_OK, as are the rest */
    fr_driver *driver;
    uint32_t n_devices; /* at least 1 */
    void *handle;
} fr_module;

/* False when the file's name is not a module's: foldrun-backend-NAME.so, NAME of a-z, 0-9 and _, at most 15 long. */
bool fr_module_name(const char *path, char out_name[16]);
/* host must live as long as the module. */
void fr_module_open(const char *path, const fr_host *host, fr_module *out_module);
void fr_module_close(fr_module *module);

#endif
