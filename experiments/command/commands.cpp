#include "experiments/command/commands.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/resource.h>

#include <chrono>
#include <memory>

#include "base/check.h"
#include "base/parallel.h"
#include "engine/network.h"
#include "experiments/run/console.h"
#include "experiments/run/conv_engines.h"
#include "experiments/run/outcome_warnings.h"
#include "experiments/run/run_log.h"
#include "experiments/simulation/example_images.h"
#include "experiments/simulation/simulation.h"
#include "experiments/simulation/warnings.h"

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

namespace {

/// Passes on what a simulation tells: to the folder, the log and the screen.
class RunObserver : public SimulationObserver {
 public:
  RunObserver(RunFolder& folder) : folder_(folder) {}

  void attach(Console& console, std::shared_ptr<spdlog::logger> log) {
    console_ = &console;
    log_ = std::move(log);
  }
  void record(const Record& record, double images_per_second) override {
    folder_.append(record);
    console_->record(record, images_per_second);
    log_->info("{} ({:.0f} images/s)", to_json(record).dump(), images_per_second);
  }
  void trained(const TensorFile& state) override { folder_.save_trained(state); }
  void pipeline_done(const std::string& name, const TensorFile& model) override {
    folder_.save_pipeline(name, model);
  }
  void tensors(const std::string& name, const TensorFile& file) override {
    write_safetensors(folder_.path() / (name + ".safetensors"), file);
  }
  void checkpoint(TensorFile state) override {
    folder_.save_checkpoint(std::move(state));
    log_->info("checkpoint saved");
    log_->flush();
  }

 private:
  RunFolder& folder_;
  Console* console_ = nullptr;
  std::shared_ptr<spdlog::logger> log_;
};

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
      Triggers::name_of(attack.trigger), attack.target, grouped(std::ssize(data.backdoor->evaluation))));
}

/// What each attacker holds; nothing where attackers are redrawn.
Json attacker_images(const ExperimentData& data) {
  Json attackers = Json::array();
  for (std::size_t i = 0; i < data.attackers.size(); ++i) {
    const int id = data.attackers[i];
    Json line = {{"client", id}, {"images", data.partition[static_cast<std::size_t>(id)].size()}};
    if (!data.poisonable.empty()) line["poisonable"] = data.poisonable[i];
    attackers.push_back(std::move(line));
  }
  return attackers;
}

Json summary_of(const Experiment& experiment, const ExperimentData& data,
                const std::vector<std::string>& warnings, const std::vector<Json>& stages,
                double seconds) {
  return {{"name", experiment.name},
          {"seed", experiment.seed},
          {"device", experiment.device},
          {"version", REDOUBT_VERSION},
          {"training_images", training_images(data)},
          {"attacker_images", attacker_images(data)},
          {"warnings", warnings},
          {"stages", stages},
          {"seconds", seconds},
          {"peak_memory_megabytes", peak_memory_megabytes()}};
}

/// The record of the run to resume or to go on from, or one beside the experiment's file.
std::filesystem::path conv_record(const RunOptions& options, const RunFolder& folder) {
  const std::filesystem::path name = folder.conv_record_path().filename();
  if (options.existing == Existing::resume && std::filesystem::exists(folder.conv_record_path())) {
    return folder.conv_record_path();
  }
  if (std::filesystem::exists(options.training_of / name)) return options.training_of / name;
  return options.file.parent_path() / name;
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
    return 0;
  }
  if (!options.training_of.empty()) folder.take_training(experiment, options.training_of);
  ConvEngines engines(experiment, conv_record(options, folder));
  RunObserver observer(folder);
  Simulation simulation(experiment, observer, stop);
  if (options.profile_round != 0) simulation.profile_round(options.profile_round);
  if (folder.checkpoint()) {
    simulation.restore(*folder.checkpoint(), folder.checkpoint_path().string());
  } else {
    simulation.check_stages();  // rather than after hours of training
  }
  folder.open(experiment);
  folder.save_examples(example_images(simulation.data()));
  const auto log = make_log(folder.log_path());
  engines.attach(folder.conv_record_path(), log);
  Console console(options.quiet, simulation.total_rounds(), simulation.rounds_done());
  observer.attach(console, log);
  introduce(console, experiment, simulation);
  std::vector<std::string> warnings = warnings_of(experiment, simulation.data());
  for (const std::string& text : warnings) log->warn(text);
  if (folder.checkpoint()) {
    console.message(folder.took_training()
                        ? fmt::format("training taken from {}", options.training_of.string())
                        : fmt::format("resumed after round {}", simulation.rounds_done()));
  }
  if (!simulation.run()) {
    console.message(
        fmt::format("stopped; --resume continues the run in {}", folder.path().string()));
    return 130;
  }
  const std::chrono::duration<double> session = std::chrono::steady_clock::now() - start;
  const double seconds = folder.seconds_before() + session.count();
  const std::vector<Json> metrics = folder.metrics();
  const std::vector<Json> stages = stage_lines(metrics);
  const std::vector<std::string> of_outcome = outcome_warnings(experiment, metrics);
  warnings.insert(warnings.end(), of_outcome.begin(), of_outcome.end());
  folder.finish(simulation.model_file(),
                summary_of(experiment, simulation.data(), warnings, stages, seconds));
  fmt::print("\n{}", stage_table_text(stages));
  for (const std::string& text : of_outcome) log->warn(text);
  console.message(fmt::format("\n{} in {}, peak memory {:.0f} MB; written to {}", "finished",
                              clock_text(seconds), peak_memory_megabytes(),
                              folder.path().string()));
  return 0;
}

int check_command(const std::filesystem::path& file, const std::vector<std::string>& overrides) {
  fmt::print("{}", resolved_yaml(read_experiment(file, overrides)));
  return 0;
}

int list_command() {
  const auto section = [](const char* title) { fmt::print("{}\n", title); };
  const auto row = [](const std::string& name, const std::string& description) {
    fmt::print("  {:<20}{}\n", name, description);
  };
  section("devices");
  for (const DeviceDescription& device : available_devices()) {
    row(to_string(device.device), fmt::format("{}, {} threads", device.name, available_threads()));
  }
  section("convolution engines (conv_engine, on CUDA)");
  const auto engines_of = [&](Device::Kind device) {
    for (const kernels::ConvEngineEntry& entry : kernels::kConvEngines) {
      if (entry.device != device) continue;
      row(entry.name, fmt::format("{}{}", entry.description,
                                  is_built(entry.engine) ? "" : "; not in this build"));
    }
  };
  row("automatic", "whichever is fastest for a layer's shape");
  engines_of(Device::Kind::cuda);
  section("convolution engines of a CPU (a layer's shape decides)");
  engines_of(Device::Kind::cpu);
  section("data sets (data.dataset)");
  for (const DatasetEntry& entry : dataset_table()) row(entry.name, entry.description);
  section("models (model)");
  for (const Preset& entry : preset_table()) {
    const Network network(entry.input, 10, entry.layers);
    row(entry.name, fmt::format("{}; {} parameters", entry.description,
                                grouped(network.layout().parameter_count())));
  }
  const auto alternatives = [&](const char* title, const std::vector<Alternative>& table) {
    section(title);
    for (const Alternative& entry : table) row(entry.name, entry.description);
  };
  alternatives("layers (model.layers)", Layers::table());
  alternatives("partitions (data.partition)", Partitions::table());
  alternatives("triggers (attack.trigger)", Triggers::table());
  alternatives("untargeted attacks (attack.untargeted)", Untargeted::table());
  alternatives("aggregation rules (defense.rule)", Rules::table());
  alternatives("stages (defense.after_training)", Stages::table());
  return 0;
}

namespace {

/// For a simulation that is only asked to measure.
class NoObserver : public SimulationObserver {
 public:
  void record(const Record& /*record*/, double /*images_per_second*/) override {}
  void checkpoint(TensorFile /*state*/) override {}
};

}  // namespace

int evaluate_command(const std::filesystem::path& model, const std::filesystem::path& file,
                     const std::vector<std::string>& overrides) {
  Experiment experiment = read_experiment(file, overrides);
  experiment.model.initial = model;
  ConvEngines engines(experiment, file.parent_path() / RunConvMemory::kRecordName);
  engines.attach({}, make_log({}));
  NoObserver observer;
  const std::atomic<bool> never = false;
  Simulation simulation(experiment, observer, never);
  const TestResult result = simulation.test();
  Json json = {{"accuracy", result.clean.accuracy}, {"loss", result.clean.loss}};
  if (result.attack_success_rate) json["attack_success_rate"] = *result.attack_success_rate;
  fmt::print("{}\n", json.dump());
  return 0;
}

}  // namespace redoubt::experiments
