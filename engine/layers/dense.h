// Fully connected layer with bias; its input is flattened in the order C, H, W, which costs nothing
// with the batch innermost.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/layer.h"

namespace redoubt {

/// Arguments: units.
class Dense : public Layer {
 public:
  Dense(int inputs, int units, std::int64_t weight_offset, std::int64_t bias_offset);

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  /// output [units][N] = weight [units x inputs] · input [inputs x N] + bias
  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::ActivationShape output_shape(const Pass& pass) const;

  int inputs_;
  int units_;
  std::int64_t weight_offset_;
  std::int64_t bias_offset_;
};

}  // namespace redoubt
