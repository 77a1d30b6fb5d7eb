#include "experiments/file/pipelines.h"

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

}  // namespace redoubt::experiments
