// What kernels/ takes of Thrust.
#include "kernels/launch.h"
#include "kernels/sort/keys.h"
#include "tests/cuda_emulator/host_sort.h"
#include "tests/cuda_emulator/machine.h"

namespace redoubt::kernels::cuda {

void sort_keys(Context& context, std::uint64_t* keys, std::int64_t count) {
  REDOUBT_CUDA_CHECK(cuda_emulator::machine().enqueue(
      stream(context), [=] { cuda_emulator::sort_on_host(keys, count); }));
  context.synchronize();
}

}  // namespace redoubt::kernels::cuda
