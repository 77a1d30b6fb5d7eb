# oneDNN as the target redoubt::onednn, with the OpenMP that it takes its threads from; tests and
# benchmarks compare with it. Debian's own package file asks for OpenCL, which we do not use.
if(NOT TARGET redoubt::onednn)
  find_package(OpenMP REQUIRED COMPONENTS CXX)
  find_path(REDOUBT_ONEDNN_INCLUDE dnnl.h REQUIRED)
  find_library(REDOUBT_ONEDNN_LIBRARY dnnl REQUIRED)
  add_library(redoubt::onednn UNKNOWN IMPORTED)
  set_target_properties(redoubt::onednn PROPERTIES
    IMPORTED_LOCATION "${REDOUBT_ONEDNN_LIBRARY}"
    INTERFACE_INCLUDE_DIRECTORIES "${REDOUBT_ONEDNN_INCLUDE}"
    INTERFACE_LINK_LIBRARIES OpenMP::OpenMP_CXX)
endif()
