// `redoubt list`: what this machine and this build have, and what files may name.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "base/parallel.h"
#include "datasets/dataset.h"
#include "engine/network.h"
#include "experiments/command/command.h"
#include "experiments/file/schema.h"
#include "experiments/run/console.h"
#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

namespace {

void section(const char* title) { fmt::print("{}\n", title); }

void row(const std::string& name, const std::string& description) {
  fmt::print("  {:<20}{}\n", name, description);
}

/// ": window, stride (0)", the keys of settings with their defaults.
template <class Settings>
std::string keys_text() {
  Definitions definitions = Json::object();
  const Json schema = value_schema(Settings(), {}, definitions);
  const Json& map = schema.contains("oneOf") ? schema["oneOf"].back() : schema;
  std::string text;
  for (const auto& [key, value] : map.at("properties").items()) {
    text += (text.empty() ? ": " : ", ") + key;
    if (value.contains("default")) text += fmt::format(" ({})", value["default"].dump());
  }
  return text;
}

template <class Kind>
void list_kind(const char* title) {
  section(title);
  for (const Alternative& one : Kind::table()) row(one.name, one.description);
}

/// As above, with the keys of each.
template <class Kind>
void list_kind_with_keys(const char* title) {
  section(title);
  [&]<class... Settings>(const std::variant<Settings...>& /*any*/) {
    const std::vector<Alternative> table = Kind::table();
    auto one = table.begin();
    ((row(one->name, one->description + keys_text<Settings>()), ++one), ...);
  }(typename Kind::Settings());
}

int list() {
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
  list_kind_with_keys<Layers>("layers (model.layers)");
  list_kind_with_keys<Optimizers>("optimizers (federation.local.optimizer)");
  list_kind_with_keys<Partitions>("partitions (data.partition)");
  list_kind<Triggers>("triggers (attack.trigger)");
  list_kind<Untargeted>("untargeted attacks (attack.untargeted)");
  list_kind<Rules>("aggregation rules (defense.rule)");
  list_kind<Stages>("stages (defense.after_training)");
  return 0;
}

}  // namespace

Command add_list(CLI::App& program) {
  return {program.add_subcommand("list", "devices, data sets, models, layers, rules and stages"),
          list};
}

}  // namespace redoubt::experiments
