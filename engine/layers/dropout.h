// Dropout: kernels/dropout.h.
#pragma once

#include "base/keys.h"
#include "engine/layer.h"
#include "kernels/dropout.h"

namespace redoubt {

/// Drops while training only.
class Dropout : public Layer {
 public:
  static constexpr const char* kName = "dropout";
  static constexpr const char* kDescription = "inverted dropout, while training";
  static constexpr Channels kChannels = Channels::kept;
  struct Settings {
    double rate = 0;  ///< required
    bool operator==(const Settings&) const = default;

    static auto& shorthand(auto& s) { return s.rate; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.required("rate", s.rate, "share of the values that are dropped", between(0, 0.99));
    }
  };
  Dropout(const Settings& settings, const LayerBuilder& builder);

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
