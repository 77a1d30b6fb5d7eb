// An attacker that remembers how far rounds move the global model and sends no update that is
// longer than that, so that a defense which looks for long ones sees nothing (the idea behind
// constrain-and-scale: Bagdasaryan et al. 2020, section 4.3).
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fl/attack/method.h"
#include "kernels/rows.h"

namespace redoubt {

class StaySmall : public Attack {
 public:
  static constexpr const char* kName = "stay_small";
  static constexpr const char* kDescription =
      "longest update that is sent, by the mean length of the model's steps so far; null: any";
  struct Settings {
    double times = 1;
    bool operator==(const Settings&) const = default;
    static auto& shorthand(auto& s) { return s.times; }
    template <class V, class S>
    static void keys(V& v, S& s) {
      v.field("times", s.times, "so many mean lengths", above(0));
    }
  };

  explicit StaySmall(const Settings& settings) : settings_(settings) {}

  void edit_update(const ClientRound& /*round*/, UpdateRow& update) override {
    if (steps_.empty()) return;  // nothing is known before the first round is over
    const double mean =
        std::accumulate(steps_.begin(), steps_.end(), 0.0) / static_cast<double>(steps_.size());
    const float length = length_of(update.context, update.values, update.size);
    scale(update, std::min(1.0, settings_.times * mean / length));
  }
  void after_round(const GlobalStep& step) override {
    steps_.push_back(length_of(step.context, step.step, step.size));
  }

  // What it remembers goes into checkpoints.
  std::vector<NamedTensor> state() const override {
    return {{.name = "steps", .shape = {std::ssize(steps_)}, .values = steps_}};
  }
  void restore(const std::vector<NamedTensor>& state) override {
    for (const NamedTensor& tensor : state) steps_ = tensor.values;
  }

 private:
  static float length_of(Context& context, const float* row, std::int64_t size) {
    double squared = 0;
    kernels::squared_norms(context, {.rows = 1, .columns = size}, {row, 0}, {&squared, 1});
    return static_cast<float>(std::sqrt(squared));
  }

  Settings settings_;
  std::vector<float> steps_;  ///< [rounds] how far each moved the global model
};

}  // namespace redoubt
