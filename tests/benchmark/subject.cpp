#include "tests/benchmark/subject.h"

#include <algorithm>

#include "base/random.h"
#include "datasets/synthetic.h"
#include "engine/initialize.h"

namespace redoubt::benchmarks {

using kernels::Sample;

namespace {

Dataset make_images(const Shape& shape, int count) {
  constexpr int kDrawn = 1000;
  Dataset images = make_synthetic(shape.channels == 1 ? "synthetic-gray" : "synthetic-color", shape,
                                  std::min(count, kDrawn), 10, 1);
  const auto size = static_cast<std::size_t>(shape.size());
  const std::size_t drawn = images.train.labels.size();
  images.train.images.resize(static_cast<std::size_t>(count) * size);
  images.train.labels.resize(count);
  for (std::size_t i = drawn; i < images.train.labels.size(); ++i) {
    std::copy_n(images.train.images.begin() + static_cast<std::ptrdiff_t>((i - drawn) * size), size,
                images.train.images.begin() + static_cast<std::ptrdiff_t>(i * size));
    images.train.labels[i] = images.train.labels[i - drawn];
  }
  return images;
}

}  // namespace

Subject::Subject(const Preset& network_entry, Device device, int image_count)
    : entry(network_entry),
      network(entry.input, kClasses, entry.layers),
      images(make_images(entry.input, image_count)),
      store(images, normalization({}, images), {}, device),
      row(static_cast<std::size_t>(network.layout().row_size())) {
  initialize(network.layout(), entry.initialization, 1, row);
}

Sample Subject::sample(int image) const {
  const std::uint8_t label = images.train.labels[image];
  return {.image = image, .label = static_cast<std::int16_t>(label)};
}

std::vector<Sample> Subject::samples() const {
  std::vector<Sample> all;
  for (int i = 0; i < images.train.count(); ++i) all.push_back(sample(i));
  RandomStream stream({.seed = 1, .purpose = Purpose::sample_order});
  stream.shuffle(std::span(all));
  return all;
}

std::vector<std::vector<int>> Subject::partition(int clients) const {
  std::vector<std::vector<int>> parts(clients);
  for (int i = 0; i < images.train.count(); ++i) {
    parts[i % clients].push_back(i);
  }
  return parts;
}

}  // namespace redoubt::benchmarks
