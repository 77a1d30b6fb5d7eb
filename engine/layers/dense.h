// Fully connected layer with bias; its input is flattened in the order C, H, W, which costs nothing
// with the batch innermost.
#pragma once

#include "base/keys.h"
#include "engine/layer.h"

namespace redoubt {

class Dense : public Layer {
 public:
  static constexpr const char* kName = "dense";
  static constexpr const char* kDescription = "fully connected layer with bias";
  static constexpr const char* kTensors = "fc";
  static constexpr Channels kChannels = Channels::made;
  struct Settings {
    int units = 0;  ///< required
    bool operator==(const Settings&) const = default;

    static auto& shorthand(auto& s) { return s.units; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.required("units", s.units, "numbers that come out", between(1, 1048576));
    }
  };
  Dense(const Settings& settings, LayerBuilder& builder);

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
