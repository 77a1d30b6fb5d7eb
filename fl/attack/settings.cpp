#include "fl/attack/settings.h"

#include <fmt/format.h>

#include "fl/attack/attackers.h"

namespace redoubt {

namespace {

[[noreturn]] void refuse(const std::string& first, const std::string& second) {
  throw InputError("attack." + first + " and attack." + second +
                   " contradict one another; leave one out");
}

/// What means nothing beside an untargeted attack is as where nobody speaks of it.
void check_untargeted(const AttackSettings& settings, const AttackSettings& fresh,
                      const AttackConditions& conditions) {
  if (settings.trigger != fresh.trigger) refuse("untargeted", "trigger");
  if (settings.victim != fresh.victim) refuse("untargeted", "victim");
  if (settings.target != fresh.target) refuse("untargeted", "target");
  if (settings.poison != fresh.poison) refuse("untargeted", "poison");
  if (settings.protect_channels) refuse("untargeted", "protect_channels");
  Untargeted::with_class(*settings.untargeted, [&]<class Kind>(const auto& own) {
    if constexpr (std::derived_from<Kind, Conspiracy>) {
      // Attackers who send one row do nothing to their own.
      if (settings.of<ModelReplacement>() != fresh.of<ModelReplacement>()) {
        refuse("untargeted", ModelReplacement::kName);
      }
      if (settings.of<ProjectUpdate>()) refuse("untargeted", ProjectUpdate::kName);
      if (settings.of<Evade>()) refuse("untargeted", Evade::kName);
    }
    check_listed<Kind>(own, conditions);
  });
}

/// Attackers lie to the questions of rounds in which they attack.
void check_protection(const AttackSettings& settings, const AttackConditions& conditions) {
  if (!settings.protect_channels || !settings.to_round) return;
  for (const AttackConditions::Question& question : conditions.questions) {
    if (*settings.to_round > question.after_round) continue;
    throw InputError(
        fmt::format("attack.protect_channels lies to {}, which asks after round {}, and "
                    "attack.to_round is {}",
                    question.stage, question.after_round, *settings.to_round));
  }
}

}  // namespace

void check_attack(const AttackSettings& settings, const AttackSettings& fresh,
                  const AttackConditions& conditions) {
  if (attacker_count(settings) == 0) {
    throw InputError("attack.clients names nobody; leave attack out where nobody attacks");
  }
  if (settings.redraw && static_cast<int>(attacker_count(settings)) >
                             conditions.clients_per_round.value_or(conditions.clients)) {
    throw InputError(fmt::format(
        "attack.clients is {}, drawn anew of those in a round; federation.clients_per_round is {}",
        attacker_count(settings), conditions.clients_per_round.value_or(conditions.clients)));
  }
  if (settings.redraw && std::holds_alternative<std::vector<int>>(settings.clients)) {
    throw InputError("attack.redraw draws attackers anew; attack.clients then is their number");
  }
  if (settings.to_round && *settings.to_round < settings.from_round) {
    throw InputError(fmt::format("attack.to_round is {}, before attack.from_round, {}",
                                 *settings.to_round, settings.from_round));
  }
  choose_attackers(settings, conditions.clients, conditions.seed);
  if (settings.untargeted) {
    check_untargeted(settings, fresh, conditions);
  } else {
    conditions.need_goal("attack.", settings.victim, settings.target);
    Triggers::with_class(settings.trigger,
                         [&]<class Kind>(const auto& own) { check_listed<Kind>(own, conditions); });
  }
  Methods::for_each(settings.methods,
                    [&]<class Method>(const auto& own) { check_listed<Method>(own, conditions); });
  check_protection(settings, conditions);
}

std::optional<BackdoorGoal> untargeted_goal(const AttackSettings& settings) {
  if (!settings.untargeted) return {};
  return Untargeted::with_class(*settings.untargeted,
                                []<class Kind>(const auto& own) -> std::optional<BackdoorGoal> {
                                  if constexpr (requires { Kind::goal(own); })
                                    return Kind::goal(own);
                                  return {};
                                });
}

Backdoor plan_backdoor(const AttackSettings& settings, const Dataset& dataset,
                       TriggerTable& triggers, std::uint64_t seed) {
  Backdoor backdoor = {.goal = {.victim = settings.victim, .target = settings.target}};
  BackdoorPlanning planning = {
      .dataset = dataset, .triggers = triggers, .seed = seed, .backdoor = backdoor};
  Triggers::with_class(settings.trigger,
                       [&]<class Kind>(const auto& own) { Kind::plan(own, planning); });
  planning.compare_with_the_untriggered();
  return backdoor;
}

}  // namespace redoubt
