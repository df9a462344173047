# foldrun_embed_texts(out.c header type function files...): the files as one C table in the build tree. The header declares the
# type, a struct of {name without ending, text, bytes}, and the function, which gives the table and its count.
function(foldrun_embed_texts output header type function)
  set(files ${ARGN})
  string(JOIN "|" joined ${files})
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${output} -DHEADER=${header} -DTYPE=${type} -DFUNCTION=${function} "-DFILES=${joined}"
      -P ${PROJECT_SOURCE_DIR}/cmake/embed_texts.cmake
    DEPENDS ${files} ${PROJECT_SOURCE_DIR}/cmake/embed_texts.cmake
    VERBATIM)
endfunction()

# foldrun_embed_zoo(out.c files...): the zoo's texts.
function(foldrun_embed_zoo output)
  foldrun_embed_texts(${output} formats/fold_text.h fr_zoo_entry fr_zoo ${ARGN})
endfunction()
