/* The library never prints: lines go to the callback its user set, at or below the level asked for. */
#ifndef FR_BASE_LOG_H
#define FR_BASE_LOG_H

#include "foldrun/types.h"

enum { FR_LOG_ERROR = 0, FR_LOG_WARNING = 1, FR_LOG_INFO = 2, FR_LOG_DEBUG = 3 };

typedef void (*fr_log_fn)(void *user, int level, const char *line);
void fr_log_to(fr_log_fn fn, void *user, int level); /* process-wide, thread-safe; NULL = silence (the default) */
void fr_log(int level, const char *fmt, ...) FR_PRINTF(2, 3);

#endif
