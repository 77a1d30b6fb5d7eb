#include "experiments/command/options.h"

#include "experiments/file/sweep_points.h"

namespace redoubt::experiments {

std::string text_override(const std::string& key, const std::string& text) {
  // As YAML's single-quoted text, in which no character means anything.
  std::string override = key + "='";
  for (const char c : text) override += c == '\'' ? std::string("''") : std::string(1, c);
  return override + "'";
}

void MachineOptions::add_device_to(CLI::App& command) {
  command.add_option("--device", device, "auto, cpu, cuda or cuda:1");
}

void MachineOptions::add_threads_to(CLI::App& command) {
  command.add_option("--threads", threads, "CPU threads")->check(kAtLeastOne);
}

void MachineOptions::add_overrides(std::vector<std::string>& overrides) const {
  if (!device.empty()) overrides.push_back("device=" + device);
  if (threads > 0) overrides.push_back("threads=" + std::to_string(threads));
}

CLI::Option* FileOptions::add_to(CLI::App& command) {
  CLI::Option* option = command.add_option("FILE", file, "experiment file (YAML)")->required();
  command.add_option("--set", set, "override a key, e.g. federation.rounds=5")
      ->type_name("KEY=VALUE")
      ->take_all()
      ->expected(1);
  machine.add_device_to(command);
  command.add_option("--conv-engine", conv_engine, "automatic, columns, implicit or cudnn (CUDA)");
  machine.add_threads_to(command);
  return option;
}

std::vector<std::string> FileOptions::overrides() const {
  std::vector<std::string> all = set;
  if (!name.empty()) all.push_back(text_override("name", name));
  if (!output.empty()) all.push_back(text_override("output.directory", output));
  if (!conv_engine.empty()) all.push_back("conv_engine=" + conv_engine);
  machine.add_overrides(all);
  return all;
}

CLI::Option* ExperimentOptions::add_to(CLI::App& command) {
  CLI::Option* option = FileOptions::add_to(command);
  command.add_option("--point", point, "one point of the file's sweep, e.g. seed=1")
      ->type_name("NAME");
  return option;
}

std::vector<std::string> ExperimentOptions::overrides_at_point() const {
  return point_overrides(file, point, overrides());
}

}  // namespace redoubt::experiments
