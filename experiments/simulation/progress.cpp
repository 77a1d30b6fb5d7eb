#include "experiments/simulation/progress.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "experiments/simulation/metadata.h"

namespace redoubt::experiments {

namespace {

/// What is written, then those of before models could keep weights at 0, and before they could
/// limit their inputs; those who know only these must not read newer ones.
constexpr std::array kFormats = {"redoubt-checkpoint-4", "redoubt-checkpoint-3",
                                 "redoubt-checkpoint-2"};

constexpr const char* kRow = "row";
constexpr const char* kMask = "mask";
constexpr const char* kKept = "kept";
constexpr const char* kBestRow = "best_row";
/// Before the names of tensors and metadata of the state after training.
const std::string kTrained = "trained.";

NamedTensor flat_tensor(std::string name, const std::vector<float>& values) {
  return {.name = std::move(name), .shape = {std::ssize(values)}, .values = values};
}

TensorFile file_of(const FederationState& state) {
  TensorFile file;
  file.metadata = {{"format", kFormats.front()}, {"next_round", std::to_string(state.next_round)}};
  add_input_range(state.inputs, file);
  file.tensors = {flat_tensor(kRow, state.row), flat_tensor(kMask, state.mask)};
  if (!state.kept.empty()) file.tensors.push_back(flat_tensor(kKept, state.kept));
  file.tensors.insert(file.tensors.end(), state.memory.begin(), state.memory.end());
  return file;
}

void add_position(const Progress& progress, TensorFile& file) {
  file.metadata["pipelines_done"] = std::to_string(progress.pipeline);
  file.metadata["stages_done"] = std::to_string(progress.stage);
  file.metadata["stage_rounds_done"] = std::to_string(progress.stage_rounds);
}

/// The part of a checkpoint whose names start so, under the rest of the names.
TensorFile part_of(const TensorFile& file, const std::string& start) {
  TensorFile part;
  for (const NamedTensor& tensor : file.tensors) {
    if (!tensor.name.starts_with(start)) continue;
    part.tensors.push_back(tensor);
    part.tensors.back().name.erase(0, start.size());
  }
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(start)) part.metadata[key.substr(start.size())] = value;
  }
  return part;
}

std::vector<float> values_of(const TensorFile& file, const std::string& name) {
  const NamedTensor* tensor = file.find(name);
  return tensor == nullptr ? std::vector<float>() : tensor->values;
}

/// What the federation remembers stands between the model and what else a checkpoint holds.
bool is_memory(const NamedTensor& tensor) {
  const std::array own = {kRow, kMask, kKept, kBestRow};
  return !tensor.name.starts_with(kTrained) &&
         std::find(own.begin(), own.end(), tensor.name) == own.end();
}

FederationState state_in(const TensorFile& file, const RunLength& length,
                         const std::string& origin) {
  FederationState state = {
      .next_round = whole_number(file, "next_round", 1, length.rounds + 1, origin),
      .row = values_of(file, kRow),
      .mask = values_of(file, kMask),
      .kept = values_of(file, kKept),
      .inputs = input_range_of(file, origin),
      .memory = {}};
  std::copy_if(file.tensors.begin(), file.tensors.end(), std::back_inserter(state.memory),
               is_memory);
  return state;
}

void check_format(const TensorFile& file, const std::string& origin) {
  const auto format = file.metadata.find("format");
  if (format == file.metadata.end() ||
      std::find(kFormats.begin(), kFormats.end(), format->second) == kFormats.end()) {
    throw InputError(origin + ": not a checkpoint of this version of redoubt");
  }
}

}  // namespace

TensorFile to_checkpoint(const Progress& progress) {
  TensorFile file = file_of(progress.now);
  add_position(progress, file);
  if (progress.trained) {
    const TensorFile trained = file_of(*progress.trained);
    for (const NamedTensor& tensor : trained.tensors) {
      file.tensors.push_back(tensor);
      file.tensors.back().name.insert(0, kTrained);
    }
    for (const auto& [key, value] : trained.metadata) file.metadata[kTrained + key] = value;
  }
  if (!progress.best.row.empty()) {
    file.tensors.push_back(flat_tensor(kBestRow, progress.best.row));
    file.metadata["best_round"] = std::to_string(progress.best.round);
  }
  return file;
}

TensorFile to_checkpoint(const FederationState& trained) {
  TensorFile file = file_of(trained);
  add_position({}, file);
  return file;
}

Progress read_progress(const TensorFile& file, const RunLength& length, const std::string& origin) {
  Progress progress = {.now = read_state(file, length, origin), .trained = {}, .best = {}};
  const int pipelines = static_cast<int>(length.stages.size());
  progress.pipeline = whole_number(file, "pipelines_done", 0, pipelines, origin);
  const int stages = progress.pipeline == pipelines ? 0 : length.stages[progress.pipeline];
  progress.stage = whole_number(file, "stages_done", 0, stages, origin);
  progress.stage_rounds = whole_number(file, "stage_rounds_done", 0, length.rounds, origin);
  const TensorFile trained = part_of(file, kTrained);
  if (!trained.tensors.empty()) progress.trained = state_in(trained, length, origin);
  if (file.find(kBestRow) != nullptr) {
    progress.best.round = whole_number(file, "best_round", 1, length.rounds, origin);
    progress.best.row = values_of(file, kBestRow);
  }
  return progress;
}

FederationState read_state(const TensorFile& file, const RunLength& length,
                           const std::string& origin) {
  check_format(file, origin);
  return state_in(file, length, origin);
}

}  // namespace redoubt::experiments
