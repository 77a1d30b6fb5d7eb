#include "tests/kernels/operation_case.h"

#include <algorithm>
#include <random>

namespace redoubt::test {

const std::vector<OperationCase>& operation_cases() {
  static const std::vector<OperationCase> cases = [] {
    std::vector<OperationCase> table;
    add_product_cases(table);
    add_conv_cases(table);
    add_layer_cases(table);
    add_pool_cases(table);
    add_batch_cases(table);
    add_norm_cases(table);
    add_term_cases(table);
    add_row_cases(table);
    return table;
  }();
  return cases;
}

const std::vector<GradientCase>& gradient_cases() {
  static const std::vector<GradientCase> cases = [] {
    std::vector<GradientCase> table;
    add_gradient_cases(table);
    return table;
  }();
  return cases;
}

Values random_values(int seed, std::int64_t count, double low, double high) {
  std::mt19937_64 bits(static_cast<std::uint64_t>(seed));
  Values values(static_cast<std::size_t>(count));
  for (double& value : values) {
    const double unit = static_cast<double>(bits() >> 11) * 0x1p-53;
    value = static_cast<double>(static_cast<float>(low + (high - low) * unit));
  }
  return values;
}

Values random_masks(int seed, std::int64_t count) {
  Values masks = random_values(seed, count, 0, 1);
  for (double& mask : masks) mask = mask < 0.33 ? 0 : 1;
  return masks;
}

std::vector<int> valid_counts(int replicas, int batch) {
  std::vector<int> valid;
  for (int r = 0; r < replicas; ++r) valid.push_back(std::max(0, batch - 2 * r));
  return valid;
}

}  // namespace redoubt::test
