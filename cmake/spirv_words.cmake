# Writes OUTPUT: the words of the module SPV as numbers of C.
file(READ ${SPV} hex HEX)
if(NOT hex MATCHES "^03022307")
  message(FATAL_ERROR "${SPV} is no SPIR-V of a little-endian machine")
endif()
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${hex}")
file(WRITE ${OUTPUT} "${words}\n")
