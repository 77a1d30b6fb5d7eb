// ReLU with the channel mask and activation recording: kernels/activation.h.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "engine/layer.h"
#include "kernels/activation.h"

namespace redoubt {

/// Names the channels of the layer before a ReLU, so that they can be masked and recorded, and
/// finds their part of a pass's mask and record rows.
class MaskedChannels {
 public:
  /// Registers the producer's channels with the layout. A ReLU with no conv or dense layer before
  /// it has no channels to mask.
  explicit MaskedChannels(LayerBuilder& builder);
  MaskedChannels() = default;

  kernels::ChannelEffects effects(const Pass& pass) const;

 private:
  std::int64_t offset_ = -1;
};

class Relu : public Layer {
 public:
  Relu(const Shape& shape, MaskedChannels channels) : Layer(shape), channels_(channels) {}

  static std::unique_ptr<Layer> make(const std::map<std::string, double>& arguments,
                                     LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::ActivationShape shape_of(const Pass& pass) const;

  MaskedChannels channels_;
};

}  // namespace redoubt
