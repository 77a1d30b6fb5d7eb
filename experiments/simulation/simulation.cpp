#include "experiments/simulation/simulation.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "base/check.h"
#include "base/parallel.h"
#include "experiments/simulation/checks.h"
#include "experiments/simulation/metadata.h"
#include "experiments/simulation/round_kinds.h"
#include "kernels/profile.h"

namespace redoubt::experiments {

namespace {

/// The order of samples is said with the data.
FederationSettings federation_settings(const Experiment& experiment) {
  FederationSettings settings = experiment.federation;
  settings.shuffle = experiment.data.shuffle;
  return settings;
}

}  // namespace

Simulation::Simulation(const Experiment& experiment, Parts parts)
    : experiment_(experiment),
      data_(load_data(experiment, std::move(parts.dataset))),
      network_(make_network(experiment.model, data_.dataset.shape, data_.dataset.classes)),
      device_(parse_device(experiment.device)),
      images_(data_.dataset, data_.normalization, data_.triggers, device_),
      executor_(network_, images_.source(), device_,
                experiment.threads.value_or(available_threads()), experiment.federation.local.batch,
                experiment.arithmetic),
      test_images_(make_test_images(experiment, data_, images_)),
      federation_(executor_,
                  make_clients(experiment, data_,
                               {.network = network_, .device = device_, .seed = experiment.seed},
                               std::move(parts.attack)),
                  make_rule(parts), federation_settings(experiment), experiment.seed),
      model_(initial_model(experiment, network_, device_)),
      server_(federation_, model_, test_images_),
      pipelines_(make_pipelines(experiment.defense)) {}

std::unique_ptr<AggregationRule> Simulation::make_rule(const Parts& parts) {
  const RuleEnvironment environment = {.executor = executor_,
                                       .validation = test_images_.validation,
                                       .seed = experiment_.seed,
                                       .local = experiment_.federation.local};
  return parts.rule ? parts.rule(environment) : Rules::make(experiment_.defense.rule, environment);
}

std::vector<Simulation::PipelineStages> Simulation::make_pipelines(const DefenseSettings& defense) {
  std::vector<PipelineStages> pipelines;
  for (const Pipeline& pipeline : defense.pipelines) {
    pipelines.push_back({.name = pipeline.name, .stages = {}});
    for (const StageSettings& settings : pipeline.stages) {
      pipelines.back().stages.push_back(Stages::make(settings));
    }
  }
  return pipelines;
}

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

void Simulation::check_stages() const {
  experiments::check_stages(experiment_, network_.layout(), model_.mask.download());
}

RunLength Simulation::length() const {
  RunLength length = {.rounds = total_rounds(), .stages = {}};
  for (const PipelineStages& pipeline : pipelines_) {
    length.stages.push_back(static_cast<int>(pipeline.stages.size()));
  }
  return length;
}

FederationState Simulation::state() const {
  return {.next_round = server_.next_round(),
          .row = model_.row.download(),
          .mask = model_.mask.download(),
          .kept = model_.keeps_zeros() ? model_.kept.download() : std::vector<float>(),
          .inputs = model_.inputs,
          .memory = federation_.state()};
}

void Simulation::take_up(const FederationState& state, const std::string& origin) {
  const auto upload = [&](const char* name, const std::vector<float>& values, Buffer<float>& to) {
    if (std::ssize(values) != to.count()) {
      throw InputError(origin + ": the checkpoint does not fit the model: tensor " + name +
                       " has " + (values.empty() ? "no" : std::to_string(values.size())) +
                       " values, not " + std::to_string(to.count()));
    }
    to.upload(values);
  };
  upload("row", state.row, model_.row);
  upload("mask", state.mask, model_.mask);
  model_.kept = state.kept.empty() ? Buffer<float>() : Buffer<float>(device_, model_.row.count());
  if (!state.kept.empty()) upload("kept", state.kept, model_.kept);
  model_.inputs = state.inputs;
  server_.resume_at(state.next_round);
  try {
    federation_.restore(state.memory);
  } catch (const InputError& error) {
    throw InputError(origin + ": " + error.what());
  }
}

void Simulation::restore(const TensorFile& checkpoint, const std::string& origin) {
  progress_ = read_progress(checkpoint, length(), origin);
  goes_on_ = true;
  BestRound& best = progress_.best;
  if (!best.row.empty()) {
    FederationState at_best = progress_.now;
    at_best.row = best.row;
    take_up(at_best, origin);
    best.validation_accuracy = server_.validate(model_.variant()).front().accuracy;
  }
  take_up(progress_.now, origin);
}

void Simulation::start_from(const TensorFile& trained, const std::string& origin) {
  progress_ = {.now = read_state(trained, length(), origin), .trained = {}, .best = {}};
  goes_on_ = true;
  take_up(progress_.now, origin);
}

TestResult Simulation::test() { return server_.test(model_.variant()).front(); }

void Simulation::add_collapse(Record& record) {
  const RecordValue* accuracy = record.find("accuracy");
  if (accuracy == nullptr) return;
  if (const auto label = server_.collapsed_class(std::get<double>(*accuracy))) {
    record.add(kCollapsedClass, std::int64_t{*label});
  }
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

Record Simulation::round_record(const std::string& stage, int round, const RoundReport& report) {
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
  if (report.needed_updates) record.add(kNeededUpdates, std::int64_t{*report.needed_updates});
  if (report.raised_statistics > 0) record.add(kRaisedStatistics, report.raised_statistics);
  for (const auto& [name, value] : report.diagnostics) {
    if (is_of_records(name)) {
      throw InputError("defense.rule " + federation_.rule().name() + ": its diagnostic \"" + name +
                       "\" is called as a figure of the program's own; give it another name");
    }
    record.add(name, value);
  }
  if (experiment_.attack || report.removed) {
    add_what_the_researcher_knows(record, report);
    Rules::add_figures(experiment_.defense.rule, record, report.attackers);
  }
  return record;
}

/// The way through training, then through every pipeline, from wherever the progress is.
class Simulation::Run {
 public:
  Run(Simulation& simulation, SimulationObserver& observer, const std::atomic<bool>& stop)
      : simulation_(simulation),
        observer_(observer),
        stop_(stop),
        federation_(simulation.experiment_.federation),
        server_(simulation.server_),
        progress_(simulation.progress_) {}

  /// Each part returns false if it was stopped.
  bool all() {
    if (!training()) return false;
    keep_trained();
    while (progress_.pipeline < static_cast<int>(simulation_.pipelines_.size())) {
      if (!pipeline(simulation_.pipelines_[progress_.pipeline])) return false;
    }
    return true;
  }

 private:
  bool training() {
    // Stages are compared with the model as it was given.
    if (federation_.rounds == 0 && !simulation_.goes_on_) tell(tested(kRound, 0));
    while (server_.next_round() <= federation_.rounds) {
      const int round = server_.next_round();
      start_clock();
      const RoundReport report = train(round);
      if (federation_.keep == FederationSettings::Keep::best) compare_with_best(round);
      if (!after_round(kRound, round, report)) return false;
    }
    if (!progress_.best.row.empty()) go_back_to_best();
    return true;
  }

  RoundReport train(int round) {
    const bool profiled = simulation_.profiled_round_ == round;
    if (profiled) kernels::start_profiling(simulation_.device_);
    RoundReport report = server_.train_round(learning_rate(round));
    if (profiled) kernels::stop_profiling(simulation_.device_);
    return report;
  }

  void compare_with_best(int round) {
    const double accuracy = server_.validate(simulation_.model_.variant()).front().accuracy;
    if (accuracy <= progress_.best.validation_accuracy) return;
    progress_.best = {
        .round = round, .validation_accuracy = accuracy, .row = simulation_.model_.row.download()};
  }

  void go_back_to_best() {
    const BestRound best = std::exchange(progress_.best, {});
    simulation_.model_.row.upload(best.row);
    Record record = tested(kBestRound, best.round);
    record.add("validation_accuracy", best.validation_accuracy);
    record.note = "round " + std::to_string(best.round) + ", the best on the server's images";
    tell(std::move(record));
    checkpoint();
  }

  void keep_trained() {
    if (progress_.trained) return;
    progress_.trained = simulation_.state();
    observer_.trained(to_checkpoint(*progress_.trained));
  }

  bool pipeline(const PipelineStages& pipeline) {
    pipeline_ = pipeline.name;
    // One that is under way goes on; a new one starts from the trained model.
    if (progress_.stage == 0 && progress_.stage_rounds == 0) go_back_to_trained();
    try {
      while (progress_.stage < static_cast<int>(pipeline.stages.size())) {
        if (!stage(*pipeline.stages[progress_.stage])) return false;
      }
    } catch (const InputError& error) {
      if (pipeline.name.empty() || telling_) throw;
      fail(pipeline, error.what());
      return true;
    }
    ++progress_.pipeline;
    progress_.stage = 0;
    if (pipeline.name.empty()) return true;  // the only one: its model is the run's
    observer_.pipeline_done(pipeline.name, simulation_.model_file());
    go_back_to_trained();
    checkpoint();
    return true;
  }

  /// What one of several pipelines cannot do is no matter of the others.
  void fail(const PipelineStages& pipeline, const std::string& reason) {
    const std::string stage = pipeline.stages[progress_.stage]->name();
    ++progress_.pipeline;
    progress_.stage = 0;
    progress_.stage_rounds = 0;
    tell({.stage = kFailed, .values = {}, .note = stage + ": " + reason});
    go_back_to_trained();
    checkpoint();
  }

  bool stage(const Stage& stage) {
    start_clock();
    const StageProgress progress = {
        .rounds_done = progress_.stage_rounds,
        .last_learning_rate = learning_rate(std::max(1, federation_.rounds)),
        .on_round = [&](int round, const RoundReport& report) {
          ++progress_.stage_rounds;
          const bool go_on = after_round(round_of(stage.name()), round, report);
          start_clock();
          return go_on;
        }};
    std::optional<Record> record = stage.run(server_, progress);
    if (!record) return false;
    ++progress_.stage;
    progress_.stage_rounds = 0;
    record->values.insert(record->values.begin(), {"step", std::int64_t{progress_.stage}});
    tell(std::move(*record));
    checkpoint();
    return true;
  }

  void go_back_to_trained() { simulation_.take_up(*progress_.trained, "the trained model"); }

  bool after_round(const std::string& kind, int round, const RoundReport& report) {
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
    tell(simulation_.round_record(kind, round, report),
         static_cast<double>(report.images) / std::max(seconds.count(), 1e-9));
    if (!report.tensors.empty()) {
      tell_observer(
          [&] { observer_.tensors(kind, round, {.metadata = {}, .tensors = report.tensors}); });
    }
    const int every = simulation_.experiment_.output.checkpoint_every;
    const bool stopped = stop_;
    if (stopped || (every > 0 && round % every == 0)) checkpoint();
    return !stopped;
  }

  void checkpoint() {
    progress_.now = simulation_.state();
    tell_observer([&] { observer_.checkpoint(to_checkpoint(progress_)); });
  }

  /// Where what is told cannot be written down, no stage is to blame, and nothing goes on.
  template <class Tell>
  void tell_observer(const Tell& tell) {
    telling_ = true;
    tell();
    telling_ = false;
  }

  Record tested(const char* kind, int round) {
    Record record = {.stage = kind, .values = {}};
    record.add("round", std::int64_t{round});
    add_test_result(record, simulation_.test());
    return record;
  }

  /// Passes a record on, under the name of the pipeline that it belongs to.
  void tell(Record record, double images_per_second = 0) {
    simulation_.add_collapse(record);
    if (!pipeline_.empty()) record.values.insert(record.values.begin(), {"pipeline", pipeline_});
    tell_observer([&] { observer_.record(record, images_per_second); });
  }

  float learning_rate(int round) const {
    const auto first = static_cast<double>(learning_rate_of(federation_.local.optimizer));
    return static_cast<float>(first * std::pow(federation_.lr_decay, round - 1));
  }

  void start_clock() { start_ = std::chrono::steady_clock::now(); }

  Simulation& simulation_;
  SimulationObserver& observer_;
  const std::atomic<bool>& stop_;
  const FederationSettings& federation_;
  Server& server_;
  Progress& progress_;
  bool telling_ = false;  ///< true also once it has failed
  std::string pipeline_;  ///< under way; empty in training and where it has no name
  std::chrono::steady_clock::time_point start_;
};

bool Simulation::run(SimulationObserver& observer, const std::atomic<bool>& stop) {
  return Run(*this, observer, stop).all();
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
  if (model_.keeps_zeros()) add_zeroed(network_.layout(), model_.kept.download(), file);
  add_input_range(model_.inputs, file);
  add_normalization(data_.normalization, file);
  return file;
}

}  // namespace redoubt::experiments
