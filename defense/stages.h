// The stages after training. A new one is a pair of files beside this one and its name in this
// list.
#pragma once

#include "defense/adjust_weights.h"
#include "defense/fine_tune.h"
#include "defense/limit_inputs.h"
#include "defense/prune.h"
#include "defense/stage.h"

namespace redoubt {

struct Stages : StagesOf<Prune, FineTune, AdjustWeights, LimitInputs> {};
using StageSettings = Stages::Settings;

template <>
struct KindOf<StageSettings> {
  using type = Stages;
};

}  // namespace redoubt
