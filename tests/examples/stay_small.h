// An attacker that keeps its update no longer than `limit`, so that a defense which looks for long
// ones sees nothing (the idea behind constrain-and-scale: Bagdasaryan et al. 2020, section 4.3).
#pragma once

#include <algorithm>
#include <cmath>

#include "fl/client.h"
#include "kernels/rows.h"

namespace redoubt {

class StaySmall : public Behaviour {
 public:
  StaySmall(RoundWindow window, double limit) : Behaviour(window), limit_(limit) {}

  void edit_update(const ClientRound& /*round*/, UpdateRow& update) const override {
    const kernels::MatrixShape row = {.rows = 1, .columns = update.size};
    double squared_norm = 0;
    kernels::squared_norms(update.context, row, {update.values, 0}, {&squared_norm, 1});
    const auto factor = static_cast<float>(std::min(1.0, limit_ / std::sqrt(squared_norm)));
    kernels::scale_rows(update.context, row, {&factor, 1}, {update.values, 0});
  }

 private:
  double limit_;
};

}  // namespace redoubt
