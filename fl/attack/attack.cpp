#include "fl/attack/attack.h"

#include <algorithm>

#include "fl/state.h"

namespace redoubt {

bool Attack::acts(int /*client*/, int /*round*/) const { return true; }
void Attack::edit_training(const ClientRound& /*round*/, LocalTraining& /*training*/) {}
void Attack::edit_samples(const ClientRound& /*round*/, std::vector<kernels::Sample>& /*samples*/) {
}
void Attack::edit_objective(const ClientRound& /*round*/, Objective& /*objective*/) {}
void Attack::edit_mask(const ClientRound& /*round*/, const ActivityQuestion& /*question*/,
                       std::span<float> /*mask*/) {}
void Attack::edit_update(const ClientRound& /*round*/, UpdateRow& /*update*/) {}
void Attack::edit_updates(const RoundUpdates& /*updates*/) {}
void Attack::edit_dormancy(const ClientRound& /*round*/, const DormancyQuestion& /*question*/,
                           DormancyReport& /*report*/) {}
void Attack::edit_accuracies(const ClientRound& /*round*/, std::span<double> /*accuracies*/) {}
void Attack::after_round(const GlobalStep& /*step*/) {}
void Attack::restore(const std::vector<NamedTensor>& /*state*/) {}

bool AttackSequence::needs_whole_round() const {
  return std::any_of(attacks_.begin(), attacks_.end(),
                     [](const auto& attack) { return attack->needs_whole_round(); });
}

void AttackSequence::edit_training(const ClientRound& round, LocalTraining& training) {
  each_that_acts(round, [&](Attack& attack) { attack.edit_training(seen(round), training); });
}

void AttackSequence::edit_samples(const ClientRound& round, std::vector<kernels::Sample>& samples) {
  each_that_acts(round, [&](Attack& attack) { attack.edit_samples(seen(round), samples); });
}

void AttackSequence::edit_objective(const ClientRound& round, Objective& objective) {
  each_that_acts(round, [&](Attack& attack) { attack.edit_objective(seen(round), objective); });
}

void AttackSequence::edit_update(const ClientRound& round, UpdateRow& update) {
  each_that_acts(round, [&](Attack& attack) { attack.edit_update(seen(round), update); });
}

void AttackSequence::edit_accuracies(const ClientRound& round, std::span<double> accuracies) {
  each_that_acts(round, [&](Attack& attack) { attack.edit_accuracies(seen(round), accuracies); });
}

void AttackSequence::edit_mask(const ClientRound& round, const ActivityQuestion& question,
                               std::span<float> mask) {
  each_that_acts(round, [&](Attack& attack) { attack.edit_mask(seen(round), question, mask); });
}

void AttackSequence::edit_updates(const RoundUpdates& updates) {
  for (const auto& attack : attacks_) {
    std::vector<int> rows;
    for (const int row : updates.attackers) {
      if (attack->acts(updates.clients[row], updates.round)) rows.push_back(row);
    }
    if (rows.empty()) continue;
    RoundUpdates own = updates;
    own.attackers = rows;
    attack->edit_updates(own);
  }
}

void AttackSequence::edit_dormancy(const ClientRound& round, const DormancyQuestion& question,
                                   DormancyReport& report) {
  each_that_acts(round,
                 [&](Attack& attack) { attack.edit_dormancy(seen(round), question, report); });
}

void AttackSequence::after_round(const GlobalStep& step) {
  for (const auto& attack : attacks_) attack->after_round(step);
}

std::vector<NamedTensor> AttackSequence::state() const {
  std::vector<NamedTensor> all;
  for (std::size_t i = 0; i < attacks_.size(); ++i) {
    append_state(std::to_string(i) + ".", attacks_[i]->state(), all);
  }
  return all;
}

void AttackSequence::restore(const std::vector<NamedTensor>& state) {
  for (std::size_t i = 0; i < attacks_.size(); ++i) {
    attacks_[i]->restore(part_of_state(std::to_string(i) + ".", state));
  }
}

}  // namespace redoubt
