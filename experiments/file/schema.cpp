#include "experiments/file/schema.h"

#include <cmath>

#include "experiments/file/keys.h"
#include "experiments/file/paper_block.h"

namespace redoubt::experiments {

void MapOutline::plan_visits(const DecidingKey& key, const MapVisit& found_in) {
  deciding.push_back(key);
  for (int state = 0; state < std::ssize(key.conditions); ++state) {
    if (state == key.fresh) continue;
    visits.push_back({.states = found_in.states, .keys = {}});
    visits.back().states[key.key] = state;
  }
}

namespace {

bool names(const MapVisit& visit, const std::string& key) {
  return std::find(visit.keys.begin(), visit.keys.end(), key) != visit.keys.end();
}

/// [states] whether `key` is there in each state of a deciding key, all else being as it was when
/// that key was found.
std::vector<bool> presence(const MapOutline& outline, const DecidingKey& deciding,
                           const std::string& key) {
  const auto first = std::find_if(outline.visits.begin(), outline.visits.end(),
                                  [&](const MapVisit& v) { return names(v, deciding.key); });
  std::vector<bool> present;
  for (int state = 0; state < std::ssize(deciding.conditions); ++state) {
    std::map<std::string, int> states = first->states;
    if (state != deciding.fresh) states[deciding.key] = state;
    const auto visit = std::find_if(outline.visits.begin(), outline.visits.end(),
                                    [&](const MapVisit& v) { return v.states == states; });
    present.push_back(names(*visit, key));
  }
  return present;
}

/// What the deciding key must be; several values of an enumeration are listed.
Json condition_of(const DecidingKey& deciding, const std::vector<bool>& present) {
  std::vector<Json> allowed;
  for (std::size_t state = 0; state < present.size(); ++state) {
    if (present[state]) allowed.push_back(deciding.conditions[state]);
  }
  if (allowed.size() == 1) return allowed.front();
  Json values = Json::array();
  for (const Json& condition : allowed) values.push_back(condition.at("const"));
  return {{"enum", values}};
}

/// What a key needs of the others; null if it is always there.
Json needs_of(const MapOutline& outline, const std::string& key) {
  Json needs;
  for (const DecidingKey& deciding : outline.deciding) {
    if (deciding.key == key) continue;
    const std::vector<bool> present = presence(outline, deciding, key);
    const auto there = std::count(present.begin(), present.end(), true);
    if (there == 0 || there == std::ssize(present)) continue;
    needs["properties"][deciding.key] = condition_of(deciding, present);
    if (!present[static_cast<std::size_t>(deciding.fresh)]) {
      needs["required"].push_back(deciding.key);
    }
  }
  return needs;
}

}  // namespace

Json map_schema(const MapOutline& outline) {
  Json schema = {{"type", "object"}, {"properties", Json::object()}};
  Json dependent;
  for (const std::string& key : outline.keys) {
    schema["properties"][key] = outline.properties.at(key);
    Json needs = needs_of(outline, key);
    if (!needs.is_null()) dependent[key] = std::move(needs);
  }
  schema["additionalProperties"] = false;
  if (!outline.required.empty()) schema["required"] = outline.required;
  if (!dependent.is_null()) schema["dependentSchemas"] = std::move(dependent);
  return schema;
}

Json one_of(std::vector<Json> schemas) { return {{"oneOf", Json(std::move(schemas))}}; }

Json or_null(Json schema) {
  if (schema.contains("enum")) {
    schema["enum"].push_back(nullptr);
  } else if (schema.contains("type")) {
    Json& type = schema["type"];
    if (!type.is_array()) type = Json::array({type});
    type.push_back("null");
  } else if (schema.contains("oneOf")) {
    schema["oneOf"].push_back({{"type", "null"}});
  } else {
    return one_of({std::move(schema), {{"type", "null"}}});
  }
  return schema;
}

Json number_schema(const Limits& limits, bool whole) {
  // Whole bounds are written without a point.
  const auto bound = [](double value) {
    return value == std::floor(value) && std::abs(value) <= 0x1p53
               ? Json(static_cast<std::int64_t>(value))
               : Json(value);
  };
  Json schema = {{"type", whole ? "integer" : "number"}};
  if (std::isfinite(limits.low)) {
    schema[limits.above ? "exclusiveMinimum" : "minimum"] = bound(limits.low);
  }
  if (std::isfinite(limits.high)) {
    schema[limits.below ? "exclusiveMaximum" : "maximum"] = bound(limits.high);
  }
  return schema;
}

Json text_schema() {
  // Any single value is a text: `name: 123` is as good as `name: "123"`.
  return {{"type", {"string", "number", "boolean"}}};
}

Json words_schema(const std::vector<std::string>& words) { return {{"enum", words}}; }

std::optional<Json> default_of(const std::string& yaml) {
  const auto scalar = [](const YAML::Node& node) -> std::optional<Json> {
    if (node.IsNull()) return Json();
    if (!node.IsScalar() || node.Scalar().empty()) return std::nullopt;
    Json value = Json::parse(node.Scalar(), nullptr, false);
    if (value.is_number() || value.is_boolean()) return value;
    return Json(node.Scalar());
  };
  const YAML::Node node = YAML::Load(yaml);
  if (!node.IsSequence()) return node.IsMap() ? std::nullopt : scalar(node);
  Json list = Json::array();
  for (const YAML::Node& item : node) {
    const std::optional<Json> value = scalar(item);
    if (!value) return std::nullopt;
    list.push_back(*value);
  }
  return list;
}

std::string definition_name(const std::string& what) {
  std::string name = what.substr(what.find(' ') + 1);
  std::replace(name.begin(), name.end(), ' ', '-');
  return name;
}

Json reference_to(const std::string& definition) { return {{"$ref", "#/$defs/" + definition}}; }

namespace {

std::vector<std::string> names_of(const std::vector<Alternative>& table) {
  std::vector<std::string> names;
  for (const Alternative& alternative : table) names.push_back(alternative.name);
  return names;
}

/// A map of exactly one of the keys.
Json one_entry_schema(Json properties) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"additionalProperties", false},
          {"minProperties", 1},
          {"maxProperties", 1}};
}

Json described_as(const std::string& description, const Json& schema) {
  Json with = {{"description", description}};
  with.update(schema);
  return with;
}

}  // namespace

Json alternatives_schema(const std::vector<Alternative>& table, const std::vector<Json>& settings) {
  Json properties = Json::object();
  for (std::size_t i = 0; i < table.size(); ++i) {
    properties[table[i].name] = described_as(table[i].description, or_null(settings[i]));
  }
  return one_of({words_schema(names_of(table)), one_entry_schema(std::move(properties))});
}

Json keyed_alternatives_schema(const std::string& key, const std::vector<Alternative>& table,
                               std::size_t fresh, const std::vector<Json>& settings) {
  std::vector<Json> cases;
  for (std::size_t i = 0; i < table.size(); ++i) {
    Json one = described_as(table[i].description, settings[i]);
    Json properties = {{key, {{"const", table[i].name}}}};
    properties.update(one.at("properties"));
    one["properties"] = std::move(properties);
    if (i != fresh) one["required"].push_back(key);
    cases.push_back(std::move(one));
  }
  return one_of(std::move(cases));
}

template <>
Json shorthand_schema<NormalizationSettings>() {
  return words_schema({"standard", "unit"});
}
template <>
Json shorthand_schema<ModelSettings>() {
  return words_schema(preset_names());
}
template <>
Json shorthand_schema<ModelReplacementSettings>() {
  return one_of({words_schema({"full"}), number_schema(above(0), false)});
}

template <>
Json value_schema(const AttackerChoice& /*fresh*/, const Limits& /*limits*/,
                  Definitions& definitions) {
  return one_of({value_schema(int(), at_least(0), definitions),
                 value_schema(std::vector<int>(), at_least(0), definitions)});
}

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

/// The arguments of a layer: a map, or the first one alone where no other is required.
Json layer_schema(const LayerEntry& entry) {
  Json properties = {
      {"name",
       described_as("name of the layer and its tensors; left out: made by counting, e.g. conv1",
                    text_schema())}};
  Json required = Json::array();
  std::vector<Json> forms;
  for (const LayerArgument& argument : entry.arguments) {
    Json schema = number_schema({.low = argument.low, .high = argument.high}, argument.whole);
    if (forms.empty()) forms.push_back(schema);
    if (argument.required) {
      required.push_back(argument.name);
    } else {
      schema["default"] = argument.whole ? Json(static_cast<std::int64_t>(argument.fallback))
                                         : Json(argument.fallback);
    }
    properties[argument.name] = described_as(argument.help, schema);
  }
  const bool first_is_enough =
      required.empty() || (required.size() == 1 && entry.arguments.front().required);
  if (!first_is_enough) forms.clear();
  Json map = {{"type", "object"}, {"properties", properties}, {"additionalProperties", false}};
  if (!required.empty()) map["required"] = required;
  forms.push_back(std::move(map));
  return described_as(entry.description,
                      forms.size() == 1 ? forms.front() : one_of(std::move(forms)));
}

Json residual_schema() {
  const Json layers = {{"type", "array"}, {"items", reference_to("layer")}};
  Json body = described_as("layers whose output is added to the shortcut's", layers);
  body["minItems"] = 1;
  return {{"description", "output = body(input) + shortcut(input)"},
          {"type", "object"},
          {"properties",
           {{"body", body},
            {"shortcut", described_as("layers beside the body; empty: the input itself", layers)}}},
          {"additionalProperties", false},
          {"required", {"body"}}};
}

}  // namespace

template <>
Json value_schema(const LayerSpec& /*fresh*/, const Limits& /*limits*/, Definitions& definitions) {
  if (!definitions.contains("layer")) {
    Json properties = Json::object();
    std::vector<std::string> alone;
    for (const LayerEntry& entry : layer_table()) {
      properties[entry.kind] = layer_schema(entry);
      const bool complete = std::none_of(entry.arguments.begin(), entry.arguments.end(),
                                         [](const LayerArgument& a) { return a.required; });
      if (complete) alone.push_back(entry.kind);
    }
    properties[kResidual] = residual_schema();
    definitions["layer"] = one_of({words_schema(alone), one_entry_schema(std::move(properties))});
  }
  return reference_to("layer");
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
  schema["$defs"] = std::move(definitions);
  return schema;
}

}  // namespace redoubt::experiments
