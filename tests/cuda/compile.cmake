# Every kernel compiled for every architecture: by the toolkit's NVRTC, and by one of CUDA 12 from a venv (sm_70 needs it).
file(GLOB compile_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backends/gpu/*.c ${PROJECT_SOURCE_DIR}/tests/conformance/cases*.c)
set(compile_cuda ${PROJECT_SOURCE_DIR}/backends/cuda)
add_executable(compile_all compile_all.c zoo_steps.c ${compile_sources} ${PROJECT_BINARY_DIR}/backends/cuda/texts.c
  ${compile_cuda}/compile.c ${compile_cuda}/nvrtc_api.c ${compile_cuda}/library.c
  ${PROJECT_SOURCE_DIR}/backends/common/host_device.c ${PROJECT_SOURCE_DIR}/backends/common/step_check.c)
set_source_files_properties(${PROJECT_BINARY_DIR}/backends/cuda/texts.c PROPERTIES GENERATED TRUE)
add_dependencies(compile_all backend_cuda) # which makes texts.c
target_include_directories(compile_all PRIVATE ${PROJECT_SOURCE_DIR}/backends ${compile_cuda} ${PROJECT_SOURCE_DIR}/shaders
  ${PROJECT_SOURCE_DIR}/tests/conformance ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(compile_all PRIVATE foldrun_core foldrun_warnings foldrun_cuda_headers Threads::Threads ${CMAKE_DL_LIBS})

find_file(FOLDRUN_NVRTC NAMES libnvrtc.so.13 libnvrtc.so.12 libnvrtc.so PATHS ${FOLDRUN_CUDA_ROOT} $ENV{CUDA_PATH} $ENV{CUDA_HOME}
  /usr/local/cuda /opt/cuda PATH_SUFFIXES lib64 lib targets/x86_64-linux/lib cuda_nvrtc/lib cu13/lib
  DOC "an NVRTC that the tests compile all kernels with")
find_file(FOLDRUN_NVRTC12 NAMES libnvrtc.so.12 PATHS ${FOLDRUN_CUDA_ROOT} PATH_SUFFIXES cuda_nvrtc/lib
  DOC "another one, of CUDA 12: it knows sm_70 (pip install nvidia-cuda-nvrtc-cu12)")
mark_as_advanced(FOLDRUN_NVRTC FOLDRUN_NVRTC12)
set(nvrtcs "")
foreach(file ${FOLDRUN_NVRTC} ${FOLDRUN_NVRTC12})
  if(EXISTS ${file})
    get_filename_component(folder ${file} DIRECTORY)
    list(APPEND nvrtcs --nvrtc ${folder})
  endif()
endforeach()
if(NOT nvrtcs)
  set(nvrtcs --nvrtc /nowhere) # it says what is missing
endif()
# A sample: all of them take minutes an architecture (compile_all without --sample).
add_test(NAME cuda.compile COMMAND compile_all ${nvrtcs} --sample 193 -j 2)
set_tests_properties(cuda.compile PROPERTIES SKIP_RETURN_CODE 77 LABELS unit TIMEOUT 1200 ENVIRONMENT "${FOLDRUN_TEST_ENVIRONMENT}")
