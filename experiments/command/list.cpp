// `redoubt list`: what this machine and this build have, and what files may name.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/parallel.h"
#include "datasets/dataset.h"
#include "engine/network.h"
#include "experiments/command/command.h"
#include "experiments/file/attack_keys.h"
#include "experiments/file/defense_keys.h"
#include "experiments/run/console.h"

namespace redoubt::experiments {

namespace {

int list() {
  const auto section = [](const char* title) { fmt::print("{}\n", title); };
  const auto row = [](const std::string& name, const std::string& description) {
    fmt::print("  {:<20}{}\n", name, description);
  };
  section("devices");
  for (const DeviceDescription& device : available_devices()) {
    row(to_string(device.device), fmt::format("{}, {} threads", device.name, available_threads()));
  }
  section("convolution engines (conv_engine, on CUDA)");
  const auto engine_row = [&](ConvEngine engine, const std::string& description) {
    for (const auto& [name, value] : kConvEngineNames) {
      if (value != engine) continue;
      row(name, description + (is_built(engine) ? "" : "; not in this build"));
    }
  };
  engine_row(ConvEngine::automatic, "whichever is fastest for a layer's shape");
  engine_row(ConvEngine::columns, "columns in memory, multiplied by cuBLAS");
  engine_row(ConvEngine::implicit, "our own tiles, without columns in memory");
  engine_row(ConvEngine::cudnn, "cuDNN's convolutions");
  section("data sets (data.dataset)");
  for (const DatasetEntry& entry : dataset_table()) row(entry.name, entry.description);
  section("models (model)");
  for (const Preset& entry : preset_table()) {
    const Network network(entry.input, 10, entry.layers);
    row(entry.name, fmt::format("{}; {} parameters", entry.description,
                                grouped(network.layout().parameter_count())));
  }
  section("layers (model.layers)");
  for (const LayerEntry& entry : layer_table()) {
    std::string arguments;
    for (const LayerArgument& argument : entry.arguments) {
      arguments += (arguments.empty() ? ": " : ", ") + argument.name;
      if (!argument.required) arguments += fmt::format(" ({})", argument.fallback);
    }
    row(entry.kind, entry.description + arguments);
  }
  section("partitions (data.partition)");
  row("iid", "shuffled and dealt out");
  row("k-label", "each client holds images of `labels` labels");
  row("dirichlet", "each class in shares drawn from Dirichlet(alpha)");
  const auto alternatives = [&](const char* title, const std::vector<Alternative>& table) {
    section(title);
    for (const Alternative& entry : table) row(entry.name, entry.description);
  };
  alternatives("triggers (attack.trigger)", AlternativeNames<TriggerSettings>::table());
  alternatives("untargeted attacks (attack.untargeted)",
               AlternativeNames<UntargetedSettings>::table());
  alternatives("aggregation rules (defense.rule)", AlternativeNames<RuleSettings>::table());
  alternatives("stages (defense.after_training)", AlternativeNames<StageSettings>::table());
  return 0;
}

}  // namespace

Command add_list(CLI::App& program) {
  return {program.add_subcommand("list", "devices, data sets, models, layers, rules and stages"),
          list};
}

}  // namespace redoubt::experiments
