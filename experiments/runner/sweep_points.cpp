#include "experiments/runner/sweep_points.h"

#include <algorithm>
#include <set>

#include "experiments/runner/paper.h"
#include "experiments/runner/spec.h"
#include "experiments/runner/yaml_value.h"
#include "kernels/check.h"
#include "kernels/nearest_name.h"

namespace redoubt::runner {

namespace {

/// More are a slip of the pen.
constexpr std::size_t kMostPoints = 100000;

/// One place on an axis: its name and the keys it sets.
struct Place {
  std::string name;
  std::vector<std::string> overrides;
};

/// A value on one line, as --set takes it.
std::string flow_text(const YAML::Node& node) {
  YAML::Emitter emitter;
  emitter.SetSeqFormat(YAML::Flow);
  emitter.SetMapFormat(YAML::Flow);
  emitter << node;
  return emitter.c_str();
}

std::string checked_name(const YamlValue& value, const std::string& name) {
  if (name.empty() || name.find_first_of("/,=\n") != std::string::npos) {
    value.fail("found \"" + name + "\"; it names a folder and may hold no '/', ',' or '='");
  }
  return name;
}

/// `seed: [1, 2, 3]`
std::vector<Place> listed_values(const std::string& key, const YamlValue& values) {
  std::vector<Place> places;
  for (std::size_t i = 0; i < values.node.size(); ++i) {
    const YamlValue value = values.item(i);
    if (!value.node.IsScalar()) {
      value.fail("found " + describe_node(value.node) +
                 "; values that are no single word or number need names: an axis of `name: {key: "
                 "value}`");
    }
    places.push_back({.name = checked_name(value, value.node.Scalar()),
                      .overrides = {key + "=" + flow_text(value.node)}});
  }
  return places;
}

/// `rule: {krum: {defense.rule: krum}, ...}`
std::vector<Place> named_sets(const YamlValue& sets) {
  std::vector<Place> places;
  for (const auto& pair : sets.node) {
    const std::string name = pair.first.Scalar();
    const YamlValue set = sets.child(name);
    if (!set.is_null() && !set.node.IsMap()) set.fail_type("a map of the keys that it sets");
    Place place = {.name = checked_name(set, name), .overrides = {}};
    for (const auto& key : set.node) {
      place.overrides.push_back(key.first.Scalar() + "=" + flow_text(key.second));
    }
    places.push_back(std::move(place));
  }
  return places;
}

std::vector<Place> places_of(const std::string& axis, const YamlValue& value) {
  std::vector<Place> places;
  if (value.node.IsSequence()) places = listed_values(axis, value);
  if (value.node.IsMap()) places = named_sets(value);
  if (places.empty()) {
    value.fail_type("a list of values for the key " + axis + ", or a map of named sets of keys");
  }
  std::set<std::string> names;
  for (const Place& place : places) {
    if (!names.insert(place.name).second) value.fail("found " + place.name + " twice");
  }
  return places;
}

/// Fails if a place contradicts the other axes' places at a point.
void check_place(const YamlValue& sweep, const SweepPoint& point, const std::string& axis,
                 const Place& place) {
  for (const std::string& earlier : point.overrides) {
    for (const std::string& later : place.overrides) {
      if (!contradicts(earlier, later)) continue;
      sweep.fail("found the point " + point.name + "," + axis + "=" + place.name +
                 ", where one axis sets " + earlier + " and another " + later);
    }
  }
}

/// Every point so far at every place of one more axis.
std::vector<SweepPoint> crossed(const std::vector<SweepPoint>& points, const std::string& axis,
                                const std::vector<Place>& places) {
  std::vector<SweepPoint> all;
  for (const SweepPoint& point : points) {
    for (const Place& place : places) {
      SweepPoint next = point;
      next.name += (next.name.empty() ? "" : ",") + axis + "=" + place.name;
      next.places.emplace_back(axis, place.name);
      next.overrides.insert(next.overrides.end(), place.overrides.begin(), place.overrides.end());
      all.push_back(std::move(next));
    }
  }
  return all;
}

/// Keys of the experiment whose values name axes, as `initial: start-${seed}.safetensors` does:
/// their paths and values.
void collect_templates(const YamlValue& value, std::vector<std::pair<std::string, YamlValue>>& to) {
  if (value.node.IsScalar() && value.node.Scalar().find("${") != std::string::npos) {
    to.emplace_back(value.path, value);
  }
  if (!value.node.IsMap()) return;
  for (const auto& pair : value.node) {
    const std::string key = pair.first.Scalar();
    const bool around = value.path.empty() && (key == "sweep" || key == "paper");
    if (!around) collect_templates(value.child(key), to);
  }
}

/// The text with each ${axis} replaced by the point's place on it.
std::string filled(const YamlValue& value, const SweepPoint& point) {
  std::string text = value.node.Scalar();
  for (std::size_t at = text.find("${"); at != std::string::npos; at = text.find("${", at)) {
    const std::size_t end = text.find('}', at);
    const std::string axis = text.substr(at + 2, end == std::string::npos ? end : end - at - 2);
    const auto found = std::find_if(point.places.begin(), point.places.end(),
                                    [&](const auto& place) { return place.first == axis; });
    if (end == std::string::npos || found == point.places.end()) {
      std::vector<std::string> axes;
      for (const auto& [name, place] : point.places) axes.push_back(name);
      value.fail("found ${" + axis + "}, which names no axis of the sweep" +
                 suggestion(axis, axes));
    }
    text.replace(at, end + 1 - at, found->second);
    at += found->second.size();
  }
  return text;
}

/// Sets the keys whose values name axes, before the axes set theirs.
void fill_templates(const YamlValue& root, std::vector<SweepPoint>& points) {
  std::vector<std::pair<std::string, YamlValue>> templates;
  collect_templates(root, templates);
  for (SweepPoint& point : points) {
    std::vector<std::string> overrides;
    for (const auto& [path, value] : templates) {
      overrides.push_back(path + "=" + flow_text(YAML::Node(filled(value, point))));
    }
    point.overrides.insert(point.overrides.begin(), overrides.begin(), overrides.end());
  }
}

}  // namespace

bool contradicts(const std::string& earlier, const std::string& later) {
  const auto key_of = [](const std::string& override) {
    return override.substr(0, override.find('='));
  };
  const std::string first = key_of(earlier);
  const std::string second = key_of(later);
  const std::string value = earlier.substr(first.size() + 1);
  const bool gone = value == "~" || value == "null";
  return first == second || first.starts_with(second + ".") ||
         (gone && second.starts_with(first + "."));
}

std::vector<SweepPoint> sweep_points(const std::filesystem::path& file) {
  const SpecSource source = {.name = file.string(), .overrides = {}};
  const YamlValue root = {load_experiment_file(file), "", source};
  const YamlValue sweep = root.child("sweep");
  if (!sweep.node.IsDefined()) {
    read_paper(root, {});
    return {};
  }
  if (!sweep.node.IsMap() || sweep.node.size() == 0) {
    sweep.fail_type("a map of axes: a key over its values");
  }
  std::vector<SweepPoint> points = {{.name = "", .places = {}, .overrides = {}}};
  std::set<std::string> axes;
  for (const auto& pair : sweep.node) {
    const std::string axis = pair.first.Scalar();
    if (!axes.insert(axis).second) sweep.fail("found the axis " + axis + " twice");
    const std::vector<Place> places = places_of(axis, sweep.child(axis));
    if (points.size() * places.size() > kMostPoints) {
      sweep.fail("these are more than " + std::to_string(kMostPoints) + " points");
    }
    for (const SweepPoint& point : points) {
      for (const Place& place : places) check_place(sweep, point, axis, place);
    }
    points = crossed(points, axis, places);
  }
  fill_templates(root, points);
  read_paper(root, points);
  return points;
}

std::vector<std::string> point_overrides(const std::filesystem::path& file,
                                         const std::string& point,
                                         const std::vector<std::string>& overrides) {
  const std::vector<SweepPoint> points = sweep_points(file);
  if (points.empty() && point.empty()) return overrides;
  if (points.empty()) throw InputError(file.string() + ": has no sweep, so no point " + point);
  if (point.empty()) {
    throw InputError(file.string() + ": describes a sweep of " + std::to_string(points.size()) +
                     " points; `redoubt sweep` runs them all, --point one of them, e.g. --point " +
                     points.front().name);
  }
  const auto found = std::find_if(points.begin(), points.end(), [&](const SweepPoint& candidate) {
    return candidate.name == point;
  });
  if (found == points.end()) {
    throw InputError(file.string() + ": its sweep has no point \"" + point + "\", but e.g. \"" +
                     points.front().name + "\"");
  }
  std::vector<std::string> all = found->overrides;
  all.insert(all.end(), overrides.begin(), overrides.end());
  return all;
}

}  // namespace redoubt::runner
