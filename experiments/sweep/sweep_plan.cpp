#include "experiments/sweep/sweep_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/check.h"
#include "base/nearest_name.h"
#include "experiments/run/run_folder.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;

namespace {

/// What is set for all points may not be what tells them apart.
void check_overrides(const std::vector<std::string>& overrides,
                     const std::vector<SweepPoint>& points) {
  for (const std::string& override : overrides) {
    for (const SweepPoint& point : points) {
      for (const std::string& own : point.overrides) {
        if (!contradicts(own, override)) continue;
        throw InputError("--set " + override + ": the sweep sets " + own + " (point " + point.name +
                         ")");
      }
    }
  }
}

}  // namespace

std::vector<Experiment> read_points(const fs::path& file, const std::vector<std::string>& overrides,
                                    const std::vector<SweepPoint>& points) {
  check_overrides(overrides, points);
  std::vector<Experiment> experiments;
  for (const SweepPoint& point : points) {
    std::vector<std::string> all = point.overrides;
    all.insert(all.end(), overrides.begin(), overrides.end());
    try {
      experiments.push_back(read_experiment(file, all));
    } catch (const InputError& error) {
      throw InputError(std::string(error.what()) + " (point " + point.name + ")");
    }
  }
  return experiments;
}

void check_folders(const fs::path& folder, const std::vector<SweepPoint>& points,
                   std::vector<Experiment> experiments) {
  for (std::size_t i = 0; i < points.size(); ++i) {
    const RunFiles point = SweepFiles{folder}.point(points[i].name);
    if (!fs::exists(point.experiment())) continue;
    experiments[i].name = points[i].name;
    resolve_surroundings(experiments[i]);
    require_same_experiment(experiments[i], point.folder);
  }
}

void check_axes(const fs::path& folder, const std::vector<SweepPoint>& points) {
  const fs::path stored = SweepFiles{folder}.file();
  if (!fs::exists(stored)) return;
  std::vector<std::string> ours;
  for (const auto& [axis, place] : points.front().places) ours.push_back(axis);
  const std::vector<std::string> theirs = sweep_axes(stored);
  if (theirs == ours) return;
  throw InputError(fmt::format(
      "{}: holds a sweep over {}, this one is over {}; choose another name, or another folder with "
      "--output",
      folder.string(), fmt::join(theirs, ", "), fmt::join(ours, ", ")));
}

std::vector<int> number_trainings(const std::vector<Experiment>& experiments) {
  std::map<std::string, int> numbers;
  std::vector<int> trainings;
  for (const Experiment& experiment : experiments) {
    const int next = static_cast<int>(numbers.size());
    trainings.push_back(numbers.emplace(training_settings(experiment), next).first->second);
  }
  return trainings;
}

bool is_chosen(const SweepPoint& point, const std::vector<std::string>& only) {
  return std::all_of(point.places.begin(), point.places.end(), [&](const auto& place) {
    const auto names_axis = [&](const std::string& text) {
      return text.starts_with(place.first + "=");
    };
    return std::none_of(only.begin(), only.end(), names_axis) ||
           std::find(only.begin(), only.end(), place.first + "=" + place.second) != only.end();
  });
}

void check_only(const std::vector<SweepPoint>& points, const std::vector<std::string>& only) {
  std::vector<std::string> known;
  for (const SweepPoint& point : points) {
    for (const auto& [axis, place] : point.places) {
      const std::string text = axis + "=" + place;
      if (std::find(known.begin(), known.end(), text) == known.end()) known.push_back(text);
    }
  }
  for (const std::string& text : only) {
    if (std::find(known.begin(), known.end(), text) != known.end()) continue;
    throw InputError("--only " + text + ": no point is there" + suggestion(text, known));
  }
}

}  // namespace redoubt::experiments
