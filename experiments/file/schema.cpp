#include "experiments/file/schema.h"

#include <algorithm>
#include <cmath>

namespace redoubt::experiments {

void MapSchema::add(const std::string& key, Json schema, const std::vector<Condition>& conditions) {
  properties_[key] = std::move(schema);
  for (const Condition& condition : conditions) {
    Json& needs = dependent_[key];
    needs["properties"][condition.key] = condition.must;
    if (!condition.usual) needs["required"].push_back(condition.key);
  }
}

void MapSchema::add_required(const std::string& key) { required_.push_back(key); }

Json MapSchema::json() const {
  Json schema = {{"type", "object"}, {"properties", properties_}};
  schema["additionalProperties"] = false;
  if (!required_.empty()) schema["required"] = required_;
  if (!dependent_.empty()) schema["dependentSchemas"] = dependent_;
  // A second key that has to be given leaves no room for one value alone.
  return alone_ && required_.size() <= 1 ? one_of({*alone_, schema}) : schema;
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

/// A map of exactly one of the keys.
Json one_entry_schema(Json properties) {
  return {{"type", "object"},
          {"properties", std::move(properties)},
          {"additionalProperties", false},
          {"minProperties", 1},
          {"maxProperties", 1}};
}

/// Whether the map that a schema passes has keys that have to be given.
bool needs_more(const Json& schema) {
  const Json& map = schema.contains("oneOf") ? schema["oneOf"].back() : schema;
  return map.contains("required");
}

}  // namespace

Json described_as(const std::string& description, const Json& schema) {
  Json with = {{"description", description}};
  with.update(schema);
  return with;
}

Json alternatives_schema(const std::vector<Alternative>& table, const std::vector<Json>& settings) {
  Json properties = Json::object();
  std::vector<std::string> alone;
  for (std::size_t i = 0; i < table.size(); ++i) {
    const bool more = needs_more(settings[i]);
    if (!more) alone.push_back(table[i].name);
    properties[table[i].name] =
        described_as(table[i].description, more ? settings[i] : or_null(settings[i]));
  }
  return one_of({words_schema(alone), one_entry_schema(std::move(properties))});
}

Json keyed_alternatives_schema(const std::string& key, const std::vector<Alternative>& table,
                               std::size_t fresh, const std::vector<Json>& settings) {
  std::vector<Json> cases;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < table.size(); ++i) {
    names.push_back(table[i].name);
    Json one = described_as(table[i].description, settings[i]);
    Json properties = {{key, {{"const", table[i].name}}}};
    properties.update(one.at("properties"));
    one["properties"] = std::move(properties);
    if (i != fresh) one["required"].push_back(key);
    cases.push_back(std::move(one));
  }
  cases.insert(cases.begin(), words_schema(names));
  return one_of(std::move(cases));
}

}  // namespace redoubt::experiments
