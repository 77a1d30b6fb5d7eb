#include "experiments/simulation/simulation.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/parallel.h"
#include "experiments/simulation/checks.h"
#include "experiments/simulation/metadata.h"
#include "kernels/profile.h"

namespace redoubt::experiments {

using kernels::Sample;

namespace {

std::vector<PipelineStages> make_pipelines(const DefenseSettings& defense) {
  std::vector<PipelineStages> pipelines;
  for (const Pipeline& pipeline : defense.pipelines) {
    pipelines.push_back({.name = pipeline.name, .stages = {}});
    for (const StageSettings& settings : pipeline.stages) {
      pipelines.back().stages.push_back(Stages::make(settings));
    }
  }
  return pipelines;
}

/// Before the names of the tensors that a checkpoint keeps of the state after training.
const std::string kTrained = "trained.";

constexpr const char* kCheckpointFormat = "redoubt-checkpoint-3";
/// Of before models could limit their inputs; those who know only it must not read newer ones.
constexpr const char* kFormatWithoutInputs = "redoubt-checkpoint-2";

/// A tensor of exactly `size` values.
const std::vector<float>& values_of(const TensorFile& file, const std::string& name,
                                    std::int64_t size, const std::string& origin) {
  const NamedTensor* tensor = file.find(name);
  if (tensor == nullptr || std::ssize(tensor->values) != size) {
    throw InputError(origin + ": the checkpoint does not fit the model: tensor " + name + " has " +
                     (tensor == nullptr ? "no" : std::to_string(tensor->values.size())) +
                     " values, not " + std::to_string(size));
  }
  return tensor->values;
}

NamedTensor flat_tensor(std::string name, std::vector<float> values) {
  return {.name = std::move(name), .shape = {std::ssize(values)}, .values = std::move(values)};
}

}  // namespace

Simulation::Simulation(const Experiment& experiment, SimulationObserver& observer,
                       const std::atomic<bool>& stop)
    : experiment_(experiment),
      observer_(observer),
      stop_(stop),
      data_(load_data(experiment)),
      network_(make_network(experiment.model, data_.dataset.shape, data_.dataset.classes)),
      device_(parse_device(experiment.device)),
      images_(data_.dataset, data_.normalization, data_.triggers, device_),
      executor_(network_, images_.source(), device_,
                experiment.threads.value_or(available_threads()), experiment.federation.local.batch,
                experiment.arithmetic),
      test_images_(make_test_images(experiment, data_, images_)),
      federation_(executor_, make_clients(experiment, data_),
                  Rules::make(experiment.defense.rule, {.executor = executor_,
                                                        .validation = test_images_.validation,
                                                        .seed = experiment.seed,
                                                        .local = experiment.federation.local}),
                  experiment.federation, experiment.seed),
      model_(initial_model(experiment, network_, device_)),
      server_(federation_, model_, test_images_),
      pipelines_(make_pipelines(experiment.defense)) {}

int Simulation::total_rounds() const {
  int rounds = experiment_.federation.rounds;
  for (const PipelineStages& pipeline : pipelines_) {
    for (const auto& stage : pipeline.stages) rounds += stage->rounds();
  }
  return rounds;
}

void Simulation::profile_round(int round) {
  if (!is_cuda(device_)) {
    throw InputError("--profile-round is for a GPU; this run is on " + to_string(device_));
  }
  const int rounds = experiment_.federation.rounds;
  if (round < 1 || round > rounds) {
    throw InputError("--profile-round is " + std::to_string(round) +
                     "; rounds of training are 1 to " + std::to_string(rounds));
  }
  profiled_round_ = round;
}

float Simulation::learning_rate(int round) const {
  const auto first = static_cast<double>(learning_rate_of(experiment_.federation.local.optimizer));
  return static_cast<float>(first * std::pow(experiment_.federation.lr_decay, round - 1));
}

void Simulation::check_stages() const {
  experiments::check_stages(experiment_, network_.layout(), model_.mask.download());
}

bool Simulation::run() { return train() && run_pipelines(); }

bool Simulation::train() {
  const int rounds = experiment_.federation.rounds;
  if (rounds == 0 && !restored_) {  // stages are compared with the model as it was given
    Record record = {.stage = "round", .values = {}};
    record.add("round", std::int64_t{0});
    add_test_result(record, test());
    tell(std::move(record), 0);
  }
  while (server_.next_round() <= rounds) {
    const int round = server_.next_round();
    round_start_ = std::chrono::steady_clock::now();
    if (profiled_round_ == round) kernels::start_profiling(device_);
    const RoundReport report = server_.train_round(learning_rate(round));
    if (profiled_round_ == round) kernels::stop_profiling(device_);
    if (!after_round(round, report, "round")) return false;
  }
  if (!best_row_.empty()) {
    model_.row.upload(best_row_);
    best_row_.clear();
    Record record = {.stage = "best_round", .values = {}};
    record.add("round", std::int64_t{best_round_});
    add_test_result(record, test());
    record.add("validation_accuracy", best_validation_);
    tell(std::move(record), 0);
    observer_.checkpoint(state());
  }
  return true;
}

bool Simulation::run_pipelines() {
  if (trained_.tensors.empty()) {
    trained_ = state();
    observer_.trained(trained_);
  }
  while (pipelines_done_ < static_cast<int>(pipelines_.size())) {
    const PipelineStages& pipeline = pipelines_[static_cast<std::size_t>(pipelines_done_)];
    // A pipeline that is under way goes on; a new one starts from the trained model.
    if (stages_done_ == 0 && stage_rounds_done_ == 0) take_up(trained_);
    if (!run_stages(pipeline)) return false;
    if (!pipeline.name.empty()) observer_.pipeline_done(pipeline.name, model_file());
    ++pipelines_done_;
    stages_done_ = 0;
    if (!pipeline.name.empty()) {
      take_up(trained_);
      observer_.checkpoint(state());
    }
  }
  return true;
}

bool Simulation::run_stages(const PipelineStages& pipeline) {
  while (stages_done_ < static_cast<int>(pipeline.stages.size())) {
    const Stage& stage = *pipeline.stages[static_cast<std::size_t>(stages_done_)];
    round_start_ = std::chrono::steady_clock::now();
    const StageProgress progress = {
        .rounds_done = stage_rounds_done_,
        .last_learning_rate = learning_rate(std::max(1, experiment_.federation.rounds)),
        .on_round = [&](int round, const RoundReport& report) {
          ++stage_rounds_done_;
          const bool go_on = after_round(round, report, stage.name() + "_round");
          round_start_ = std::chrono::steady_clock::now();
          return go_on;
        }};
    std::optional<Record> record = stage.run(server_, progress);
    if (!record) return false;
    ++stages_done_;
    stage_rounds_done_ = 0;
    tell(std::move(*record), 0);
    observer_.checkpoint(state());
  }
  return true;
}

/// Passes a record on, under the name of the pipeline that it belongs to.
void Simulation::tell(Record record, double images_per_second) {
  const bool training =
      server_.next_round() <= experiment_.federation.rounds + 1 && trained_.tensors.empty();
  if (!training && pipelines_done_ < static_cast<int>(pipelines_.size())) {
    const std::string& name = pipelines_[static_cast<std::size_t>(pipelines_done_)].name;
    if (!name.empty()) record.values.insert(record.values.begin(), {"pipeline", name});
  }
  observer_.record(record, images_per_second);
}

void Simulation::take_model(const TensorFile& state, const std::string& origin) {
  model_.row.upload(values_of(state, "row", model_.row.count(), origin));
  model_.mask.upload(values_of(state, "mask", model_.mask.count(), origin));
  model_.inputs = input_range_of(state, origin);
}

/// Goes back to a state's model, round and what the federation remembers.
void Simulation::take_up(const TensorFile& state) {
  const std::string origin = "the trained model";
  take_model(state, origin);
  server_.resume_at(whole_number(state, "next_round", 1, total_rounds() + 1, origin));
  federation_.restore(state.tensors);
}

bool Simulation::after_round(int round, const RoundReport& report, const std::string& stage) {
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - round_start_;
  if (stage == "round") keep_best(round);
  tell(round_record(round, report, stage),
       static_cast<double>(report.images) / std::max(seconds.count(), 1e-9));
  if (!report.tensors.empty()) {
    observer_.tensors(stage + "-" + std::to_string(round),
                      {.metadata = {}, .tensors = report.tensors});
  }
  const int every = experiment_.output.checkpoint_every;
  if (stop_ || (every > 0 && round % every == 0)) observer_.checkpoint(state());
  return !stop_;
}

namespace {

/// Who attacked; how many of those that the rule left out were attackers (no figure where nobody
/// attacked).
void add_what_the_researcher_knows(Record& record, const RoundReport& report) {
  const std::vector<int>& attackers = report.attackers;
  record.add("attackers", std::vector<std::int64_t>(attackers.begin(), attackers.end()));
  const auto is_attacker = [&](std::int64_t id) {
    return std::binary_search(attackers.begin(), attackers.end(), static_cast<int>(id));
  };
  if (report.removed && attackers.empty()) {
    record.add("removed_benign", std::ssize(*report.removed));
  } else if (report.removed) {
    const auto caught = std::count_if(report.removed->begin(), report.removed->end(), is_attacker);
    record.add("removed_attackers", std::int64_t{caught});
    record.add("removed_benign", std::ssize(*report.removed) - caught);
  }
}

}  // namespace

Record Simulation::round_record(int round, const RoundReport& report, const std::string& stage) {
  const FederationSettings& federation = experiment_.federation;
  Record record = {.stage = stage, .values = {}};
  record.add("round", std::int64_t{round});
  if (round % federation.evaluate_every == 0 || round == federation.rounds) {
    add_test_result(record, test());
  }
  record.add("training_loss", report.training.mean_loss());
  record.add("clients", std::int64_t{report.participants});
  record.add("images", report.images);
  record.add("rejected_updates", std::int64_t{report.rejected});
  record.add("used_updates", std::int64_t{report.used});
  for (const auto& [name, value] : report.diagnostics) record.add(name, value);
  if (experiment_.attack || report.removed) {
    add_what_the_researcher_knows(record, report);
    Rules::add_figures(experiment_.defense.rule, record, report.attackers);
  }
  return record;
}

void Simulation::keep_best(int round) {
  if (experiment_.federation.keep != FederationSettings::Keep::best) return;
  const double accuracy = server_.validate(model_.variant()).front().accuracy;
  if (accuracy <= best_validation_) return;
  best_validation_ = accuracy;
  best_round_ = round;
  best_row_ = model_.row.download();
}

TestResult Simulation::test() { return server_.test(model_.variant()).front(); }

TensorFile Simulation::state() {
  TensorFile file;
  file.metadata = {{"format", kCheckpointFormat},
                   {"next_round", std::to_string(server_.next_round())},
                   {"pipelines_done", std::to_string(pipelines_done_)},
                   {"stages_done", std::to_string(stages_done_)},
                   {"stage_rounds_done", std::to_string(stage_rounds_done_)}};
  add_input_range(model_.inputs, file);
  file.tensors = {flat_tensor("row", model_.row.download()),
                  flat_tensor("mask", model_.mask.download())};
  for (NamedTensor& tensor : federation_.state()) file.tensors.push_back(std::move(tensor));
  for (const NamedTensor& tensor : trained_.tensors) {
    file.tensors.push_back(
        {.name = kTrained + tensor.name, .shape = tensor.shape, .values = tensor.values});
  }
  for (const auto& [key, value] : trained_.metadata) file.metadata[kTrained + key] = value;
  if (!best_row_.empty()) {
    file.tensors.push_back(flat_tensor("best_row", best_row_));
    file.metadata["best_round"] = std::to_string(best_round_);
  }
  return file;
}

void Simulation::restore(const TensorFile& state, const std::string& origin) {
  const auto format = state.metadata.find("format");
  if (format == state.metadata.end() ||
      (format->second != kCheckpointFormat && format->second != kFormatWithoutInputs)) {
    throw InputError(origin + ": not a checkpoint of this version of redoubt");
  }
  take_model(state, origin);
  restored_ = true;
  const int rounds = total_rounds();
  const int pipelines = static_cast<int>(pipelines_.size());
  pipelines_done_ = whole_number(state, "pipelines_done", 0, pipelines, origin);
  const int stages =
      pipelines_done_ == pipelines
          ? 0
          : static_cast<int>(pipelines_[static_cast<std::size_t>(pipelines_done_)].stages.size());
  stages_done_ = whole_number(state, "stages_done", 0, stages, origin);
  stage_rounds_done_ = whole_number(state, "stage_rounds_done", 0, rounds, origin);
  server_.resume_at(whole_number(state, "next_round", 1, rounds + 1, origin));
  try {
    federation_.restore(state.tensors);
  } catch (const InputError& error) {
    throw InputError(origin + ": " + error.what());
  }
  trained_ = {};
  for (const NamedTensor& tensor : state.tensors) {
    if (!tensor.name.starts_with(kTrained)) continue;
    trained_.tensors.push_back({.name = tensor.name.substr(kTrained.size()),
                                .shape = tensor.shape,
                                .values = tensor.values});
  }
  for (const auto& [key, value] : state.metadata) {
    if (key.starts_with(kTrained)) trained_.metadata[key.substr(kTrained.size())] = value;
  }
  if (!trained_.tensors.empty()) {
    whole_number(state, kTrained + "next_round", 1, rounds + 1, origin);
    input_range_of(trained_, origin);
  }
  if (state.find("best_row") == nullptr) return;
  best_round_ = whole_number(state, "best_round", 1, rounds, origin);
  // What the best row scored is found again by scoring it, to the same bits.
  const std::vector<float> last = model_.row.download();
  best_row_ = values_of(state, "best_row", model_.row.count(), origin);
  model_.row.upload(best_row_);
  best_validation_ = server_.validate(model_.variant()).front().accuracy;
  model_.row.upload(last);
}

TensorFile Simulation::model_file() {
  TensorFile file;
  // Noise of an attacker or of the server may have moved what is masked.
  const std::vector<float> mask = model_.mask.download();
  std::vector<float> row = model_.row.download();
  zero_silenced(network_.layout(), mask, row);
  file.tensors = tensors_of(network_.layout(), row);
  file.metadata = {{"format", "pt"}, {"experiment", experiment_.name}};
  add_mask(network_.layout(), mask, file);
  add_input_range(model_.inputs, file);
  return file;
}

}  // namespace redoubt::experiments
