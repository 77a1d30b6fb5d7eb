#include "kernels/tiles.h"

namespace redoubt::kernels {

const Tiles& tiles() {
  static const Tiles& chosen = [&]() -> const Tiles& {
#if defined(REDOUBT_TILES_X86)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl")) {
      return tiles_avx512::table;
    }
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return tiles_avx2::table;
#endif
    return tiles_baseline::table;
  }();
  return chosen;
}

}  // namespace redoubt::kernels
