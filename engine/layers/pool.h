// Max and average pooling: kernels/pool.h. A max pooling layer also does the ReLU before it, if
// any.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/layer.h"
#include "engine/layers/relu.h"
#include "kernels/pool.h"

namespace redoubt {

/// Arguments of both: window, stride (0: the window).
class MaxPool : public Layer {
 public:
  MaxPool(const kernels::PoolShape& shape, MaskedChannels channels);

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;
  /// The winner's place in its window, for every output.
  std::size_t state_bytes(int batch) const override;

 private:
  kernels::PoolShape shape_;
  MaskedChannels channels_;
};

class AveragePool : public Layer {
 public:
  explicit AveragePool(const kernels::PoolShape& shape);

  /// Over the whole input, which must be square.
  static std::unique_ptr<Layer> make_global(const std::map<std::string, double>& arguments,
                                            LayerBuilder& builder);
  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::PoolShape shape_;
};

}  // namespace redoubt
