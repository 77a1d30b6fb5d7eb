#include "datasets/dataset.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/nearest_name.h"
#include "datasets/cifar10.h"
#include "datasets/draw.h"
#include "datasets/fashion_mnist.h"
#include "datasets/mnist.h"
#include "datasets/synthetic.h"

namespace redoubt {

namespace {

/// Each class has kName, kDescription, kShape, kClasses and load().
template <class... Sets>
std::vector<DatasetEntry> entries_of() {
  return {
      DatasetEntry{Sets::kName, Sets::kDescription, Sets::kShape, Sets::kClasses, Sets::load}...};
}

/// Keeps `count` training images with equal counts a class, in file order.
void keep_subset(Dataset& dataset, int count, std::uint64_t seed) {
  Split& train = dataset.train;
  if (count < dataset.classes || count > train.count()) {
    throw InputError(
        fmt::format("data.train_samples is {}; it may be from {}, one a class, to {}, all of {}",
                    count, dataset.classes, train.count(), dataset.name));
  }
  std::vector<int> all(train.count());
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int> kept = draw_balanced(train.labels, dataset.classes, all, count,
                                              {.seed = seed, .purpose = Purpose::train_subset});
  Split subset;
  const auto size = static_cast<std::size_t>(dataset.shape.size());
  for (const int i : kept) {
    subset.labels.push_back(train.labels[i]);
    const auto image =
        train.images.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(i) * size);
    subset.images.insert(subset.images.end(), image, image + static_cast<std::ptrdiff_t>(size));
  }
  train = std::move(subset);
  dataset.kept = kept;
}

/// Of the training split as it is.
Normalization standard_normalization(const Dataset& dataset) {
  Normalization standard;
  const auto channels = static_cast<std::size_t>(dataset.shape.channels);
  const auto positions = static_cast<std::size_t>(dataset.shape.positions());
  for (std::size_t c = 0; c < channels; ++c) {
    // Bytes are few: exact sums over a histogram.
    std::array<std::uint64_t, 256> histogram{};
    for (std::size_t at = c * positions; at < dataset.train.images.size();
         at += channels * positions) {
      for (std::size_t p = 0; p < positions; ++p) ++histogram[dataset.train.images[at + p]];
    }
    double count = 0;
    double sum = 0;
    double squares = 0;
    for (int byte = 0; byte < 256; ++byte) {
      const auto times = static_cast<double>(histogram[byte]);
      count += times;
      sum += times * byte;
      squares += times * byte * byte;
    }
    const double mean = sum / count;
    const double deviation = std::sqrt(squares / count - mean * mean);
    standard.mean.push_back(static_cast<float>(mean / 255));
    standard.deviation.push_back(static_cast<float>(deviation > 0 ? deviation / 255 : 1));
  }
  return standard;
}

}  // namespace

std::string to_string(const Normalization& normalization) {
  return fmt::format("mean {}, deviation {}", fmt::join(normalization.mean, " "),
                     fmt::join(normalization.deviation, " "));
}

std::span<const std::uint8_t> Dataset::image(int index) const {
  const Split& split = index < train.count() ? train : test;
  const auto place =
      static_cast<std::size_t>(index < train.count() ? index : index - train.count());
  const auto size = static_cast<std::size_t>(shape.size());
  return std::span(split.images).subspan(place * size, size);
}

std::uint8_t Dataset::label(int index) const {
  return index < train.count() ? train.labels[index] : test.labels[index - train.count()];
}

std::span<const DatasetEntry> dataset_table() {
  static const std::vector<DatasetEntry> table =
      entries_of<Mnist, FashionMnist, Cifar10, SyntheticGray, SyntheticColor>();
  return table;
}

std::vector<std::string> DatasetName::names() {
  std::vector<std::string> names;
  for (const DatasetEntry& entry : dataset_table()) names.push_back(entry.name);
  return names;
}

const DatasetEntry& dataset_entry(const std::string& name) {
  for (const DatasetEntry& entry : dataset_table()) {
    if (entry.name == name) return entry;
  }
  throw InputError("unknown data set \"" + name + "\"" + suggestion(name, DatasetName::names()));
}

Dataset load_dataset(const DatasetSettings& settings, std::uint64_t seed) {
  Dataset dataset = dataset_entry(settings.name.name).load(settings, seed);
  if (settings.train_samples) {
    dataset.standard = standard_normalization(dataset);
    keep_subset(dataset, *settings.train_samples, seed);
  }
  return dataset;
}

void check_normalization(const NormalizationSettings& settings, const std::string& dataset,
                         int channels) {
  if (settings.kind != NormalizationSettings::Kind::given) return;
  const Normalization& given = settings.given;
  if (std::ssize(given.mean) != channels || std::ssize(given.deviation) != channels) {
    throw InputError(fmt::format(
        "data.normalize has {} means and {} deviations; {} has {} channel{}", given.mean.size(),
        given.deviation.size(), dataset, channels, channels == 1 ? "" : "s"));
  }
  for (const float mean : given.mean) {
    if (mean >= 0 && mean <= 1) continue;
    throw InputError(fmt::format(
        "data.normalize.mean has {}; a mean is of byte / 255, so from 0 to 1{}", mean,
        mean > 1 ? fmt::format(": of bytes as they are, {} would be {:.4f}", mean, mean / 255)
                 : ""));
  }
  for (const float deviation : given.deviation) {
    if (deviation > 0) continue;
    throw InputError(fmt::format("data.normalize.std has {}; a deviation is above 0", deviation));
  }
}

Normalization normalization(const NormalizationSettings& settings, const Dataset& dataset) {
  const auto channels = static_cast<std::size_t>(dataset.shape.channels);
  check_normalization(settings, dataset.name, dataset.shape.channels);
  switch (settings.kind) {
    case NormalizationSettings::Kind::unit:
      return {.mean = std::vector<float>(channels, 0),
              .deviation = std::vector<float>(channels, 1)};
    case NormalizationSettings::Kind::given:
      return settings.given;
    case NormalizationSettings::Kind::standard:
      break;
  }
  return dataset.standard ? *dataset.standard : standard_normalization(dataset);
}

}  // namespace redoubt
