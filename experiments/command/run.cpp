// `redoubt run`: one experiment, from its file to its folder.
#include "experiments/command/run.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <memory>

#include "experiments/command/command.h"
#include "experiments/command/options.h"
#include "experiments/command/stop.h"
#include "experiments/run/console.h"
#include "experiments/run/conv_engines.h"
#include "experiments/run/outcome_warnings.h"
#include "experiments/run/run_log.h"
#include "experiments/simulation/example_images.h"
#include "experiments/simulation/round_kinds.h"
#include "experiments/simulation/simulation.h"
#include "experiments/simulation/warnings.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

namespace {

double peak_memory_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

std::string joined(const std::vector<int>& numbers) {
  return fmt::format("{}", fmt::join(numbers, ", "));
}

/// "clients 1, 4", or how many are redrawn, and how often they are there where not all are.
std::string attackers_text(const Experiment& experiment, const ExperimentData& data) {
  const AttackSettings& attack = *experiment.attack;
  std::string text = attack.redraw
                         ? fmt::format("{} clients, others in each round", attacker_count(attack))
                         : fmt::format("client{} {}", data.attackers.size() == 1 ? "" : "s",
                                       joined(data.attackers));
  if (experiment.federation.clients_per_round) {
    text += fmt::format(", in {} of {} rounds", attacked_rounds(experiment, data),
                        experiment.federation.rounds);
  }
  return text + (attack.redraw || experiment.federation.clients_per_round ? "," : "");
}

/// Two lines on what is about to run.
void introduce(Console& console, const Experiment& experiment, const Simulation& simulation) {
  const ExperimentData& data = simulation.data();
  console.message(
      fmt::format("{}: {} clients, {} training images of {} ({}), model of {} parameters, {}",
                  experiment.name, experiment.federation.clients, grouped(training_images(data)),
                  data.dataset.name, data.dataset.origin,
                  grouped(simulation.network().layout().parameter_count()), experiment.device));
  if (!experiment.attack) return;
  const AttackSettings& attack = *experiment.attack;
  const std::string who = attackers_text(experiment, data);
  if (attack.untargeted) {
    console.message(fmt::format("attack: {} by {}", who, Untargeted::name_of(*attack.untargeted)));
    return;
  }
  console.message(fmt::format(
      "attack: {} for {} with a trigger of kind {} to be called class {}; measured on {} images",
      who, attack.victim ? fmt::format("class {}", *attack.victim) : "every class",
      Triggers::name_of(attack.trigger), attack.target,
      grouped(std::ssize(data.backdoor->evaluation))));
}

/// What each attacker holds; nothing where attackers are redrawn.
Json attacker_images(const ExperimentData& data) {
  Json attackers = Json::array();
  for (std::size_t i = 0; i < data.attackers.size(); ++i) {
    const int id = data.attackers[i];
    Json line = {{"client", id}, {"images", data.partition[id].size()}};
    if (!data.poisonable.empty()) line["poisonable"] = data.poisonable[i];
    attackers.push_back(std::move(line));
  }
  return attackers;
}

/// How many images the attack is measured on and its baseline is of; where nothing is stamped also
/// which, by their places in the data set's splits. Null without a backdoor.
Json measured_on(const ExperimentData& data) {
  if (!data.backdoor) return nullptr;
  const Backdoor& backdoor = *data.backdoor;
  Json images = {{"images", backdoor.evaluation.size()},
                 {"baseline_images", backdoor.baseline.size()}};
  if (!backdoor.stamps.empty()) return images;
  for (const char* split : {"training", "test"}) images[split] = Json::array();
  const int train = data.dataset.train.count();
  for (const kernels::Sample& sample : backdoor.evaluation) {
    if (sample.image >= train) {
      images["test"].push_back(sample.image - train);
    } else {
      const std::vector<int>& kept = data.dataset.kept;
      images["training"].push_back(kept.empty() ? sample.image : kept[sample.image]);
    }
  }
  return images;
}

Json list_of_metrics() {
  Json list = Json::array();
  for (const Metric& metric : metrics()) {
    list.push_back({{"name", metric.name},
                    {"label", metric.label},
                    {"share", metric.share},
                    {"of", name_of(metric.of)}});
  }
  return list;
}

/// Passes on what a simulation tells to the folder, the log and the screen, and sums it up.
class RunReporter : public SimulationObserver {
 public:
  /// Everything must outlive this.
  RunReporter(const RunOptions& options, const Experiment& experiment, const Simulation& simulation,
              RunFolder& folder)
      : options_(options),
        experiment_(experiment),
        simulation_(simulation),
        folder_(folder),
        log_(make_log(folder.files().log())),
        console_(options.quiet, simulation.total_rounds(), simulation.rounds_done()),
        warnings_(warnings_of(experiment, simulation.data())) {}

  const std::shared_ptr<spdlog::logger>& log() const { return log_; }

  void begin() {
    introduce(console_, experiment_, simulation_);
    for (const std::string& text : warnings_) log_->warn(text);
    if (folder_.took_training()) {
      console_.message(fmt::format("training taken from {}", options_.training_of.string()));
    } else if (folder_.checkpoint()) {
      console_.message(fmt::format("resumed after round {}", simulation_.rounds_done()));
    }
  }

  void record(const Record& record, double images_per_second) override {
    folder_.append(record);
    console_.record(record, images_per_second);
    log_->info("{} ({:.0f} images/s)", to_json(record).dump(), images_per_second);
  }
  void trained(const TensorFile& state) override { folder_.save_trained(state); }
  void pipeline_done(const std::string& name, const TensorFile& model) override {
    folder_.save_pipeline(name, model);
  }
  void tensors(const std::string& kind, int round, const TensorFile& file) override {
    folder_.save_tensors(kind, round, file);
  }
  void checkpoint(TensorFile state) override {
    folder_.save_checkpoint(std::move(state));
    log_->info("checkpoint saved");
    log_->flush();
  }

  void stopped() {
    console_.message(
        fmt::format("stopped; --resume continues the run in {}", folder_.path().string()));
  }

  void finish(const TensorFile& model, std::chrono::steady_clock::time_point start) {
    const std::chrono::duration<double> session = std::chrono::steady_clock::now() - start;
    const double seconds = folder_.seconds_before() + session.count();
    const std::vector<RecordLine> metrics = folder_.metrics();
    const std::vector<RecordLine> stages = stage_lines(metrics);
    const std::vector<std::string> of_outcome = outcome_warnings(experiment_, metrics);
    warnings_.insert(warnings_.end(), of_outcome.begin(), of_outcome.end());
    folder_.finish(model, summary(stages, seconds));
    fmt::print("\n{}", stage_table_text(stages));
    for (const std::string& text : of_outcome) log_->warn(text);
    console_.message(fmt::format("\nfinished in {}, peak memory {:.0f} MB; written to {}",
                                 clock_text(seconds), peak_memory_megabytes(),
                                 folder_.path().string()));
  }

 private:
  Json summary(const std::vector<RecordLine>& stages, double seconds) const {
    const ExperimentData& data = simulation_.data();
    Json lines = Json::array();
    for (const RecordLine& stage : stages) lines.push_back(stage.json());
    return {{"name", experiment_.name},
            {"seed", experiment_.seed},
            {"device", experiment_.device},
            {"version", REDOUBT_VERSION},
            {"training_images", training_images(data)},
            {"normalization",
             {{"mean", data.normalization.mean}, {"std", data.normalization.deviation}}},
            {"attacker_images", attacker_images(data)},
            {"attack_measured_on", measured_on(data)},
            {"warnings", warnings_},
            {"metrics", list_of_metrics()},
            {"stages", lines},
            {"seconds", seconds},
            {"peak_memory_megabytes", peak_memory_megabytes()}};
  }

  const RunOptions& options_;
  const Experiment& experiment_;
  const Simulation& simulation_;
  RunFolder& folder_;
  std::shared_ptr<spdlog::logger> log_;
  Console console_;
  std::vector<std::string> warnings_;
};

/// The record of the run to resume or to go on from, or one beside the experiment's file.
std::filesystem::path conv_record(const RunOptions& options, const RunFiles& own) {
  if (options.existing == Existing::resume && std::filesystem::exists(own.conv_engines())) {
    return own.conv_engines();
  }
  const std::filesystem::path other = RunFiles{options.training_of}.conv_engines();
  return std::filesystem::exists(other) ? other
                                        : RunFiles{options.file.parent_path()}.conv_engines();
}

/// Where the run begins or goes on.
void set_out(Simulation& simulation, const RunFolder& folder) {
  const std::string origin = folder.files().checkpoint().string();
  if (folder.took_training()) {
    simulation.start_from(*folder.checkpoint(), origin);
  } else if (folder.checkpoint()) {
    simulation.restore(*folder.checkpoint(), origin);
  } else {
    simulation.check_stages();  // rather than after hours of training
  }
}

Simulation prepared(const Experiment& experiment, const RunOptions& options) {
  try {
    return Simulation(experiment);
  } catch (const InputError& error) {
    fail_in(options.file, options.overrides, error);
  }
}

/// Of a run that has ended: as for wrong input if a pipeline did not get to its end.
int exit_code(const std::vector<RecordLine>& metrics) {
  const bool failed = std::any_of(metrics.begin(), metrics.end(),
                                  [](const RecordLine& line) { return line.stage() == kFailed; });
  return failed ? 2 : 0;
}

}  // namespace

int run_command(const RunOptions& options, const std::atomic<bool>& stop) {
  const auto start = std::chrono::steady_clock::now();
  Experiment experiment = read_experiment(options.file, options.overrides);
  resolve_surroundings(experiment);
  RunFolder folder(experiment, options.existing);
  if (folder.finished()) {
    fmt::print("{}: the run is finished\n\n{}", folder.path().string(),
               stage_table_text(stage_lines(folder.metrics())));
    return exit_code(folder.metrics());
  }
  if (!options.training_of.empty()) folder.take_training(experiment, options.training_of);
  ConvEngines engines(experiment, conv_record(options, folder.files()));
  Simulation simulation = prepared(experiment, options);
  experiment.data.normalized_by = simulation.data().normalization;
  if (folder.checkpoint() && !folder.took_training()) {
    require_same_experiment(experiment, folder.path());
  }
  if (options.profile_round != 0) simulation.profile_round(options.profile_round);
  set_out(simulation, folder);

  // From here on the folder is written to.
  folder.open(experiment);
  folder.save_examples(example_images(simulation.data()));
  RunReporter reporter(options, experiment, simulation, folder);
  engines.attach(folder.files().conv_engines(), reporter.log());
  reporter.begin();
  if (!simulation.run(reporter, stop)) {
    reporter.stopped();
    return 130;
  }
  reporter.finish(simulation.model_file(), start);
  return exit_code(folder.metrics());
}

namespace {

struct Options {
  ExperimentOptions experiment;
  std::string training_of;
  int profile_round = 0;
  bool resume = false;
  bool overwrite = false;
  bool quiet = false;
};

int run(const Options& options) {
  const Existing existing = options.resume      ? Existing::resume
                            : options.overwrite ? Existing::overwrite
                                                : Existing::refuse;
  const std::vector<std::string> overrides = options.experiment.overrides_at_point();
  return run_command({.file = options.experiment.file,
                      .overrides = overrides,
                      .existing = existing,
                      .training_of = options.training_of,
                      .quiet = options.quiet,
                      .profile_round = options.profile_round},
                     let_signals_stop());
}

}  // namespace

Command add_run(CLI::App& program) {
  const auto options = std::make_shared<Options>();
  CLI::App& command = *program.add_subcommand("run", "train, attack and defend as a file says");
  options->experiment.add_to(command);
  command.add_option("--output", options->experiment.output, "the run goes into DIR/<name>")
      ->type_name("DIR");
  CLI::Option* resume = command.add_flag("--resume", options->resume, "go on with a stopped run");
  command.add_flag("--overwrite", options->overwrite, "replace a run")->excludes(resume);
  command
      .add_option("--training-of", options->training_of,
                  "a run that differs in its stages only: go on from the end of its training")
      ->type_name("RUN");
  command
      .add_option("--profile-round", options->profile_round,
                  "let a profiler record this round only (CUDA)")
      ->check(kAtLeastOne);
  command.add_option("--name", options->experiment.name, "instead of the file's name");
  command.add_flag("--quiet", options->quiet, "print the final table only");
  command.footer(
      "Example:\n"
      "  redoubt run experiments/quickstart.yaml --set federation.rounds=5 --output /tmp/runs");
  return {&command, [options] { return run(*options); }};
}

}  // namespace redoubt::experiments
