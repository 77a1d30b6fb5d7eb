// Which optimizer steps a client's model, and with what settings. A new one is a pair of files in
// optimizers/ and a name in this list.
#pragma once

#include "engine/optimizers/adam.h"
#include "engine/optimizers/sgd.h"

namespace redoubt {

struct Optimizers : ListOf<Sgd, Adam> {
  static constexpr const char* what = "an optimizer";
  static constexpr const char* key = "kind";
};
using OptimizerSettings = Optimizers::Settings;
template <>
struct KindOf<OptimizerSettings> {
  using type = Optimizers;
};

/// What every optimizer has. The settings say that of the first round; a round sets its own.
inline float& learning_rate_of(OptimizerSettings& settings) {
  return std::visit([](auto& own) -> float& { return own.learning_rate; }, settings);
}
inline float learning_rate_of(const OptimizerSettings& settings) {
  return std::visit([](const auto& own) { return own.learning_rate; }, settings);
}

/// Rows of state that a model needs.
inline int state_rows_of(const OptimizerSettings& settings) {
  return std::visit([](const auto& own) { return own.state_rows(); }, settings);
}

inline void take_step(const OptimizerSettings& settings, const OptimizerStep& on) {
  Optimizers::with_class(settings, [&]<class Optimizer>(const typename Optimizer::Settings& own) {
    Optimizer::step(own, on);
  });
}

}  // namespace redoubt
