// Sorting by Thrust, which the CUDA toolkit carries. On CUDA only.
#pragma once

#include <cstdint>

#include "kernels/device.h"

namespace redoubt::kernels::cuda {

/// Sorts `count` numbers in device memory into ascending order. Takes memory for as many again
/// while it does, and waits until it has.
void sort_keys(Context& context, std::uint64_t* keys, std::int64_t count);

}  // namespace redoubt::kernels::cuda
