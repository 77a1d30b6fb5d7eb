// Max and average pooling: kernels/pool.h. A max pooling layer also does the ReLU before it, if
// any.
#pragma once

#include "base/keys.h"
#include "engine/layer.h"
#include "engine/layers/relu.h"
#include "kernels/pool.h"

namespace redoubt {

template <int kMostWindow>
struct PoolSettings {
  int window = 0;  ///< required
  int stride = 0;
  bool operator==(const PoolSettings&) const = default;

  static auto& shorthand(auto& s) { return s.window; }
  template <class V, class S>
  static void keys(V& v, S& s) {
    v.required("window", s.window, "height and width of the window", between(1, kMostWindow));
    v.field("stride", s.stride, "distance between windows; 0: the window's size", between(0, 64));
  }
};

class MaxPool : public Layer {
 public:
  static constexpr const char* kName = "max_pool";
  static constexpr const char* kDescription = "max pooling; stride 0 is the window's size";
  static constexpr Channels kChannels = Channels::kept;
  using Settings = PoolSettings<15>;
  MaxPool(const Settings& settings, LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;
  /// The winner's place in its window, for every output.
  std::size_t state_bytes(int batch) const override;

 private:
  kernels::PoolShape shape_;
  MaskedChannels channels_;  ///< of the ReLU
};

class AveragePool : public Layer {
 public:
  static constexpr const char* kName = "average_pool";
  static constexpr const char* kDescription = "average pooling; stride 0 is the window's size";
  static constexpr Channels kChannels = Channels::kept;
  using Settings = PoolSettings<64>;
  AveragePool(const Settings& settings, const LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  kernels::PoolShape shape_;
};

class GlobalAveragePool : public AveragePool {
 public:
  static constexpr const char* kName = "global_average_pool";
  static constexpr const char* kDescription = "the mean over all positions of a square input";
  struct Settings {
    bool operator==(const Settings&) const = default;

    template <class V, class S>
    static void keys(V& /*v*/, S& /*s*/) {}
  };
  GlobalAveragePool(const Settings& /*none*/, const LayerBuilder& builder);
};

}  // namespace redoubt
