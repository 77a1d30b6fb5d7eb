#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

const std::vector<const Tiles*>& available_tiles() {
  static const std::vector<const Tiles*> available = [] {
    std::vector<const Tiles*> tables;
#if defined(REDOUBT_TILES_X86)
    if (__builtin_cpu_supports("x86-64-v4")) {
      tables.push_back(&tiles_avx512::table);
    }
    if (__builtin_cpu_supports("x86-64-v3")) {
      tables.push_back(&tiles_avx2::table);
    }
#endif
    tables.push_back(&tiles_baseline::table);
    return tables;
  }();
  return available;
}

}  // namespace redoubt::kernels
