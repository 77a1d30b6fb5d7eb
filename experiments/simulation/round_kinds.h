// Which records are of rounds, by Record::stage.
#pragma once

#include <string>
#include <string_view>

namespace redoubt::experiments {

/// A round of training.
inline constexpr const char* kRound = "round";
/// After training, the best of its rounds tested again (federation.keep: best).
inline constexpr const char* kBestRound = "best_round";

/// A named pipeline that ended early, its note saying why.
inline constexpr const char* kFailed = "failed";
/// What the end of training is called for readers, be it a round or the best one.
inline constexpr const char* kTraining = "training";

/// A round that a stage trains: "fine_tune_round".
inline std::string round_of(const std::string& stage) { return stage + "_round"; }

/// A round of training, or the best of them.
inline bool is_of_training(std::string_view kind) { return kind == kRound || kind == kBestRound; }
/// Any of those above; all else is a stage.
inline bool is_round(std::string_view kind) {
  return is_of_training(kind) || kind.ends_with("_round");
}

}  // namespace redoubt::experiments
