#include "datasets/dataset.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <numeric>

#include "base/check.h"
#include "base/nearest_name.h"
#include "datasets/cifar.h"
#include "datasets/draw.h"
#include "datasets/idx.h"
#include "datasets/synthetic.h"

namespace redoubt {

namespace {

namespace fs = std::filesystem;

constexpr Shape kGray = {1, 28, 28};
constexpr Shape kColor = {3, 32, 32};
constexpr int kSyntheticTrain = 10000;
constexpr int kSyntheticTest = 2000;

/// A published file by one of the spellings in use, or an empty path.
fs::path find_file(const fs::path& folder, const std::string& name) {
  std::string dotted = name;
  const std::size_t dash = dotted.find("-idx");
  if (dash != std::string::npos) dotted[dash] = '.';
  for (const std::string& spelling : {name, name + ".gz", dotted, dotted + ".gz"}) {
    if (fs::exists(folder / spelling)) return folder / spelling;
  }
  return {};
}

/// Where a data set may lie, and how to get it.
struct Place {
  std::string name;
  std::string first_file;  ///< tells whether a folder is the right one
  fs::path system;         ///< empty: the system has no place for it
  std::string how_to_get;
};

fs::path find_folder(const DatasetSettings& settings, const Place& place) {
  std::vector<fs::path> folders;
  if (settings.directory) {
    folders.push_back(*settings.directory);
  } else {
    if (const char* root = std::getenv("REDOUBT_DATA"); root != nullptr && *root != '\0') {
      folders.push_back(fs::path(root) / place.name);
    }
    if (!place.system.empty()) folders.push_back(place.system);
  }
  std::string looked;
  for (const fs::path& folder : folders) {
    if (!find_file(folder, place.first_file).empty()) return folder;
    looked += (looked.empty() ? "" : ", ") + folder.string();
  }
  throw InputError(fmt::format(
      "data set {} was not found: no {} in {}; {}", place.name, place.first_file,
      looked.empty() ? "any place ($REDOUBT_DATA is not set)" : looked, place.how_to_get));
}

fs::path need_file(const fs::path& folder, const std::string& name) {
  fs::path path = find_file(folder, name);
  if (path.empty()) throw InputError((folder / name).string() + ": no such file, plain or .gz");
  return path;
}

Dataset load_idx(const DatasetSettings& settings, const Place& place) {
  const fs::path folder = find_folder(settings, place);
  const auto split = [&](const std::string& prefix) {
    return read_idx_split(need_file(folder, prefix + "-images-idx3-ubyte"),
                          need_file(folder, prefix + "-labels-idx1-ubyte"), kGray, 10);
  };
  return {.name = place.name,
          .shape = kGray,
          .classes = 10,
          .train = split("train"),
          .test = split("t10k"),
          .origin = folder.string()};
}

Dataset load_mnist(const DatasetSettings& settings, std::uint64_t /*seed*/) {
  return load_idx(settings,
                  {.name = "mnist",
                   .first_file = "train-images-idx3-ubyte",
                   .system = "/usr/share/datasets/mnist",
                   .how_to_get = "put the four IDX files of the MNIST release (plain or .gz) into "
                                 "a folder and name it by data.directory, or its parent by "
                                 "$REDOUBT_DATA"});
}

Dataset load_fashion_mnist(const DatasetSettings& settings, std::uint64_t /*seed*/) {
  return load_idx(settings, {.name = "fashion-mnist",
                             .first_file = "train-images-idx3-ubyte",
                             .system = "/usr/share/datasets/fashion-mnist",
                             .how_to_get = "Debian has it: apt install dataset-fashion-mnist"});
}

Dataset load_cifar10(const DatasetSettings& settings, std::uint64_t /*seed*/) {
  const Place place = {
      .name = "cifar10",
      .first_file = "test_batch.bin",
      .system = {},
      .how_to_get =
          "put the .bin files of the CIFAR-10 release (binary version) into a folder and "
          "name it by data.directory, or its parent by $REDOUBT_DATA"};
  const fs::path folder = find_folder(settings, place);
  constexpr int kBatch = 10000;
  Dataset dataset = {.name = place.name,
                     .shape = kColor,
                     .classes = 10,
                     .train = {},
                     .test = {},
                     .origin = folder.string()};
  for (int i = 1; i <= 5; ++i) {
    read_cifar_batch(need_file(folder, fmt::format("data_batch_{}.bin", i)), kBatch, dataset.train);
  }
  read_cifar_batch(need_file(folder, "test_batch.bin"), kBatch, dataset.test);
  return dataset;
}

Dataset load_synthetic_gray(const DatasetSettings& /*settings*/, std::uint64_t seed) {
  return make_synthetic("synthetic-gray", kGray, kSyntheticTrain, kSyntheticTest, seed);
}

Dataset load_synthetic_color(const DatasetSettings& /*settings*/, std::uint64_t seed) {
  return make_synthetic("synthetic-color", kColor, kSyntheticTrain, kSyntheticTest, seed);
}

/// Keeps `count` training images with equal counts a class, in file order.
void keep_subset(Dataset& dataset, int count, std::uint64_t seed) {
  Split& train = dataset.train;
  if (count < dataset.classes || count > train.count()) {
    throw InputError(
        fmt::format("data.train_samples is {}; it may be from {}, one a class, to {}, all of {}",
                    count, dataset.classes, train.count(), dataset.name));
  }
  std::vector<int> all(static_cast<std::size_t>(train.count()));
  std::iota(all.begin(), all.end(), 0);
  const std::vector<int> kept = draw_balanced(train.labels, dataset.classes, all, count,
                                              {.seed = seed, .purpose = Purpose::train_subset});
  Split subset;
  const auto size = static_cast<std::size_t>(dataset.shape.size());
  for (const int i : kept) {
    subset.labels.push_back(train.labels[static_cast<std::size_t>(i)]);
    const auto image =
        train.images.begin() + static_cast<std::ptrdiff_t>(static_cast<std::size_t>(i) * size);
    subset.images.insert(subset.images.end(), image, image + static_cast<std::ptrdiff_t>(size));
  }
  train = std::move(subset);
}

}  // namespace

std::span<const DatasetEntry> dataset_table() {
  static const std::array<DatasetEntry, 5> table = {{
      {"mnist", "handwritten digits, 60,000 + 10,000 of 28x28 gray", kGray, 10, load_mnist},
      {"fashion-mnist", "clothes, 60,000 + 10,000 of 28x28 gray", kGray, 10, load_fashion_mnist},
      {"cifar10", "objects, 50,000 + 10,000 of 32x32 color", kColor, 10, load_cifar10},
      {"synthetic-gray", "made on the spot, 10,000 + 2,000 of 28x28 gray", kGray, 10,
       load_synthetic_gray},
      {"synthetic-color", "made on the spot, 10,000 + 2,000 of 32x32 color", kColor, 10,
       load_synthetic_color},
  }};
  return table;
}

const DatasetEntry& dataset_entry(const std::string& name) {
  std::vector<std::string> names;
  for (const DatasetEntry& entry : dataset_table()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError("unknown data set \"" + name + "\"" + suggestion(name, names));
}

Dataset load_dataset(const DatasetSettings& settings, std::uint64_t seed) {
  Dataset dataset = dataset_entry(settings.name).load(settings, seed);
  if (settings.train_samples) keep_subset(dataset, *settings.train_samples, seed);
  return dataset;
}

Normalization normalization(const NormalizationSettings& settings, const Dataset& dataset) {
  const auto channels = static_cast<std::size_t>(dataset.shape.channels);
  if (settings.kind == NormalizationSettings::Kind::unit) {
    return {.mean = std::vector<float>(channels, 0), .deviation = std::vector<float>(channels, 1)};
  }
  if (settings.kind == NormalizationSettings::Kind::given) {
    const Normalization& given = settings.given;
    if (given.mean.size() != channels || given.deviation.size() != channels) {
      throw InputError(fmt::format(
          "data.normalize has {} means and {} deviations; {} has {} channel{}", given.mean.size(),
          given.deviation.size(), dataset.name, channels, channels == 1 ? "" : "s"));
    }
    for (const float deviation : given.deviation) {
      if (!(deviation > 0)) {
        throw InputError(
            fmt::format("data.normalize.std has {}; a deviation is above 0", deviation));
      }
    }
    return given;
  }
  Normalization standard;
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
      const auto times = static_cast<double>(histogram[static_cast<std::size_t>(byte)]);
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

}  // namespace redoubt
