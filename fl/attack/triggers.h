// The kinds of triggers. A new one is a pair of files in trigger/ and its name in this list.
#pragma once

#include "fl/attack/trigger/distributed.h"
#include "fl/attack/trigger/pattern.h"
#include "fl/attack/trigger/pixels.h"
#include "fl/attack/trigger/semantic.h"
#include "fl/attack/trigger/targeted.h"

namespace redoubt {

struct Triggers
    : ListOf<PixelTrigger, PatternTrigger, DistributedTrigger, SemanticTrigger, TargetedTrigger> {
  static constexpr const char* what = "a kind of trigger";
  static constexpr const char* key = "kind";
};
using TriggerSettings = Triggers::Settings;

template <>
struct KindOf<TriggerSettings> {
  using type = Triggers;
};

}  // namespace redoubt
