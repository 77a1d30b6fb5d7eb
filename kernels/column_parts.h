// How a matrix's columns are cut into parts that threads sum up by themselves.
#pragma once

#include <algorithm>
#include <cstdint>

namespace redoubt::kernels {

/// At most 64 parts of whole blocks. They depend on the columns alone, so sums of parts that are
/// added in order have the same bits for any number of threads.
struct ColumnParts {
  std::int64_t columns;
  std::int64_t width;  ///< columns of a part, but for the last
  int count;

  ColumnParts(std::int64_t all_columns, std::int64_t block) : columns(all_columns) {
    constexpr std::int64_t kMostParts = 64;
    const std::int64_t blocks = (columns + block - 1) / block;
    width = std::max<std::int64_t>(1, (blocks + kMostParts - 1) / kMostParts) * block;
    count = static_cast<int>((columns + width - 1) / width);
  }
  std::int64_t first(int part) const { return part * width; }
  std::int64_t end(int part) const { return std::min(columns, (part + 1) * width); }
};

}  // namespace redoubt::kernels
