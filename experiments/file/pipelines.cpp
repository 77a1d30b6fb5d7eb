#include "experiments/file/pipelines.h"

#include "base/check.h"
#include "experiments/file/experiment_file.h"

namespace redoubt::experiments {

template <>
void read(const YamlValue& value, std::vector<Pipeline>& to, const Limits& /*limits*/) {
  to.clear();
  if (!value.node.IsMap()) {
    Pipeline only;
    read(value, only.stages, {});
    if (!only.stages.empty()) to.push_back(std::move(only));
    return;
  }
  const Reader keys(value);  // finds keys that are there twice
  for (const auto& pair : value.node) {
    const std::string name = pair.first.Scalar();
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
      value.fail("found the pipeline \"" + name + "\"; it must fit as a folder's name");
    }
    read(value.child(name), to.emplace_back(Pipeline{.name = name, .stages = {}}).stages, {});
  }
}

template <>
void Writer::write(const std::vector<Pipeline>& pipelines) {
  if (pipelines.empty()) {
    write(std::vector<StageSettings>());
    return;
  }
  if (pipelines.front().name.empty()) {
    write(pipelines.front().stages);
    return;
  }
  emitter_ << YAML::BeginMap;
  for (const Pipeline& pipeline : pipelines) {
    field(pipeline.name.c_str(), pipeline.stages, "");
  }
  emitter_ << YAML::EndMap;
}

std::vector<Pipeline> read_pipelines(const std::filesystem::path& file) {
  const SpecSource source = {.name = file.string(), .overrides = {}};
  Reader reader({load_experiment_file(file), "", source});
  std::vector<Pipeline> pipelines;
  reader.field("after_training", pipelines, "");
  reader.finish();
  if (pipelines.empty()) {
    throw InputError(file.string() +
                     ": holds no after_training, a list of stages or a map of named "
                     "lists");
  }
  if (pipelines.front().name.empty()) pipelines.front().name = file.stem().string();
  return pipelines;
}

std::string pipeline_yaml(const Pipeline& pipeline) {
  YAML::Emitter emitter;
  emitter.SetNullFormat(YAML::LowerNull);
  emitter << YAML::BeginMap << YAML::Key << "after_training" << YAML::Value;
  Writer(emitter).write(pipeline.stages);
  emitter << YAML::EndMap;
  return std::string(emitter.c_str()) + "\n";
}

}  // namespace redoubt::experiments
