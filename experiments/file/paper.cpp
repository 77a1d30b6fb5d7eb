#include "experiments/file/paper.h"

#include <algorithm>

#include "base/nearest_name.h"
#include "base/parse_number.h"
#include "experiments/file/reader.h"
#include "fl/metrics.h"

namespace redoubt::experiments {

namespace {

/// Axes, each with its places in the order of the sweep.
using Axes = std::vector<std::pair<std::string, std::vector<std::string>>>;

Axes axes_of(const std::vector<SweepPoint>& points) {
  Axes axes;
  if (points.empty()) return axes;
  for (const auto& [axis, place] : points.front().places) axes.push_back({axis, {}});
  for (const SweepPoint& point : points) {
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const std::string& place = point.places[i].second;
      auto& places = axes[i].second;
      if (std::find(places.begin(), places.end(), place) == places.end()) places.push_back(place);
    }
  }
  return axes;
}

/// The axis' places.
const std::vector<std::string>& places_of(const YamlValue& value, const std::string& axis,
                                          const Axes& axes) {
  std::vector<std::string> names;
  for (const auto& [name, places] : axes) {
    if (name == axis) return places;
    names.push_back(name);
  }
  value.fail("found \"" + axis + "\", which is no axis of the sweep" + suggestion(axis, names));
}

bool is_share(const std::string& name) {
  const Metric* metric = find_metric(name);
  return metric != nullptr && metric->share;
}

/// An axis has one role: repetitions, tables or x.
void check_roles(const YamlValue& value, const PaperBlock& paper) {
  const auto refuse = [&](const char* key, const std::string& axis, const char* other) {
    value.child(key).fail("found " + axis + ", which is the axis of " + other + ", too");
  };
  if (paper.tables_by == paper.average) refuse("tables_by", paper.average, "average");
  if (paper.x == paper.average) refuse("x", paper.average, "average");
  if (paper.x && paper.x == paper.tables_by) refuse("x", *paper.x, "tables_by");
}

void check_values(const YamlValue& values, const PublishedValues& published) {
  if (published.values.empty()) values.fail("found no values");
  for (const auto& [metric, share] : published.values) {
    if (!is_share(metric) || (share >= 0 && share <= 1)) continue;
    values.child(metric).fail_type("a share from 0 to 1");
  }
}

void check_places(const YamlValue& at, const std::map<std::string, std::string>& places,
                  const Axes& axes) {
  for (const auto& [axis, place] : places) {
    const std::vector<std::string>& known = places_of(at, axis, axes);
    if (std::find(known.begin(), known.end(), place) != known.end()) continue;
    at.child(axis).fail("found \"" + place + "\", which is no place on the axis" +
                        suggestion(place, known));
  }
}

}  // namespace

std::optional<PaperBlock> read_paper(const YamlValue& root, const std::vector<SweepPoint>& points) {
  const YamlValue value = root.child("paper");
  if (!value.node.IsDefined()) return std::nullopt;
  PaperBlock paper;
  read(value, paper, {});
  const Axes axes = axes_of(points);
  if (value.child("average").node.IsDefined()) {
    places_of(value.child("average"), paper.average, axes);
  }
  check_roles(value, paper);
  if (paper.tables_by) places_of(value.child("tables_by"), *paper.tables_by, axes);
  if (paper.x) {
    for (const std::string& place : places_of(value.child("x"), *paper.x, axes)) {
      if (parsed_number<double>(place)) continue;
      value.child("x").fail("found " + *paper.x + ", whose place \"" + place +
                            "\" is no number and so has no place along x");
    }
  }
  for (std::size_t i = 0; i < paper.published.size(); ++i) {
    const YamlValue item = value.child("published").item(i);
    check_values(item.child("values"), paper.published[i]);
    if (paper.published[i].at.contains(paper.average)) {
      item.child("at").fail("found " + paper.average +
                            ", whose places are repetitions: figures are compared with their mean");
    }
    check_places(item.child("at"), paper.published[i].at, axes);
  }
  return paper;
}

}  // namespace redoubt::experiments
