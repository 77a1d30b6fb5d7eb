#include "fl/global_model.h"

namespace redoubt {

void GlobalModel::keep_at_zero(std::span<const std::int64_t> columns) {
  if (columns.empty()) return;
  std::vector<float> values = keeps_zeros()
                                  ? kept.download()
                                  : std::vector<float>(static_cast<std::size_t>(row.count()), 1.0F);
  for (const std::int64_t column : columns) values[column] = 0;
  if (!keeps_zeros()) kept = Buffer<float>(row.device(), row.count());
  kept.upload(values);
}

}  // namespace redoubt
