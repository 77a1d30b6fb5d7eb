#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

namespace {

#if defined(REDOUBT_TILES_X86)
bool has_avx512() {
#if defined(__clang__)
  // Clang 14 knows no levels.
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
#else
  return __builtin_cpu_supports("x86-64-v4");
#endif
}

bool has_avx2() {
#if defined(__clang__)
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
         __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
#else
  return __builtin_cpu_supports("x86-64-v3");
#endif
}
#endif

}  // namespace

const std::vector<const Tiles*>& available_tiles() {
  static const std::vector<const Tiles*> available = [] {
    std::vector<const Tiles*> tables;
#if defined(REDOUBT_TILES_X86)
    if (has_avx512()) tables.push_back(&tiles_avx512::table);
    if (has_avx2()) tables.push_back(&tiles_avx2::table);
#endif
    tables.push_back(&tiles_baseline::table);
    return tables;
  }();
  return available;
}

}  // namespace redoubt::kernels
