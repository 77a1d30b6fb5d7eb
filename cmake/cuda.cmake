# Finds the CUDA toolkit if it is wanted. Sets REDOUBT_WITH_CUDA and enables the CUDA language.
set(REDOUBT_WITH_CUDA OFF)
if(NOT REDOUBT_CUDA MATCHES "^(ON|OFF|AUTO)$")
  message(FATAL_ERROR "REDOUBT_CUDA is \"${REDOUBT_CUDA}\"; it may be ON, OFF or AUTO")
endif()
if(NOT REDOUBT_CUDA STREQUAL "OFF")
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES 90)
    endif()
    enable_language(CUDA)
    find_package(CUDAToolkit REQUIRED)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")  # CMake 3.25 does not know that nvcc has it
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_RUNTIME_LIBRARY Static)
    # Line numbers cost nothing at run time and let Nsight show the source.
    target_compile_options(redoubt_options INTERFACE
      "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-lineinfo;-Xcompiler=-Wall,-Wextra,-Wshadow>"
      $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<BOOL:${REDOUBT_WERROR}>>:--Werror=all-warnings>)
    set(REDOUBT_WITH_CUDA ON)
  elseif(REDOUBT_CUDA STREQUAL "ON")
    message(FATAL_ERROR "REDOUBT_CUDA is ON, but no CUDA compiler was found; set CUDACXX or use AUTO")
  endif()
endif()
message(STATUS "redoubt: the CUDA side is ${REDOUBT_WITH_CUDA}")
