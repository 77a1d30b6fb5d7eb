// What an experiment says about the defense.
#pragma once

#include <string>
#include <vector>

#include "defense/rules.h"
#include "defense/stages.h"

namespace redoubt {

/// Stages after training, in their order.
struct Pipeline {
  std::string name;  ///< empty where it is the only one
  std::vector<StageSettings> stages;
  bool operator==(const Pipeline&) const = default;
};

struct DefenseSettings {
  RuleSettings rule = {};
  /// Each starts from the trained model: one without a name, or several with names, or none.
  std::vector<Pipeline> pipelines;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("rule", s.rule, "how the clients' updates become one");
    v.field("after_training", s.pipelines,
            "stages in their order; or a map of names over such lists, each of which starts from "
            "the trained model");
  }
  bool operator==(const DefenseSettings&) const = default;
};

}  // namespace redoubt
