# One target that carries our warnings and sanitizers, and one function that makes a layer's library.
add_library(redoubt_options INTERFACE)
target_compile_options(redoubt_options INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra;-Wshadow;-Wconversion;-Wno-psabi>
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${REDOUBT_WERROR}>>:-Werror>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 sees overlapping copies in std::string's own code (its bug 105651).
  target_compile_options(redoubt_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # GCC's -Wconversion does not ask for signs in C++; a loop that is not vectorised is no fault.
  target_compile_options(redoubt_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-Wno-sign-conversion;-Wno-pass-failed>)
endif()
if(REDOUBT_SANITIZE)
  target_compile_options(redoubt_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${REDOUBT_SANITIZE};-fno-omit-frame-pointer;-fno-sanitize-recover=all>)
  target_link_options(redoubt_options INTERFACE -fsanitize=${REDOUBT_SANITIZE})
endif()

# redoubt_library(NAME sources...): the static library redoubt_NAME, also known as redoubt::NAME, of the
# folder that calls it. Includes are written from the top folder, e.g. "kernels/conv/conv.h".
function(redoubt_library name)
  add_library(redoubt_${name} STATIC ${ARGN})
  add_library(redoubt::${name} ALIAS redoubt_${name})
  set_target_properties(redoubt_${name} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON)
  target_include_directories(redoubt_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/redoubt>)
  target_compile_features(redoubt_${name} PUBLIC cxx_std_20)
  target_link_libraries(redoubt_${name} PRIVATE $<BUILD_INTERFACE:redoubt_options>)
endfunction()
