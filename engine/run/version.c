/* Gives the shared library a source of its own; everything else comes from the core archive. */
#include "foldrun/foldrun.h"
extern const char *fr_version(void);
