// How far a run has come, and the checkpoints that hold it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/safetensors.h"
#include "kernels/gather.h"

namespace redoubt::experiments {

/// Where training goes on from: the model, the next round, and what the federation remembers.
struct FederationState {
  int next_round = 1;
  std::vector<float> row;
  std::vector<float> mask;
  std::vector<float> kept;  ///< GlobalModel's; empty: nothing is kept at 0
  kernels::ByteRange inputs = {};
  std::vector<NamedTensor> memory;
};

/// federation.keep: best. The round of training that is the best so far.
struct BestRound {
  int round = 0;
  double validation_accuracy = -1;  ///< not in checkpoints: scoring the row gives the same bits
  std::vector<float> row;           ///< empty: no round yet
};

/// All that a run needs to go on.
struct Progress {
  FederationState now;
  std::optional<FederationState> trained;  ///< what pipelines start from, once training is over
  int pipeline = 0;                        ///< pipelines that are through; the one under way
  int stage = 0;                           ///< stages of it that are through
  int stage_rounds = 0;                    ///< rounds of the next stage that are through
  BestRound best;                          ///< while training goes on
};

/// What a run's progress can be at most.
struct RunLength {
  int rounds = 0;           ///< of training and of stages together
  std::vector<int> stages;  ///< [pipelines]
};

/// As files under format redoubt-checkpoint-4.
TensorFile to_checkpoint(const Progress& progress);
TensorFile to_checkpoint(const FederationState& trained);

/// Reads formats 2 to 4. Throws InputError naming `origin` for anything that is no checkpoint of a
/// run of this length; whether the model fits is seen when it is taken up.
Progress read_progress(const TensorFile& file, const RunLength& length, const std::string& origin);
/// Only the state itself, whatever the file says of pipelines.
FederationState read_state(const TensorFile& file, const RunLength& length,
                           const std::string& origin);

}  // namespace redoubt::experiments
