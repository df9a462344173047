# foldrun.pc finds its prefix from where it lies, so that an installed tree may be moved.
file(RELATIVE_PATH FOLDRUN_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
configure_file("${PROJECT_SOURCE_DIR}/cmake/foldrun.pc.in" "${PROJECT_BINARY_DIR}/foldrun.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/foldrun.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
