// What everything in the folders of a run and of a sweep is called.
#pragma once

#include <filesystem>
#include <string>

namespace redoubt::experiments {

/// What `redoubt defend` leaves of one pipeline.
struct DefendFiles {
  std::filesystem::path folder;

  std::filesystem::path metrics() const { return folder / "metrics.jsonl"; }
  std::filesystem::path pipeline() const { return folder / "pipeline.yaml"; }
  std::filesystem::path model() const { return folder / "model.safetensors"; }
  /// Written last.
  std::filesystem::path summary() const { return folder / "summary.json"; }
};

struct RunFiles {
  std::filesystem::path folder;

  /// Fully resolved; there from the beginning.
  std::filesystem::path experiment() const { return folder / "experiment.yaml"; }
  std::filesystem::path metrics() const { return folder / "metrics.jsonl"; }
  std::filesystem::path model() const { return folder / "model.safetensors"; }
  /// Written last: with it a run is finished.
  std::filesystem::path summary() const { return folder / "summary.json"; }
  std::filesystem::path log() const { return folder / "run.log"; }
  /// Where there is a backdoor (example_images.h).
  std::filesystem::path examples() const { return folder / "examples.safetensors"; }
  /// Where convolutions were measured (conv_memory.h).
  std::filesystem::path conv_engines() const { return folder / "conv_engines.json"; }

  std::filesystem::path checkpoints() const { return folder / "checkpoint"; }
  std::filesystem::path checkpoint() const { return checkpoints() / "state.safetensors"; }
  /// The state at the end of training.
  std::filesystem::path trained() const { return checkpoints() / "trained.safetensors"; }

  std::filesystem::path pipelines() const { return folder / "pipelines"; }
  /// The model that a named pipeline ended with.
  std::filesystem::path pipeline(const std::string& name) const {
    return pipelines() / (name + kTensors);
  }
  std::filesystem::path defends() const { return folder / "defend"; }
  DefendFiles defend(const std::string& pipeline) const { return {defends() / pipeline}; }

  /// What a rule left of a round; `kind` as in round_kinds.h.
  std::filesystem::path round_tensors(const std::string& kind, int round) const {
    return folder / (kind + "-" + std::to_string(round) + kTensors);
  }
  /// Whether a path is a round's of that kind.
  static bool is_round_tensors(const std::filesystem::path& path, const std::string& kind) {
    return path.extension() == kTensors && path.filename().string().starts_with(kind + "-");
  }
  /// Whether a path is of a model, of images, or of a round.
  static bool is_tensors(const std::filesystem::path& path) { return path.extension() == kTensors; }

 private:
  static constexpr const char* kTensors = ".safetensors";
};

struct SweepFiles {
  std::filesystem::path folder;

  /// A copy of the sweep's file.
  std::filesystem::path file() const { return folder / "sweep.yaml"; }
  /// What was set beside it.
  std::filesystem::path overrides() const { return folder / "overrides.json"; }
  std::filesystem::path results() const { return folder / "results.csv"; }
  std::filesystem::path printed() const { return folder / "printed"; }
  /// What a point's process printed.
  std::filesystem::path printed_by(const std::string& point) const {
    return printed() / (point + ".txt");
  }
  RunFiles point(const std::string& name) const { return {folder / name}; }
};

}  // namespace redoubt::experiments
