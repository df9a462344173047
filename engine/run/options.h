/*
 * Option and info structs begin with their size, so that callers built against an older or a newer foldrun.h work:
 * fields a caller lacks are zero, fields the library lacks must be. A size of 0 means this version's struct.
 */
#ifndef FR_RUN_OPTIONS_H
#define FR_RUN_OPTIONS_H

#include "foldrun/types.h"

/* Copies the caller's options over ours[bytes]; given NULL = all zero. `what` names the struct in FR_INVALID's sentence. */
fr_status fr_options_take(const void *given, void *ours, size_t bytes, const char *what) FR_MUST_CHECK;
/* Copies our info into the caller's struct, as far as that one reaches; its struct_bytes stays as it was. */
fr_status fr_info_give(void *out, const void *ours, size_t bytes, const char *what) FR_MUST_CHECK;

#endif
