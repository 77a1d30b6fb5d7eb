#include "experiments/simulation/example_images.h"

#include <algorithm>
#include <span>

namespace redoubt::experiments {

using kernels::Sample;

namespace {

constexpr std::size_t kExamples = 8;

std::vector<std::uint8_t> stamped_image(const ExperimentData& data, int image, int trigger) {
  const std::span<const std::uint8_t> clean = data.dataset.image(image);
  std::vector<std::uint8_t> bytes(clean.begin(), clean.end());
  if (trigger < 0) return bytes;
  for (const kernels::TriggerPixel& pixel : data.triggers.pixels_of(trigger)) {
    bytes[pixel.offset] = pixel.value;
  }
  return bytes;
}

/// Images one after another in a tensor.
class Pile {
 public:
  Pile(const ExperimentData& data, const char* name) : data_(data) {
    const Shape& shape = data.dataset.shape;
    tensor_ = {.name = name, .shape = {0, shape.channels, shape.height, shape.width}, .values = {}};
  }
  void add(int image, int trigger) {
    const std::vector<std::uint8_t> bytes = stamped_image(data_, image, trigger);
    tensor_.values.insert(tensor_.values.end(), bytes.begin(), bytes.end());
    ++tensor_.shape.front();
  }
  const ByteTensor& tensor() const { return tensor_; }

 private:
  const ExperimentData& data_;
  ByteTensor tensor_;
};

}  // namespace

TensorFile example_images(const ExperimentData& data) {
  if (!data.backdoor || data.backdoor->evaluation.empty()) return {};
  const std::vector<Sample>& all = data.backdoor->evaluation;
  const std::span<const Sample> some(all.begin(), std::min(all.size(), kExamples));
  Pile clean(data, "clean");
  Pile stamped(data, "stamped");
  std::string labels;
  for (const Sample& sample : some) {
    clean.add(sample.image, -1);
    stamped.add(sample.image, sample.trigger);
    labels += (labels.empty() ? "" : ",") + std::to_string(data.dataset.label(sample.image));
  }
  TensorFile file = {
      .metadata = {{"labels", labels}, {"target", std::to_string(data.backdoor->goal.target)}},
      .tensors = {},
      .bytes = {clean.tensor(), stamped.tensor()}};
  if (data.backdoor->stamps.size() > 1) {
    Pile parts(data, "parts");
    for (const int part : data.backdoor->stamps) parts.add(some.front().image, part);
    file.bytes.push_back(parts.tensor());
  }
  return file;
}

}  // namespace redoubt::experiments
