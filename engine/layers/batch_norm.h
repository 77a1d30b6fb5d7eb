// Batch normalisation: kernels/norm.h.
#pragma once

#include "base/keys.h"
#include "engine/layer.h"
#include "kernels/norm.h"

namespace redoubt {

/// The running statistics are spans of the row that are averaged between clients and not stepped.
class BatchNorm : public Layer {
 public:
  static constexpr const char* kName = "batch_norm";
  static constexpr const char* kDescription = "batch normalisation with running statistics";
  static constexpr const char* kTensors = "bn";
  static constexpr Channels kChannels = Channels::normalized;
  struct Settings {
    double epsilon = 1e-5;
    double momentum = 0.1;
    bool operator==(const Settings&) const = default;

    static auto& shorthand(auto& s) { return s.epsilon; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("epsilon", s.epsilon, "added to the variance", between(1e-12, 1));
      v.field("momentum", s.momentum, "share of a new batch in the running statistics",
              above_to(0, 1));
    }
  };
  BatchNorm(const Settings& settings, LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;
  std::size_t state_bytes(int batch) const override;

 private:
  /// Places of the layer's tensors in a row.
  struct Offsets {
    std::int64_t gamma = 0;
    std::int64_t beta = 0;
    std::int64_t running_mean = 0;
    std::int64_t running_variance = 0;
  };
  kernels::ActivationShape shape_of(const Pass& pass) const;

  kernels::BatchNormSettings settings_;
  Offsets offsets_;
};

}  // namespace redoubt
