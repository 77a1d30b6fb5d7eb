// Batch normalisation: kernels/norm.h.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/layer.h"
#include "kernels/norm.h"

namespace redoubt {

/// Arguments: epsilon (1e-5), momentum (0.1). The running statistics are spans of the row that are
/// averaged between clients and not stepped.
class BatchNorm : public Layer {
 public:
  /// Places of the layer's tensors in a row.
  struct Offsets {
    std::int64_t gamma = 0;
    std::int64_t beta = 0;
    std::int64_t running_mean = 0;
    std::int64_t running_variance = 0;
  };
  BatchNorm(const Shape& shape, const kernels::BatchNormSettings& settings, const Offsets& offsets);

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;
  std::size_t state_bytes(int batch) const override;
  bool normalizes() const override { return true; }

 private:
  kernels::ActivationShape shape_of(const Pass& pass) const;

  kernels::BatchNormSettings settings_;
  Offsets offsets_;
};

}  // namespace redoubt
