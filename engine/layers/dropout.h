// Dropout: kernels/dropout.h.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/layer.h"
#include "kernels/dropout.h"

namespace redoubt {

/// Arguments: rate. Drops while training only.
class Dropout : public Layer {
 public:
  Dropout(const Shape& shape, float rate, int place);

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::DropoutShape shape_of(const Pass& pass) const;

  float rate_;
  std::uint8_t place_;
};

}  // namespace redoubt
