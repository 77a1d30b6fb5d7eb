// Convolution with bias: kernels/conv/conv.h.
#pragma once

#include "base/keys.h"
#include "engine/layer.h"
#include "kernels/conv/conv.h"

namespace redoubt {

class Conv : public Layer {
 public:
  static constexpr const char* kName = "conv";
  static constexpr const char* kDescription = "convolution; bias 0 leaves the bias out";
  static constexpr Channels kChannels = Channels::made;
  struct Settings {
    int channels = 0;  ///< required, as is the kernel
    int kernel = 0;
    int stride = 1;
    int padding = 0;
    int bias = 1;
    bool operator==(const Settings&) const = default;

    static auto& shorthand(auto& s) { return s.channels; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.required("channels", s.channels, "output channels", between(1, 65536));
      v.required("kernel", s.kernel, "height and width of the kernel", between(1, 64));
      v.field("stride", s.stride, "distance between outputs, in both directions", between(1, 64));
      v.field("padding", s.padding, "zeros around the image", between(0, 63));
      v.field("bias", s.bias, "1: a bias for each channel; 0: none", between(0, 1));
    }
  };
  Conv(const Settings& settings, LayerBuilder& builder);

  void forward(const Pass& pass, kernels::Replicas<const float> input,
               kernels::Replicas<float> output,
               kernels::Replicas<std::uint8_t> state) const override;
  void backward(const Pass& pass, const LayerValues& values) const override;

 private:
  static constexpr std::int64_t kNoBias = -1;

  Conv(const kernels::ConvShape& shape, bool has_bias, LayerBuilder& builder);
  kernels::ConvShape shape_of(const Pass& pass) const;

  kernels::ConvShape shape_;
  std::int64_t weight_offset_ = 0;  ///< in a row
  std::int64_t bias_offset_ = kNoBias;
};

}  // namespace redoubt
