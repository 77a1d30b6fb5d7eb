// What an experiment says about the defense.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace redoubt {

/// When a sweep stops: at the first level past the limit; the level before it is taken.
struct StopRule {
  /// Most accuracy that may be lost, as a fraction of 1, against the model before the stage.
  std::optional<double> accuracy_drop = 0.01;
  /// Most mean loss that may be gained. Both may be given.
  std::optional<double> loss_rise = {};
  bool operator==(const StopRule&) const = default;
};

/// Who judges a model during a stage.
enum class Judge : std::uint8_t {
  automatic,   ///< the server if it holds validation images, else the clients
  validation,  ///< the server's validation images
  clients,     ///< the mean of the accuracies that clients report on their own data
};

/// Federated pruning (Wu et al. 2020, section IV-A).
struct PruneSettings {
  enum class Vote : std::uint8_t {
    ranking,   ///< RAP: clients report ranks of dormancy; the mean rank decides
    majority,  ///< MVP: clients vote for their share `rate` of most dormant channels; votes decide
  };
  /// Majority votes tie often.
  enum class Ties : std::uint8_t {
    mean_rank,  ///< by the mean rank, which clients then report beside their votes
    index,      ///< by channel index
  };
  Vote vote = Vote::ranking;
  double rate = 0.5;  ///< majority vote only: share p of the layer's channels a client votes for
  Ties ties = Ties::mean_rank;  ///< majority vote only
  std::string layer = "last";   ///< a conv layer's name, or "last"
  Judge judge = Judge::automatic;
  StopRule stop = {};
  std::optional<int> channels = {};  ///< prune exactly so many and ask no judge
  bool operator==(const PruneSettings&) const = default;
};

/// Federated fine-tuning (section IV-B): training rounds under the masks, the attacker still among
/// the clients.
struct FineTuneSettings {
  int rounds = 10;
  std::optional<float> learning_rate = {};  ///< absent: what the training rounds ended with
  bool operator==(const FineTuneSettings&) const = default;
};

/// Adjusting extreme weights (section IV-C): weights of a conv layer outside μ ± Δσ become 0.
struct AdjustWeightsSettings {
  std::string layer = "last";
  std::optional<double> delta = {};  ///< Δ, fixed; absent: swept downward as below
  double from = 5.0;
  double to = 0.5;
  double step = 0.25;
  Judge judge = Judge::automatic;
  StopRule stop = {};
  bool operator==(const AdjustWeightsSettings&) const = default;
};

/// A stage. The order is that of stage_table().
using StageSettings = std::variant<PruneSettings, FineTuneSettings, AdjustWeightsSettings>;

struct FedAvgSettings {
  bool operator==(const FedAvgSettings&) const = default;
};

/// An aggregation rule. The order is that of rule_table().
using RuleSettings = std::variant<FedAvgSettings>;

struct DefenseSettings {
  RuleSettings rule = {};
  std::vector<StageSettings> after_training;
  bool operator==(const DefenseSettings&) const = default;
};

}  // namespace redoubt
