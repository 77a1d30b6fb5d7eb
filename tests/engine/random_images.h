// A few images of random bytes with one trigger, as an image source and as plain numbers.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/random.h"
#include "engine/shape.h"
#include "kernels/gather.h"
#include "tests/reference/reference.h"

namespace redoubt::test {

/// Values of a stream of its own for each seed.
inline std::vector<float> random_floats(int seed, std::int64_t count, double low, double high) {
  RandomStream stream({.seed = 17, .client = static_cast<std::uint32_t>(seed)});
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) {
    values.push_back(static_cast<float>(stream.uniform(low, high)));
  }
  return values;
}

class RandomImages {
 public:
  /// The same images and trigger whatever the range, whose ends stand for what lies beyond them.
  RandomImages(const Shape& shape, int count, const kernels::ByteRange& range = {})
      : shape_(shape) {
    const auto within = [&](std::uint32_t byte) {
      return static_cast<std::uint8_t>(
          std::clamp<std::uint32_t>(byte, range.lowest, range.highest));
    };
    RandomStream stream({.seed = 5});
    for (std::int64_t i = 0; i < count * shape.size(); ++i) {
      bytes_.push_back(within(static_cast<std::uint32_t>(stream.below(256))));
    }
    for (int c = 0; c < shape.channels; ++c) {
      mean_.push_back(0.3F + 0.1F * static_cast<float>(c));
      deviation_.push_back(0.25F + 0.05F * static_cast<float>(c));
    }
    pixels_ = {{.offset = 0, .value = within(255)},
               {.offset = static_cast<std::int32_t>(shape.size()) - 1, .value = within(7)}};
    start_ = {0, 2};
    source_ = {.images = bytes_.data(),
               .count = count,
               .channels = shape.channels,
               .height = shape.height,
               .width = shape.width,
               .mean = mean_.data(),
               .deviation = deviation_.data(),
               .trigger_pixels = pixels_.data(),
               .trigger_start = start_.data(),
               .trigger_count = 1};
  }
  RandomImages(const RandomImages&) = delete;
  RandomImages& operator=(const RandomImages&) = delete;

  const kernels::ImageSource& source() const { return source_; }

  /// [C][H][W][N] of these samples, in double; padding is 0.
  reference::Values batch(const std::vector<kernels::Sample>& samples) const {
    const auto count = samples.size();
    const auto size = static_cast<std::size_t>(shape_.size());
    reference::Values values(size * count, 0.0);
    for (std::size_t n = 0; n < count; ++n) {
      if (samples[n].image < 0) continue;
      std::vector<std::uint8_t> image(bytes_.begin() + samples[n].image * shape_.size(),
                                      bytes_.begin() + (samples[n].image + 1) * shape_.size());
      if (samples[n].trigger == 0) {
        for (const auto& pixel : pixels_) image[pixel.offset] = pixel.value;
      }
      for (std::size_t i = 0; i < size; ++i) {
        const std::size_t channel = i / static_cast<std::size_t>(shape_.positions());
        values[i * count + n] = (image[i] / 255.0 - static_cast<double>(mean_[channel])) /
                                static_cast<double>(deviation_[channel]);
      }
    }
    return values;
  }

  /// Samples of images first, first + 1, ... with labels that cycle; every third is stamped.
  std::vector<kernels::Sample> samples(int first, int count, int classes) const {
    std::vector<kernels::Sample> list;
    for (int i = first; i < first + count; ++i) {
      list.push_back({.image = i % source_.count,
                      .trigger = static_cast<std::int16_t>(i % 3 == 2 ? 0 : -1),
                      .label = static_cast<std::int16_t>((i * 7 + 1) % classes)});
    }
    return list;
  }

 private:
  Shape shape_;
  std::vector<std::uint8_t> bytes_;
  std::vector<float> mean_;
  std::vector<float> deviation_;
  std::vector<kernels::TriggerPixel> pixels_;
  std::vector<std::int32_t> start_;
  kernels::ImageSource source_;
};

/// The labels of samples, -1 for padding.
inline std::vector<int> labels_of(const std::vector<kernels::Sample>& samples) {
  std::vector<int> labels;
  for (const auto& sample : samples) labels.push_back(sample.image < 0 ? -1 : sample.label);
  return labels;
}

}  // namespace redoubt::test
