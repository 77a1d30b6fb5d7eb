// Sweeps: a stage proposes levels of ever stronger treatment, a judge finds the last that is
// tolerable.
#pragma once

#include <optional>
#include <vector>

#include "base/keys.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt {

/// When a sweep stops: at the first level past the limit; the level before it is taken.
struct StopRule {
  /// Most accuracy that may be lost, as a fraction of 1, against the model before the stage.
  std::optional<double> accuracy_drop = {};
  /// Most mean loss that may be gained. Both may be given.
  std::optional<double> loss_rise = {};
  bool operator==(const StopRule&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.given("accuracy_drop", s.accuracy_drop,
            "most accuracy that may be lost, as a fraction of 1, against the model before the "
            "stage; if stop itself is left out, 0.01",
            between(0, 1));
    v.given("loss_rise", s.loss_rise,
            "most mean loss that may be gained, on the server's validation images; at least one "
            "of both keys is needed",
            at_least(0));
    v.require(s.accuracy_drop || s.loss_rise,
              "found neither accuracy_drop nor loss_rise; at least one is needed");
  }
};

/// Who judges a model during a stage.
enum class Judge : std::uint8_t {
  automatic,   ///< the server if it holds validation images, else the clients
  validation,  ///< the server's validation images
  clients,     ///< the mean of the accuracies that clients report on their own data
};
constexpr Names<Judge, 3> names_of(Judge) {
  return {{{"automatic", Judge::automatic},
           {"validation", Judge::validation},
           {"clients", Judge::clients}}};
}

/// Of the key `judge`, which every stage that sweeps has.
inline constexpr const char* kJudgeMeaning =
    "who measures accuracy: validation, the server's images; clients, the mean of what they "
    "report; automatic, the server if it has images";

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

  const TestResult& result() const { return tested[chosen]; }
};

/// Chooses among the variants, of which level 0 is the untreated model, and tests all of them. A
/// level that is `given` is taken, and nobody judges. Throws as judge() does.
LevelChoice choose_level(Server& server, const ModelVariants& variants, std::optional<int> given,
                         Judge who, const StopRule& stop);

/// Adds a sweep's curve: what its levels are, `axis`, e.g. "channels", and the number of each
/// [levels], infinite for an untreated model that has none; each level's shares of a test, and its
/// judged accuracy, as lists.
void add_curve(Record& record, const LevelChoice& levels, const std::string& axis,
               std::vector<double> numbers);

}  // namespace redoubt
