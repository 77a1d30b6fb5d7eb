// Post-training stages: each takes the global model and what clients answer, changes the model and
// leaves a record of what it did. And the list of stages as code.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/keys.h"
#include "defense/judge.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt {

/// How a stage tells of its rounds and picks up after a stop.
struct StageProgress {
  int rounds_done = 0;           ///< of this stage, before a stop
  float last_learning_rate = 0;  ///< that the training rounds ended with
  /// Called after each round of training with the round's number; false asks to stop.
  std::function<bool(int round, const RoundReport& report)> on_round = {};
};

class Stage {
 public:
  Stage() = default;
  virtual ~Stage() = default;
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;

  /// "prune", as in the experiment file.
  virtual std::string name() const = 0;
  /// Rounds of training that run() will take.
  virtual int rounds() const { return 0; }
  /// Absent if progress.on_round asked to stop; the model then is as after that round.
  virtual std::optional<Record> run(Server& server, const StageProgress& progress) const = 0;
};

/// What is known of a model before a stage of a pipeline.
struct StageConditions {
  const ParameterLayout& layout;
  int validation_samples = 0;
  /// [mask row] 0: a channel that is pruned before training.
  std::span<const float> mask;
  /// How many channels of a layer the stages before this one have pruned for certain.
  std::map<std::string, int> pruned = {};
  /// The stages whose models the server judges by its validation images.
  std::vector<std::string> judged_by_server = {};

  /// Of a stage that has models judged. Throws InputError, naming it, if the judge has not what the
  /// stop rule asks for.
  void need_judge(const std::string& stage, Judge judge, const StopRule& stop);
};

/// What the list asks of a stage; what is forgotten does not compile.
template <class S>
concept ListedStage = std::derived_from<S, Stage> && requires {
  { S::kName } -> std::convertible_to<std::string>;
  { S::kDescription } -> std::convertible_to<std::string>;
  typename S::Settings;
} && std::constructible_from<S, const typename S::Settings&>;

/// Stages, each made from its settings. A stage may have
///   static void check(const Settings&, StageConditions&)  throws InputError, naming the key, for
///     settings that it cannot honour, and notes what it will do to the model
///   static int rounds_of(const Settings&)                 rounds of training that it takes
///   static constexpr bool kAsksForDormancy                clients may lie to it
template <ListedStage... Stages>
struct StagesOf : ListOf<Stages...> {
  using Settings = typename ListOf<Stages...>::Settings;
  static constexpr const char* what = "a stage";

  static std::unique_ptr<Stage> make(const Settings& settings) {
    return StagesOf::with_class(settings, []<class S>(const auto& own) -> std::unique_ptr<Stage> {
      return std::make_unique<S>(own);
    });
  }
  static void check(const Settings& settings, StageConditions& conditions) {
    StagesOf::with_class(settings,
                         [&]<class S>(const auto& own) { check_listed<S>(own, conditions); });
  }
  static int rounds(const Settings& settings) {
    return StagesOf::with_class(settings, []<class S>(const auto& own) {
      if constexpr (requires { S::rounds_of(own); }) return S::rounds_of(own);
      return 0;
    });
  }
  static bool asks_for_dormancy(const Settings& settings) {
    return StagesOf::with_class(settings, []<class S>(const auto& /*own*/) {
      return requires { S::kAsksForDormancy; };
    });
  }
};

}  // namespace redoubt
