// The aggregation rules. A new one is a pair of files beside this one and its name in this list.
#pragma once

#include "defense/ariba.h"
#include "defense/checks.h"
#include "defense/foolsgold.h"
#include "defense/krum.h"
#include "defense/robust_means.h"
#include "defense/rule.h"
#include "defense/spectral.h"

namespace redoubt {

/// The first is the default.
struct Rules : RulesOf<FedAvg, Krum, MultiKrum, Bulyan, TrimmedMean, Median, GeometricMedian,
                       NormBound, NormCheck, AccuracyCheck, FoolsGold, Spectral, Ariba> {};
using RuleSettings = Rules::Settings;

template <>
struct KindOf<RuleSettings> {
  using type = Rules;
};

}  // namespace redoubt
