// The `paper` block of an experiment file: what a paper prints, for `redoubt report` to set ours
// beside. It changes nothing in a run. What it says of a sweep's axes is checked in
// experiments/sweep.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/keys.h"

namespace redoubt::experiments {

/// One figure that the paper prints, or several of one place.
struct PublishedValues {
  std::map<std::string, std::string> at;  ///< axis -> its place; axes left out are averaged over
  std::string stage;                      ///< "training", or a stage's name
  std::map<std::string, double> values;   ///< metric -> value, shares as fractions of 1

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("at", s.at,
            "axes over places of them that the figures are for; an axis that is left out is "
            "averaged over");
    v.required("stage", s.stage, "the stage that the figures are of: training, or a stage's name");
    v.required("values", s.values, "metrics over what the paper prints, shares as fractions of 1");
  }
};

struct PaperBlock {
  std::string title;                     ///< heads the part of the report
  std::string source;                    ///< where in the paper: "Mi et al., table 1"
  std::string average = "seed";          ///< the axis whose places are repetitions
  std::optional<std::string> tables_by;  ///< an axis: one table for each of its places
  std::optional<std::string> x;          ///< an axis whose places are numbers: drawn as a figure
  std::vector<std::string> metrics = {
      "accuracy", "attack_success_rate" template <class V, class S> static void keys(
                      V& v, S& s){v.field("title", s.title, "heading of this part of the report");
  v.field("source", s.source, "where in the paper the figures stand, e.g. Mi et al., table 1");
  v.field("average", s.average, "the sweep's axis whose places are repetitions");
  v.field("tables_by", s.tables_by, "a sweep's axis: one table for each of its places");
  v.field("x", s.x, "a sweep's axis whose places are numbers, drawn along x");
  v.field("metrics", s.metrics, "metrics that are shown, by their names in results.csv");
  v.field("stages", s.stages, "stages that are shown, by their names; empty: all");
  v.field("published", s.published, "figures that the paper prints");
  v.field("notes", s.notes, "what the paper leaves open, and what was chosen, a line each");
}
};                                // namespace redoubt::experiments
std::vector<std::string> stages;  ///< empty: all
std::vector<PublishedValues> published;
std::vector<std::string> notes;  ///< what the paper leaves open, and what was chosen
}
;

}  // namespace redoubt::experiments
