# `cmake --install`: the program, the libraries with their headers under include/redoubt, and a CMake
# package, so that another project can say find_package(redoubt) and link redoubt::engine.
include(CMakePackageConfigHelpers)

set(REDOUBT_PACKAGE_FOLDER ${CMAKE_INSTALL_LIBDIR}/cmake/redoubt)

install(TARGETS redoubt RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(TARGETS redoubt_base redoubt_kernels redoubt_engine redoubt_datasets redoubt_fl redoubt_defense
                redoubt_simulation redoubt_file redoubt_run redoubt_sweep redoubt_command
        EXPORT redoubt_targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY base kernels engine datasets fl defense
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/redoubt FILES_MATCHING PATTERN "*.h")
install(DIRECTORY experiments/simulation experiments/file experiments/run experiments/sweep
        DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/redoubt/experiments FILES_MATCHING PATTERN "*.h")

install(DIRECTORY experiments/report/ DESTINATION ${CMAKE_INSTALL_DATADIR}/redoubt/report
        FILES_MATCHING PATTERN "*.py" PATTERN "*.css" PATTERN "__pycache__" EXCLUDE)

install(EXPORT redoubt_targets NAMESPACE redoubt:: FILE redoubtTargets.cmake
        DESTINATION ${REDOUBT_PACKAGE_FOLDER})
configure_package_config_file(cmake/redoubtConfig.cmake.in ${PROJECT_BINARY_DIR}/redoubtConfig.cmake
                              INSTALL_DESTINATION ${REDOUBT_PACKAGE_FOLDER})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/redoubtConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/redoubtConfig.cmake
              ${PROJECT_BINARY_DIR}/redoubtConfigVersion.cmake
        DESTINATION ${REDOUBT_PACKAGE_FOLDER})
