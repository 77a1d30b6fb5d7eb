// Thrust on a CPU. Compiled with the toolkit's own headers, which those of include/ stand in for
// elsewhere.
#pragma once

#include <cstdint>

namespace cuda_emulator {

/// By Thrust's C++ backend where there is a toolkit, else by the standard library.
void sort_on_host(std::uint64_t* keys, std::int64_t count);

}  // namespace cuda_emulator
