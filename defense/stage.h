// Post-training stages: each takes the global model and what clients answer, changes the model and
// leaves a record of what it did.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "defense/settings.h"
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

std::unique_ptr<Stage> make_stage(const StageSettings& settings);

/// One line each for `redoubt list`.
struct StageEntry {
  std::string name;
  std::string description;
};
std::span<const StageEntry> stage_table();

}  // namespace redoubt
