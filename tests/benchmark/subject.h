// A network with images to train it on and fresh weights.
#pragma once

#include <vector>

#include "datasets/dataset.h"
#include "engine/network.h"
#include "engine/presets.h"
#include "fl/image_store.h"

namespace redoubt::benchmarks {

struct Subject {
  /// Images whose content does not matter: a few procedural ones, again and again.
  Subject(const Preset& network_entry, Device device, int image_count);

  kernels::Sample sample(int image) const;
  /// All images in an order without pattern.
  std::vector<kernels::Sample> samples() const;
  /// Image i belongs to client i % clients.
  std::vector<std::vector<int>> partition(int clients) const;

  static constexpr int kClasses = 10;
  Preset entry;
  Network network;
  Dataset images;
  ImageStore store;
  std::vector<float> row;
};

}  // namespace redoubt::benchmarks
