#include "experiments/file/sweep_points.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/check.h"
#include "base/nearest_name.h"
#include "experiments/file/experiment_file.h"
#include "experiments/file/paper.h"
#include "experiments/file/yaml_value.h"
#include "experiments/simulation/checks.h"
#include "fl/metrics.h"

namespace redoubt::experiments {

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

/// Columns of results.csv beside the axes, which must not be taken for one another.
bool is_column(const std::string& name) {
  const std::array others = {"point", "stage", "pipeline", "step", "round", "seconds"};
  const Metric* metric = find_metric(name);
  return std::find(others.begin(), others.end(), name) != others.end() ||
         (metric != nullptr && metric->measured != nullptr);
}

/// Keys that a sweep sets itself for each point.
bool is_set_by_sweeps(const std::string& key) {
  return key == "name" || key == "threads" || key == "output" || key.starts_with("output.");
}

std::string checked_name(const YamlValue& value, const std::string& name) {
  if (name.empty() || name.find_first_of("/,=\n") != std::string::npos) {
    value.fail("found \"" + name + "\"; it names a folder and may hold no '/', ',' or '='");
  }
  return name;
}

void check_axis(const YamlValue& value, const std::string& axis) {
  checked_name(value, axis);
  if (!is_column(axis)) return;
  value.fail("found an axis called as a column of results.csv is; choose another name");
}

/// Fails for what a place may not set, and if one of its keys undoes another.
void check_overrides(const YamlValue& value, const std::vector<std::string>& overrides) {
  for (auto own = overrides.begin(); own != overrides.end(); ++own) {
    if (is_set_by_sweeps(own->substr(0, own->find('=')))) {
      value.fail("found " + *own + ", which a sweep sets itself for each point");
    }
    for (auto other = overrides.begin(); other != own; ++other) {
      if (contradicts(*other, *own)) value.fail("found " + *other + " and " + *own);
    }
  }
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
    check_overrides(value, places.back().overrides);
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
    check_overrides(set, place.overrides);
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

bool is_null_word(const std::string& text) { return text == "null" || text == "~"; }

bool names_an_axis(const YAML::Node& node) {
  if (node.IsScalar()) return node.Scalar().find("${") != std::string::npos;
  if (!node.IsMap() && !node.IsSequence()) return false;
  return std::any_of(node.begin(), node.end(), [&](const auto& item) {
    return names_an_axis(node.IsMap() ? item.second : YAML::Node(item));
  });
}

/// Keys of the experiment whose values name axes, as `initial: start-${seed}.safetensors` does, be
/// it within a list: their paths and values.
void collect_templates(const YamlValue& value, std::vector<std::pair<std::string, YamlValue>>& to) {
  if (!value.node.IsMap()) {
    if (names_an_axis(value.node)) to.emplace_back(value.path, value);
    return;
  }
  for (const auto& pair : value.node) {
    const std::string key = pair.first.Scalar();
    const bool around = value.path.empty() && (key == "sweep" || key == "paper");
    if (!around) collect_templates(value.child(key), to);
  }
}

/// The text with each ${axis} replaced by the point's place on it.
std::string filled_text(const YamlValue& value, std::string text, const SweepPoint& point) {
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

/// The value with each text in it filled; `whole` is the value of the key, for messages.
YAML::Node filled(const YamlValue& whole, const YAML::Node& node, const SweepPoint& point) {
  if (node.IsScalar()) {
    const std::string text = filled_text(whole, node.Scalar(), point);
    // A place called null, and nothing else, means what it does as a value.
    return names_an_axis(node) && is_null_word(text) ? YAML::Node() : YAML::Node(text);
  }
  YAML::Node copy = YAML::Clone(node);
  if (node.IsSequence()) {
    for (std::size_t i = 0; i < node.size(); ++i) copy[i] = filled(whole, node[i], point);
  } else if (node.IsMap()) {
    for (const auto& pair : node) {
      copy[pair.first.Scalar()] = filled(whole, pair.second, point);
    }
  }
  return copy;
}

/// Sets the keys whose values name axes, before the axes set theirs, which may not undo them.
void fill_templates(const YamlValue& root, std::vector<SweepPoint>& points) {
  std::vector<std::pair<std::string, YamlValue>> templates;
  collect_templates(root, templates);
  for (SweepPoint& point : points) {
    std::vector<std::string> overrides;
    for (const auto& [path, value] : templates) {
      if (is_set_by_sweeps(path)) value.fail("found an axis; a sweep sets it for each point");
      overrides.push_back(path + "=" + flow_text(filled(value, value.node, point)));
      for (const std::string& own : point.overrides) {
        if (contradicts(overrides.back(), own)) {
          value.fail("names an axis, but the point " + point.name + " sets " + own);
        }
      }
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

std::vector<std::string> sweep_axes(const std::filesystem::path& file) {
  std::vector<std::string> axes;
  for (const auto& pair : load_experiment_file(file)["sweep"]) axes.push_back(pair.first.Scalar());
  return axes;
}

std::vector<SweepPoint> sweep_points(const std::filesystem::path& file) {
  const SpecSource source = {.name = file.string(), .overrides = {}};
  const YamlValue root = {load_experiment_file(file), "", source};
  const YamlValue sweep = root.child("sweep");
  if (!sweep.node.IsDefined()) {
    if (read_paper(root, {})) {
      root.child("paper").fail(
          "belongs to a sweep, and there is none; `sweep: {seed: [1]}` is one");
    }
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
    check_axis(sweep.child(axis), axis);
    const std::vector<Place> places = places_of(axis, sweep.child(axis));
    if (points.size() * places.size() > kMostPoints) {
      sweep.fail("these are more than " + std::to_string(kMostPoints) + " points");
    }
    for (const SweepPoint& point : points) {
      for (const Place& place : places) check_place(sweep, point, axis, place);
    }
    points = crossed(points, axis, places);
  }
  for (const SweepPoint& point : points) {
    if (point.name.size() <= kLongestName) continue;
    sweep.fail("found the point " + point.name + ", whose name is longer than " +
               std::to_string(kLongestName) + " letters; name sets of keys instead");
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

}  // namespace redoubt::experiments
