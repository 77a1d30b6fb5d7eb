// The fleet: the models of R clients as a matrix [R x P], one row a client, one column a parameter.
#pragma once

#include <vector>

#include "engine/buffer.h"
#include "engine/parameter_layout.h"
#include "kernels/view.h"

namespace redoubt {

/// Values, gradients and optimizer state of `rows` models, all laid out alike.
class Fleet {
 public:
  Fleet(const ParameterLayout& layout, int rows, int state_rows, Device device)
      : rows_(rows),
        pitch_(layout.row_size()),
        values_(device, rows * pitch_),
        gradients_(device, rows * pitch_) {
    for (int s = 0; s < state_rows; ++s) state_.emplace_back(device, rows * pitch_);
  }

  int rows() const { return rows_; }
  /// Floats between rows.
  std::int64_t pitch() const { return pitch_; }
  int state_rows() const { return static_cast<int>(state_.size()); }

  kernels::Replicas<float> values() { return values_.replicas(pitch_); }
  kernels::Replicas<const float> values() const { return values_.replicas(pitch_); }
  kernels::Replicas<float> gradients() { return gradients_.replicas(pitch_); }
  /// Velocity (sgd) or moment `which` (adam); absent if the fleet was made without.
  kernels::Replicas<float> state(int which) {
    if (which >= state_rows()) return {};
    return state_[which].replicas(pitch_);
  }

 private:
  int rows_;
  std::int64_t pitch_;
  Buffer<float> values_;
  Buffer<float> gradients_;
  std::vector<Buffer<float>> state_;
};

}  // namespace redoubt
