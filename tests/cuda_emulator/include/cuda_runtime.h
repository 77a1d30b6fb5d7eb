// Stands in for CUDA's header of this name where kernels are compiled by the host compiler for the
// emulated GPU. See tests/cuda_emulator/emulator.h.
#pragma once

#define REDOUBT_CUDA_EMULATED 1

#include "cuda_emulator/arithmetic.h"
#include "cuda_emulator/kernel_side.h"
#include "cuda_emulator/language.h"
#include "cuda_emulator/runtime_api.h"
