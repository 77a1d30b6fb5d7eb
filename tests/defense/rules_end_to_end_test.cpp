// Whole small experiments: each attack succeeds where nobody defends (a case of its own, so that it
// runs once for all rules), each rule changes what the attack it is meant for does, and costs
// little where nobody attacks. Limits are far from what is usual; the figures are printed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iomanip>
#include <iostream>

#include "experiments/file/experiment_file.h"
#include "experiments/simulation/simulation.h"

namespace redoubt::test {
namespace {

/// The last record of a run.
class Last : public experiments::SimulationObserver {
 public:
  void record(const Record& record, double /*images_per_second*/) override { last = record; }
  Record last;
};

struct Figures {
  double accuracy = 0;
  double attack_success_rate = 0;
  std::int64_t removed_attackers = -1;
};

/// Ten clients with synthetic images train for six rounds; the attack, if there is one, acts in the
/// last.
const std::string kBase = R"(
name: rules
device: cpu
threads: 2
data: {dataset: synthetic-gray, train_samples: 1000, validation_samples: 200}
model:
  layers: [{conv: {channels: 8, kernel: 5}}, relu, {max_pool: 2},
           {conv: {channels: 16, kernel: 5}}, relu, {max_pool: 2}, {dense: 32}, relu, {dense: 10}]
federation:
  clients: 10
  rounds: 6
  local: {epochs: 2, batch: 20, optimizer: {kind: sgd, lr: 0.05, momentum: 0.7}}
)";

Figures run(const std::string& label, int seed, std::vector<std::string> overrides) {
  overrides.push_back("seed=" + std::to_string(seed));
  Last observer;
  experiments::Simulation simulation(experiments::parse_experiment(kBase, "test", overrides));
  simulation.run(observer);
  const auto number = [&](const char* name) {
    const RecordValue* value = observer.last.find(name);
    return value == nullptr ? 0 : std::get<double>(*value);
  };
  Figures figures = {.accuracy = number("accuracy"),
                     .attack_success_rate = number("attack_success_rate")};
  if (const RecordValue* removed = observer.last.find("removed_attackers")) {
    figures.removed_attackers = std::get<std::int64_t>(*removed);
  }
  std::cout << std::fixed << std::setprecision(1) << std::left << std::setw(34) << label << " seed "
            << seed << "  " << 100 * figures.accuracy << " / " << 100 * figures.attack_success_rate
            << "\n";
  return figures;
}

/// Two attackers in one round at the end, who nearly replace the model.
const std::string kReplacement =
    "attack={clients: 2, trigger: {kind: pattern, row: 1, column: 1}, victim: 9, target: 1, "
    "poison: {copies: 4}, scale: {shared: 10}, local: {epochs: 5}, from_round: 6}";
/// Three who send the opposite once the model knows something.
const std::string kSignFlip =
    "attack={clients: 3, untargeted: {sign-flip: {factor: 4}}, from_round: 4}";
/// Three sybils who train on stamped images of every class, far more often than on clean ones.
const std::string kSybils =
    "attack={clients: 3, trigger: {kind: pattern, row: 1, column: 1}, victim: all, target: 1, "
    "poison: {copies: 10}, scale: 1}";

/// One who sends the opposite of twenty.
const std::string kSignFlipOfOne = "attack={clients: 1, untargeted: {sign-flip: {factor: 20}}}";
/// FoolsGold is made for clients who differ.
const std::string kUnlike = "data.partition={kind: dirichlet, alpha: 0.3}";
const std::string kAlike = "data.partition=iid";

struct RuleUnderAttack {
  std::string rule;
  std::string attack;  ///< one that attacks() has, too
  bool backdoor;       ///< the attack is measured by its success, else by accuracy
  double limit;        ///< most success of the attack, or least accuracy, under the rule
  double calm = 0.75;  ///< least accuracy under the rule where nobody attacks
  std::string partition = kAlike;
};

std::vector<RuleUnderAttack> cases() {
  return {
      // One client's update a round learns slowly.
      {"{krum: {malicious: 2}}", kReplacement, true, 0.2, 0.5},
      {"{multi-krum: {malicious: 2}}", kReplacement, true, 0.2},
      {"{bulyan: {malicious: 1}}", kSignFlipOfOne, false, 0.75},
      {"{trimmed-mean: {malicious: 2}}", kReplacement, true, 0.3},
      {"median", kReplacement, true, 0.3},
      {"geometric-median", kReplacement, true, 0.3},
      {"{norm-bound: {norm: 1}}", kReplacement, true, 0.3, 0.7},
      {"norm-check", kReplacement, true, 0.2},
      {"accuracy-check", kSignFlip, false, 0.65},
      {"{foolsgold: {features: all}}", kSybils, true, 0.5, 0.4, kUnlike},
      {"spectral", kReplacement, true, 0.2},
      {"{ariba: {suspects: 2}}", kReplacement, true, 0.2},
  };
}

void PrintTo(const RuleUnderAttack& own, std::ostream* out) { *out << own.rule; }

class Defended : public testing::TestWithParam<RuleUnderAttack> {};

TEST_P(Defended, ChangesWhatTheAttackDoesAndCostsLittleWithoutOne) {
  const RuleUnderAttack& own = GetParam();
  const std::string rule = "defense.rule=" + own.rule;
  for (const int seed : {1, 2}) {
    const Figures defended = run(own.rule + ", attacked", seed, {own.attack, own.partition, rule});
    const Figures calm = run(own.rule + ", calm", seed, {own.partition, rule});
    if (own.backdoor) {
      EXPECT_LT(defended.attack_success_rate, own.limit);
    } else {
      EXPECT_GT(defended.accuracy, own.limit);
    }
    EXPECT_GT(calm.accuracy, own.calm);
  }
}

/// Keeps how many attackers (-1: no figure) and others were left out in each round.
class Removals : public experiments::SimulationObserver {
 public:
  void record(const Record& record, double /*images_per_second*/) override {
    const auto count = [&](const char* name) {
      const RecordValue* value = record.find(name);
      return value == nullptr ? -1 : std::get<std::int64_t>(*value);
    };
    removed.emplace_back(count("removed_attackers"), count("removed_benign"));
  }
  std::vector<std::pair<std::int64_t, std::int64_t>> removed;
};

TEST(RemovedAttackers, AreThoseWhoActInTheRound) {
  Removals observer;
  experiments::Simulation simulation(experiments::parse_experiment(
      kBase, "test", {kReplacement, "defense.rule={ariba: {suspects: 2}}"}));
  simulation.run(observer);
  ASSERT_EQ(observer.removed.size(), 6U);
  for (std::size_t round = 0; round < 5; ++round) {
    EXPECT_EQ(observer.removed[round], std::pair(std::int64_t{-1}, std::int64_t{2}));
  }
  EXPECT_EQ(observer.removed[5], std::pair(std::int64_t{2}, std::int64_t{0}));
}

INSTANTIATE_TEST_SUITE_P(Rules, Defended, testing::ValuesIn(cases()), [](const auto& each) {
  std::string name;
  for (const char c : each.param.rule.substr(0, each.param.rule.find(':'))) {
    if (std::isalnum(c) != 0) name += c;
  }
  return name;
});

struct Attack {
  std::string name;
  std::vector<std::string> settings;
  /// Least success, or most accuracy if `spoils`.
  double limit;
  bool spoils = false;
};

std::vector<Attack> attacks() {
  const std::string backdoor =
      "attack={clients: 4, victim: 9, target: 1, poison: {copies: 4}, "
      "scale: 2, local: {epochs: 3}, trigger: ";
  return {
      {"pattern", {backdoor + "{kind: pattern, row: 1, column: 1}}"}, 0.6},
      {"distributed",
       {backdoor + "{kind: distributed, parts: [{row: 1, column: 1, height: 2, width: 3}, {row: 1, "
                   "column: 6, height: 2, width: 3}, {row: 5, column: 1, height: 2, width: 3}, "
                   "{row: 5, column: 6, height: 2, width: 3}]}}"},
       0.6},
      {"targeted", {backdoor + "{kind: targeted, samples: 10}}", "attack.poison.copies=8"}, 0.6},
      {"semantic",
       {backdoor + "{kind: semantic, margin: 5, share: 0.25}}", "data.dataset=synthetic-color",
        "attack.victim=6"},
       0.4},
      {"redrawn", {backdoor + "{kind: pattern, row: 1, column: 1}}", "attack.redraw=true"}, 0.6},
      {"evading",
       {backdoor + "{kind: pattern, row: 1, column: 1}}", "attack.evade={metric: l2, rho: 0.02}"},
       0.5},
      {"label_flip",
       {"attack={clients: 6, untargeted: {label-flip: {victim: 9, target: 1}}, scale: 2}"},
       0.5},
      {"mirrored_labels", {"attack={clients: 6, untargeted: label-flip}"}, 0.7, true},
      {"sign_flip", {kSignFlip}, 0.6, true},
      {"noise", {"attack={clients: 2, untargeted: {noise: {deviation: 1}}}"}, 0.6, true},
      {"little_is_enough",
       {"attack={clients: 4, untargeted: {little-is-enough: {shift: 3, omniscient: true}}}"},
       0.9,
       true},
      {"inner_product",
       {"attack={clients: 4, untargeted: {inner-product: {epsilon: 3, omniscient: true}}}"},
       0.6,
       true},
      // What the rules are held against.
      {"replacement", {kReplacement}, 0.6},
      {"sign_flip_of_one", {kSignFlipOfOne}, 0.7, true},
      {"sybils", {kSybils, kUnlike}, 0.6},
  };
}

void PrintTo(const Attack& own, std::ostream* out) { *out << own.name; }

class Undefended : public testing::TestWithParam<Attack> {};

TEST_P(Undefended, SucceedsWhereNobodyDefends) {
  for (const int seed : {1, 2}) {
    const Figures figures = run(GetParam().name, seed, GetParam().settings);
    if (GetParam().spoils) {
      EXPECT_LT(figures.accuracy, GetParam().limit);
    } else {
      EXPECT_GT(figures.attack_success_rate, GetParam().limit);
      EXPECT_GT(figures.accuracy, 0.6) << "the model is of use for the rest";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Attacks, Undefended, testing::ValuesIn(attacks()),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace redoubt::test
