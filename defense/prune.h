// Federated pruning (Wu et al. 2020, section IV-A): clients report how dormant a conv layer's
// channels are on their data, the server orders the channels by their votes and silences them in
// that order until accuracy would fall too far.
#pragma once

#include <vector>

#include "defense/stage.h"

namespace redoubt {

/// RAP: channels by the mean of the ranks that clients report, most dormant first, ties by index.
std::vector<int> ranking_vote(const std::vector<DormancyReport>& reports);

/// MVP: channels by the number of clients that would prune them, most votes first; ties by the mean
/// rank or by index.
std::vector<int> majority_vote(const std::vector<DormancyReport>& reports,
                               PruneSettings::Ties ties);

class Prune : public Stage {
 public:
  explicit Prune(const PruneSettings& settings) : settings_(settings) {}
  std::string name() const override { return "prune"; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  PruneSettings settings_;
};

}  // namespace redoubt
