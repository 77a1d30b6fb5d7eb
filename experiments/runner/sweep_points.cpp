#include "experiments/runner/sweep_points.h"

#include <algorithm>
#include <set>

#include "experiments/runner/spec.h"
#include "experiments/runner/yaml_value.h"
#include "kernels/check.h"

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
  if (!sweep.node.IsDefined()) return {};
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
