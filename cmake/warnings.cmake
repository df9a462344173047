add_library(foldrun_warnings INTERFACE)
target_compile_options(foldrun_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
  $<$<BOOL:${FOLDRUN_WERROR}>:-Werror>)
