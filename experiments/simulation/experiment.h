// An experiment as a plain struct. How a file says it is experiments/file's matter.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/keys.h"
#include "datasets/dataset.h"
#include "datasets/partition.h"
#include "defense/settings.h"
#include "engine/initialize.h"
#include "engine/layer_spec.h"
#include "engine/presets.h"
#include "fl/attack/settings.h"
#include "fl/settings.h"
#include "kernels/conv/engines.h"
#include "kernels/device.h"

namespace redoubt::experiments {

struct DataSettings {
  DatasetSettings dataset;
  int validation_samples = 1000;  ///< held by the server, never given to a client
  NormalizationSettings normalize;
  std::optional<Normalization> normalized_by;  ///< what that comes to; absent: not known yet
  bool shuffle = true;  ///< false: samples in file order, for checking against another program
  PartitionSettings partition;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("dataset", s.dataset.name, "the images");
    v.field("directory", s.dataset.directory,
            "where its files lie; null: $REDOUBT_DATA/<dataset>, then the system's place");
    v.field("train_samples", s.dataset.train_samples,
            "how many training images are used, equally many a class; null: all", at_least(1));
    v.field("validation_samples", s.validation_samples,
            "training images that the server keeps, equally many a class, and no client gets",
            at_least(0));
    v.field(
        "normalize", s.normalize,
        "standard: less the whole training split's mean, by its deviation; unit: byte / 255; or "
        "given means and deviations");
    v.given("normalized_by", s.normalized_by,
            "what normalize comes to, which a run notes down, so that other images under the same "
            "name are not taken for them; left out: any");
    v.field("shuffle", s.shuffle,
            "whether samples come in a fresh order each epoch; false: file order, to compare with "
            "another program");
    v.field("partition", s.partition, "which client holds which training images");
  }
};

struct ModelSettings {
  ModelPreset preset;                            ///< without a name if layers are given
  std::vector<LayerSpec> layers;                 ///< empty if a preset is named
  std::optional<Initialization> initialization;  ///< absent: the preset's, or uniform_fan_in
  std::optional<std::filesystem::path> initial;  ///< a safetensors file to start from
  std::optional<std::string> initial_checksum;   ///< of that file; absent: not known yet

  static auto& shorthand(auto& s) { return s.preset; }
  template <class V, class S>
  static void keys(V& v, S& s) {
    v.given("preset", s.preset, "a network of the literature");
    v.given("layers", s.layers, "instead of a preset: layers from input to output");
    v.field("initialization", s.initialization,
            "how weights start: uniform-fan-in as in PyTorch, he, or xavier; null: as the preset's "
            "paper, else uniform-fan-in");
    v.field("initial", s.initial,
            "a safetensors file whose weights training starts from, and whose pruned channels, "
            "zeroed weights and limits of inputs, if it has any, stay; null: from initialization");
    v.field("initial_checksum", s.initial_checksum,
            "the CRC-32 of that file, which a run notes down, so that another file of the same "
            "name is not taken for it; null: any");
  }
};

struct OutputSettings {
  std::filesystem::path directory = "runs";
  int checkpoint_every = 5;  ///< rounds; 0: never

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("directory", s.directory, "a run goes into <directory>/<name>");
    v.field("checkpoint_every", s.checkpoint_every,
            "rounds between checkpoints; 0: only when stopped", at_least(0));
  }
};

/// What an attack starts from where nothing else is said: triggers work at different places in
/// different data sets (they must reach the last conv layer).
AttackSettings default_attack(const std::string& dataset);

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

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("name", s.name, "names the run's folder; left out: the file's name without its ending");
    v.field("seed", s.seed, "all random numbers come from it", at_least(0));
    v.field("device", s.device,
            "auto: a GPU if there is one; cpu; cuda; or cuda:K, the K-th GPU, counted from 0");
    v.field("precision", s.arithmetic.precision,
            "arithmetic of products on CUDA; a CPU is always fp32");
    v.field("conv_engine", s.arithmetic.conv_engine,
            "how convolutions are computed on CUDA: automatic, whichever engine is fastest for a "
            "shape; columns, cuBLAS; implicit, own tiles; cudnn");
    v.field("threads", s.threads, "CPU threads; null: all; results do not depend on them",
            between(1, 4096));
    v.field("data", s.data, "images and who holds them");
    v.required("model", s.model, "the network: a preset's name, or a map");
    v.field("federation", s.federation, "clients and rounds");
    v.part("attack", s.attack, default_attack(s.data.dataset.name.name),
           "what malicious clients do; left out or null: nobody is malicious");
    v.field("defense", s.defense,
            "what the server does against it: aggregation rule and stages after training");
    v.field("output", s.output, "where a run's files go");
  }
};

}  // namespace redoubt::experiments
