// An experiment as a plain struct. How a file says it is experiments/file's matter.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "datasets/partition.h"
#include "defense/settings.h"
#include "engine/layer_spec.h"
#include "fl/attack/settings.h"
#include "fl/settings.h"
#include "kernels/device.h"

namespace redoubt::experiments {

struct DataSettings {
  DatasetSettings dataset;
  int validation_samples = 1000;  ///< held by the server, never given to a client
  NormalizationSettings normalize;
  bool shuffle = true;  ///< false: samples in file order, for checking against another program
  PartitionSettings partition;
};

struct ModelSettings {
  std::string preset;                            ///< empty if layers are given
  std::vector<LayerSpec> layers;                 ///< empty if a preset is named
  std::optional<Initialization> initialization;  ///< absent: the preset's, or uniform_fan_in
  std::optional<std::filesystem::path> initial;  ///< a safetensors file to start from
  std::optional<std::string> initial_checksum;   ///< of that file; absent: not known yet
};

struct OutputSettings {
  std::filesystem::path directory = "runs";
  int checkpoint_every = 5;  ///< rounds; 0: never
};

struct Experiment {
  std::string name;
  std::uint64_t seed = 1;
  std::string device = "auto";
  Arithmetic arithmetic = {.precision = Precision::tf32};
  std::optional<int> threads;  ///< absent: as many as the process may use
  DataSettings data;
  ModelSettings model;
  FederationSettings federation;
  std::optional<AttackSettings> attack;
  DefenseSettings defense;
  OutputSettings output;
};

/// What an attack starts from where nothing else is said: triggers work at different places in
/// different data sets (they must reach the last conv layer).
AttackSettings default_attack(const std::string& dataset);

}  // namespace redoubt::experiments
