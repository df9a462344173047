/* Where things lie. The library reads the environment here and nowhere else. */
#ifndef FR_RUN_FOLDERS_H
#define FR_RUN_FOLDERS_H

#include "foldrun/types.h"

/*
 * Where modules are looked for: the option, else FOLDRUN_BACKEND_DIR, else `foldrun` or `backends` beside the file this
 * code was loaded from (installed tree, build tree), else the folder of the configured install prefix. Never the
 * current folder by itself. Free with fr_free.
 */
fr_status fr_folder_of_backends(const char *option, char **out_folder) FR_MUST_CHECK;

/* The option, else FOLDRUN_CACHE_DIR, else XDG_CACHE_HOME/foldrun, else ~/.cache/foldrun; "" = no cache. */
fr_status fr_folder_of_cache(const char *option, char **out_folder) FR_MUST_CHECK;

#endif
