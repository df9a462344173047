# Our graphs before the real cuDNN, where the library is: it plans for devices that are not there.
file(GLOB dnn_real_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/backends/gpu/*.c ${PROJECT_SOURCE_DIR}/tests/conformance/cases*.c)
set(dnn_cuda ${PROJECT_SOURCE_DIR}/backends/cuda)
add_executable(test_dnn_real test_dnn_real.c zoo_steps.c ${dnn_real_sources} ${dnn_cuda}/dnn_api.c ${dnn_cuda}/dnn_graph.c ${dnn_cuda}/error.c
  ${dnn_cuda}/dnn_plan.c ${dnn_cuda}/dnn_ways.c ${dnn_cuda}/library.c ${PROJECT_SOURCE_DIR}/backends/common/host_device.c
  ${PROJECT_SOURCE_DIR}/backends/common/step_check.c)
target_include_directories(test_dnn_real PRIVATE ${PROJECT_SOURCE_DIR}/backends ${PROJECT_SOURCE_DIR}/shaders
  ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/tests/conformance ${PROJECT_SOURCE_DIR}/tests/unit)
target_link_libraries(test_dnn_real PRIVATE foldrun_core foldrun_warnings foldrun_cuda_headers Threads::Threads ${CMAKE_DL_LIBS})
add_test(NAME cuda.dnn_real COMMAND test_dnn_real)
set_tests_properties(cuda.dnn_real PROPERTIES SKIP_RETURN_CODE 77 LABELS unit TIMEOUT 300 ENVIRONMENT "${FOLDRUN_TEST_ENVIRONMENT}")

# Through the module, on the paper GPU and with its libraries.
add_executable(test_cuda_dnn test_cuda_dnn.c)
target_include_directories(test_cuda_dnn PRIVATE ${PROJECT_SOURCE_DIR}/tests)
target_compile_definitions(test_cuda_dnn PRIVATE PAPER_FOLDER="${PAPER_FOLDER}" CUDA_TEST_CACHE="${CMAKE_CURRENT_BINARY_DIR}/cache")
target_link_libraries(test_cuda_dnn PRIVATE foldrun_core foldrun_warnings Threads::Threads ${CMAKE_DL_LIBS})
add_dependencies(test_cuda_dnn paper backend_cuda backend_ref)
add_test(NAME unit.test_cuda_dnn COMMAND test_cuda_dnn)
set_tests_properties(unit.test_cuda_dnn PROPERTIES SKIP_RETURN_CODE 77 LABELS unit TIMEOUT 300 ENVIRONMENT "${FOLDRUN_TEST_ENVIRONMENT}")
