// Federated pruning (Wu et al. 2020, section IV-A): clients report how dormant a conv layer's
// channels are on their data, the server orders the channels by their votes and silences them in
// that order until accuracy would fall too far.
#pragma once

#include <vector>

#include "base/keys.h"
#include "defense/stage.h"

namespace redoubt {

/// Federated pruning (Wu et al. 2020, section IV-A).
struct PruneSettings {
  enum class Vote : std::uint8_t {
    ranking,   ///< RAP: clients report ranks of dormancy; the mean rank decides
    majority,  ///< MVP: clients vote for their share `rate` of most dormant channels; votes decide
  };
  friend constexpr Names<Vote, 2> names_of(Vote) {
    return {{{"ranking", Vote::ranking}, {"majority", Vote::majority}}};
  }
  /// Majority votes tie often.
  enum class Ties : std::uint8_t {
    mean_rank,  ///< by the mean rank, which clients then report beside their votes
    index,      ///< by channel index
  };
  friend constexpr Names<Ties, 2> names_of(Ties) {
    return {{{"mean-rank", Ties::mean_rank}, {"index", Ties::index}}};
  }
  Vote vote = Vote::ranking;
  double rate = 0.5;  ///< majority vote only: share p of the layer's channels a client votes for
  Ties ties = Ties::mean_rank;  ///< majority vote only
  std::string layer = "last";   ///< a conv layer's name, or "last"
  Judge judge = Judge::automatic;
  StopRule stop = {.accuracy_drop = 0.01};
  std::optional<int> channels = {};  ///< prune exactly so many and ask no judge
  bool operator==(const PruneSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("vote", s.vote,
            "what clients report: ranking, each channel's rank of dormancy, or majority, which "
            "channels they would prune");
    auto majority = v.when("vote", s.vote, Vote::majority);
    majority.field(
        "rate", s.rate,
        "share of the layer's channels, of those not pruned yet, that a client votes for",
        inside(0, 1));
    majority.field(
        "ties", s.ties,
        "what orders channels with equal votes: the mean rank, which clients report too, or "
        "the index");
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("channels", s.channels,
            "prune exactly so many channels and judge nothing; null: as far as the stop rule lets",
            at_least(0));
    auto sweep = v.when_null("channels", s.channels);
    sweep.field("judge", s.judge, kJudgeMeaning);
    sweep.anew("stop", s.stop,
               "how far pruning may go: up to the last level before the first that loses more");
  }
};

/// RAP: channels by the mean of the ranks that clients report, most dormant first, ties by index.
std::vector<int> ranking_vote(const std::vector<DormancyReport>& reports);

/// MVP: channels by the number of clients that would prune them, most votes first; ties by the mean
/// rank or by index.
std::vector<int> majority_vote(const std::vector<DormancyReport>& reports,
                               PruneSettings::Ties ties);

class Prune : public Stage {
 public:
  static constexpr const char* kName = "prune";
  static constexpr const char* kDescription = "silence the channels that clients vote dormant";
  using Settings = PruneSettings;

  static constexpr bool kAsksForDormancy = true;

  explicit Prune(const PruneSettings& settings) : settings_(settings) {}
  /// Throws InputError if a layer is not there or would have no channel left.
  static void check(const PruneSettings& settings, StageConditions& conditions);
  std::string name() const override { return kName; }
  std::optional<Record> run(Server& server, const StageProgress& progress) const override;

 private:
  PruneSettings settings_;
};

}  // namespace redoubt
