// One table of cases for all operations: each knows how to run on a device and what plain loops in
// double say. The same table serves every device.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "engine/buffer.h"
#include "kernels/device.h"
#include "kernels/view.h"
#include "tests/reference/reference.h"

namespace redoubt::test {

using reference::Values;

/// What an operation gave, by name: "output", "argmax", ...
struct Result {
  std::string name;
  Values values;
  /// Largest allowed distance, as a share of the largest reference value; 0: bit for bit.
  double tolerance = 0;
};
using Results = std::vector<Result>;

struct OperationCase {
  std::string family;  ///< one word, for the test's name
  std::string name;    ///< shapes, for a failure's message
  std::function<Results(Device)> run;
  std::function<Results()> reference;
};

/// A differentiable operation in double, and its gradients by the kernels.
struct GradientCase {
  std::string family;
  std::string name;
  std::vector<Values> inputs;
  std::function<Values(const std::vector<Values>& inputs)> forward;
  Values grad_output;
  /// One gradient an input, in the order of `inputs`.
  std::function<Results(Device)> backward;
};

/// Every family, in the order of kernels/.
const std::vector<OperationCase>& operation_cases();
const std::vector<GradientCase>& gradient_cases();

// The families' parts of the tables, each in its own file.
void add_product_cases(std::vector<OperationCase>& cases);
void add_conv_cases(std::vector<OperationCase>& cases);
void add_layer_cases(std::vector<OperationCase>& cases);
void add_pool_cases(std::vector<OperationCase>& cases);
void add_batch_cases(std::vector<OperationCase>& cases);
void add_row_cases(std::vector<OperationCase>& cases);
void add_term_cases(std::vector<OperationCase>& cases);
void add_norm_cases(std::vector<OperationCase>& cases);
GradientCase norm_gradient(int batch);
void add_gradient_cases(std::vector<GradientCase>& cases);

/// `count` values of float precision in [low, high), always the same for a seed.
Values random_values(int seed, std::int64_t count, double low = -1, double high = 1);

/// 0 or 1 each, about a third of them 0.
Values random_masks(int seed, std::int64_t count);

/// How many images of each replica's batch are real: all of the first, fewer of the others.
std::vector<int> valid_counts(int replicas, int batch);

/// How blocks lie in memory.
struct Spacing {
  int gap = 0;          ///< elements between blocks, before the first and behind the last
  bool shared = false;  ///< one block, pitch 0
};

/// R blocks of `size` elements on a device. The gaps hold a pattern (NaN for floats): reading it
/// spoils a result, writing it is found by values().
template <class T>
class Blocks {
 public:
  Blocks(Device device, int replicas, std::int64_t size, Spacing spacing, const Values& values)
      : blocks_(spacing.shared ? 1 : replicas),
        size_(size),
        spacing_(spacing),
        buffer_(device, spacing.gap + blocks_ * (size + spacing.gap)) {
    std::vector<T> bytes(static_cast<std::size_t>(buffer_.count()), pattern());
    for (std::int64_t b = 0; b < blocks_; ++b) {
      for (std::int64_t i = 0; i < size; ++i) {
        bytes[place(b, i)] = static_cast<T>(values[b * size + i]);
      }
    }
    buffer_.upload(bytes);
  }
  /// To be overwritten: the blocks hold the pattern, too.
  Blocks(Device device, int replicas, std::int64_t size, Spacing spacing)
      : Blocks(device, replicas, size, spacing,
               Values(static_cast<std::size_t>(replicas * size), static_cast<double>(pattern()))) {}

  kernels::Replicas<T> view() {
    return {buffer_.data() + spacing_.gap, spacing_.shared ? 0 : size_ + spacing_.gap};
  }

  Values values() const {
    const std::vector<T> bytes = buffer_.download();
    std::vector<bool> used(bytes.size(), false);
    Values values;
    for (std::int64_t b = 0; b < blocks_; ++b) {
      for (std::int64_t i = 0; i < size_; ++i) {
        used[place(b, i)] = true;
        values.push_back(static_cast<double>(bytes[place(b, i)]));
      }
    }
    const T expected = pattern();
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (used[i]) continue;
      EXPECT_EQ(std::memcmp(&bytes[i], &expected, sizeof(T)), 0)
          << "written outside the blocks, at " << i;
    }
    return values;
  }

 private:
  static T pattern() {
    if constexpr (std::is_floating_point_v<T>) {
      return std::numeric_limits<T>::quiet_NaN();
    } else {
      return static_cast<T>(0x5a);
    }
  }
  std::size_t place(std::int64_t block, std::int64_t i) const {
    return static_cast<std::size_t>(spacing_.gap + block * (size_ + spacing_.gap) + i);
  }

  std::int64_t blocks_;
  std::int64_t size_;
  Spacing spacing_;
  Buffer<T> buffer_;
};

/// Block r of values laid end to end; the only one if they are shared.
inline Values block(const Values& values, std::int64_t size, int replica, bool shared = false) {
  const std::int64_t first = shared ? 0 : replica * size;
  return {values.begin() + first, values.begin() + first + size};
}

/// Calls body(r) for each replica and lays what it returns end to end.
template <class Body>
Values for_replicas(int replicas, const Body& body) {
  Values all;
  for (int r = 0; r < replicas; ++r) {
    const Values one = body(r);
    all.insert(all.end(), one.begin(), one.end());
  }
  return all;
}

}  // namespace redoubt::test
