// Convolution with bias: kernels/conv/conv.h.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/layer.h"
#include "kernels/conv/conv.h"

namespace redoubt {

/// Arguments: channels, kernel, stride (1), padding (0), bias (1; 0: none).
class Conv : public Layer {
 public:
  static constexpr std::int64_t kNoBias = -1;
  /// Offsets in a row; the bias may be kNoBias.
  Conv(const kernels::ConvShape& shape, std::int64_t weight_offset, std::int64_t bias_offset);

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::ConvShape shape_of(const Pass& pass) const;

  kernels::ConvShape shape_;
  std::int64_t weight_offset_;
  std::int64_t bias_offset_;
};

}  // namespace redoubt
