#include "experiments/file/experiment_schema.h"

#include "experiments/file/paper_block.h"
#include "experiments/file/pipelines.h"
#include "experiments/file/schema.h"
#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

template <>
Json value_schema(const std::vector<Pipeline>& /*fresh*/, const Limits& /*limits*/,
                  Definitions& definitions) {
  const Json stages = value_schema(std::vector<StageSettings>(), {}, definitions);
  const Json pipelines = {{"type", "object"},
                          {"propertyNames", {{"pattern", "^[^./][^/]*$"}}},
                          {"additionalProperties", stages}};
  return one_of({stages, pipelines});
}

namespace {

/// As sweep_points.h reads it.
Json sweep_schema() {
  const Json name = {{"pattern", "^[^/,=\\n]+$"}};
  Json value = text_schema();
  value.update(name);
  const Json values = {{"type", "array"}, {"items", value}, {"minItems", 1}};
  const Json sets = {{"type", "object"},
                     {"propertyNames", name},
                     {"additionalProperties",
                      {{"description", "keys with the dots of their path, over values"},
                       {"type", {"object", "null"}}}},
                     {"minProperties", 1}};
  return {{"description",
           "axes of `redoubt sweep`, which runs every combination: a key with the dots of its path "
           "over a list of values, or a name over named sets of keys"},
          {"type", "object"},
          {"additionalProperties", one_of({values, sets})},
          {"minProperties", 1}};
}

}  // namespace

Json experiment_schema() {
  Definitions definitions = Json::object();
  Json schema = {{"$schema", "https://json-schema.org/draft/2020-12/schema"},
                 {"title", "redoubt experiment"}};
  schema.update(value_schema(Experiment(), {}, definitions));
  schema["properties"]["sweep"] = sweep_schema();
  schema["properties"]["paper"] = described_as(
      "what a paper prints, for `redoubt report` to set ours beside; it changes nothing in a run",
      value_schema(PaperBlock(), {}, definitions));
  schema["patternProperties"] = {
      {"^x-", {{"description", "what other places of the file refer to by aliases and `<<`"}}}};
  schema["$defs"] = std::move(definitions);
  return schema;
}

}  // namespace redoubt::experiments
