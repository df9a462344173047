# foldrun_embed_zoo(out.c files...): the zoo's texts as one C table, in the build tree.
function(foldrun_embed_zoo output)
  set(files ${ARGN})
  string(JOIN "|" joined ${files})
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} "-DFILES=${joined}" -P ${PROJECT_SOURCE_DIR}/cmake/embed_zoo.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_zoo.cmake
    VERBATIM)
endfunction()
