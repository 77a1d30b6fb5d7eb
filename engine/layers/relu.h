// ReLU with the channel mask and activation recording: kernels/activation.h.
#pragma once

#include "engine/layer.h"
#include "kernels/activation.h"

namespace redoubt {

/// The channels that a ReLU can silence: their part of a pass's mask and record rows.
class MaskedChannels {
 public:
  explicit MaskedChannels(LayerBuilder& builder) : offset_(builder.mask_channels()) {}
  /// None.
  MaskedChannels() = default;

  kernels::ChannelEffects effects(const Pass& pass) const;

 private:
  std::int64_t offset_ = -1;
};

class Relu : public Layer {
 public:
  static constexpr const char* kName = "relu";
  static constexpr const char* kDescription = "ReLU";
  static constexpr Channels kChannels = Channels::kept;
  struct Settings {
    bool operator==(const Settings&) const = default;

    template <class V, class S>
    static void keys(V& /*v*/, S& /*s*/) {}
  };
  Relu(const Settings& /*none*/, LayerBuilder& builder)
      : Layer(builder.input()), channels_(builder) {}

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::ActivationShape shape_of(const Pass& pass) const;

  MaskedChannels channels_;
};

}  // namespace redoubt
