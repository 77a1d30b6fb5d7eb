// An experiment, as one YAML file describes it. YAML is read in this folder and nowhere else.
#pragma once

#include <yaml-cpp/yaml.h>

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

namespace redoubt::runner {

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

/// Reads and checks an experiment file, with `--set key.path=value` overrides applied in order.
/// Throws InputError with file, line, key, what was found and what is allowed; an unknown key
/// suggests the nearest known one. Settings that contradict one another (a victim equal to the
/// target, more clients a round than there are, a trigger outside the image) are found here, too.
/// The blocks `sweep` and `paper` are passed over: sweep_points.h and paper.h read them.
Experiment read_experiment(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides = {});
/// The file's top-level map as it stands. Throws InputError if it is none.
YAML::Node load_experiment_file(const std::filesystem::path& file);
/// The same as read_experiment() from text; `origin` stands for the file in messages.
Experiment parse_experiment(const std::string& text, const std::string& origin,
                            const std::vector<std::string>& overrides = {});

/// Settles what depends on where the program runs, the device and relative paths, so that the file
/// in the run's folder means the same elsewhere.
void resolve_surroundings(Experiment& experiment);

/// "pixels", as under attack.trigger.kind.
std::string trigger_name(const TriggerSettings& trigger);
/// "sign-flip", as under attack.untargeted.
std::string untargeted_name(const UntargetedSettings& attack);

/// Every setting written out, as YAML that reads back to an equal experiment.
std::string resolved_yaml(const Experiment& experiment);

}  // namespace redoubt::runner
