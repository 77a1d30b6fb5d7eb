// Sweeps: a stage proposes levels of ever stronger treatment, a judge finds the last that is
// tolerable.
#pragma once

#include <optional>
#include <vector>

#include "defense/settings.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt {

/// The variants' evaluations by whom the settings name. Throws InputError if the server is to judge
/// and holds no validation images, or if the clients are to judge a loss.
std::vector<Evaluation> judge(Server& server, const ModelVariants& variants, Judge who,
                              const StopRule& stop);

/// Level 0 is the untreated model. The last level before the first that loses more than the rule
/// allows against level 0; the last of all if none does.
int last_tolerable(const std::vector<Evaluation>& levels, const StopRule& stop);

/// What became of a sweep's levels.
struct LevelChoice {
  std::vector<Evaluation> judged;  ///< [levels]; empty if the level was given
  std::vector<TestResult> tested;  ///< [levels]
  int chosen = 0;

  const TestResult& result() const { return tested[static_cast<std::size_t>(chosen)]; }
};

/// Chooses among the variants, of which level 0 is the untreated model, and tests all of them. A
/// level that is `given` is taken, and nobody judges. Throws as judge() does.
LevelChoice choose_level(Server& server, const ModelVariants& variants, std::optional<int> given,
                         Judge who, const StopRule& stop);

/// Adds each level's test accuracy and attack success rate, and its judged accuracy, as lists.
void add_curve(Record& record, const LevelChoice& levels);

}  // namespace redoubt
