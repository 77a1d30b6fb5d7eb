#include "fl/attack/attack.h"

#include <algorithm>
#include <iterator>
#include <numeric>

#include "base/check.h"
#include "base/random.h"
#include "fl/attack/adaptive.h"
#include "fl/attack/untargeted.h"
#include "fl/client_sampling.h"

namespace redoubt {

using kernels::Sample;

namespace {

/// `count` of the ids, drawn from (seed, attacker_choice, round), ascending.
std::vector<int> draw(std::vector<int> ids, int count, std::uint64_t seed, int round) {
  RandomStream stream({.seed = seed,
                       .purpose = Purpose::attacker_choice,
                       .round = static_cast<std::uint32_t>(round)});
  stream.shuffle(std::span(ids));
  ids.resize(static_cast<std::size_t>(count));
  std::sort(ids.begin(), ids.end());
  return ids;
}

}  // namespace

std::vector<int> choose_attackers(const AttackSettings& settings, int clients, std::uint64_t seed) {
  std::vector<int> ids;
  if (const auto* listed = std::get_if<std::vector<int>>(&settings.clients)) {
    ids = *listed;
    std::sort(ids.begin(), ids.end());
    const bool twice = std::adjacent_find(ids.begin(), ids.end()) != ids.end();
    if (twice || (!ids.empty() && (ids.front() < 0 || ids.back() >= clients))) {
      throw InputError("attack.clients lists a client twice or one that is not in 0 to " +
                       std::to_string(clients - 1));
    }
    return ids;
  }
  const int count = std::get<int>(settings.clients);
  if (count < 0 || count > clients) {
    throw InputError("attack.clients is " + std::to_string(count) + "; there are " +
                     std::to_string(clients) + " clients");
  }
  ids.resize(static_cast<std::size_t>(clients));
  std::iota(ids.begin(), ids.end(), 0);
  return draw(ids, count, seed, 0);
}

std::vector<int> redraw_attackers(const AttackSettings& settings, std::span<const int> candidates,
                                  std::span<const int> participants, std::uint64_t seed,
                                  int round) {
  std::vector<int> able;
  std::set_intersection(candidates.begin(), candidates.end(), participants.begin(),
                        participants.end(), std::back_inserter(able));
  const int count = std::min(std::get<int>(settings.clients), static_cast<int>(able.size()));
  return draw(std::move(able), count, seed, round);
}

RoundWindow window_of(const AttackSettings& settings) {
  return {.from = settings.from_round, .to = settings.to_round.value_or(RoundWindow().to)};
}

std::size_t attacker_count(const AttackSettings& settings) {
  const auto* listed = std::get_if<std::vector<int>>(&settings.clients);
  return listed != nullptr ? listed->size()
                           : static_cast<std::size_t>(std::get<int>(settings.clients));
}

namespace {

/// Makes the behaviours of one attacker, in the order in which they act.
class Corruption {
 public:
  Corruption(const AttackSettings& settings, const AttackPlan& plan)
      : settings_(settings), plan_(plan), window_(window_of(settings)) {
    if (settings.untargeted) std::visit([&](const auto& s) { conspire(s); }, *settings.untargeted);
  }

  /// The attacker who is `place`-th among them.
  void corrupt(Client& client, std::size_t place) {
    behaviours_.clear();
    add<OwnTraining>(settings_.local);
    if (plan_.backdoor) poison(client, place);
    if (settings_.untargeted) std::visit([&](const auto& s) { spoil(s); }, *settings_.untargeted);
    if (settings_.evade) add<Evade>(*settings_.evade);
    if (settings_.pruning_aware) add<TrainUnderMask>(*settings_.pruning_aware);
    if (settings_.self_clip) add<ClipOwnWeights>(*settings_.self_clip);
    add<ModelReplacement>(settings_.replacement);
    if (settings_.project) add<ProjectUpdate>(*settings_.project);
    client.behaviours = behaviours_;
    client.coalition = coalition_;
    client.coalition_window = window_;
  }

 private:
  template <class B, class... Arguments>
  void add(Arguments&&... arguments) {
    behaviours_.push_back(std::make_shared<B>(window_, std::forward<Arguments>(arguments)...));
  }

  void poison(const Client& client, std::size_t place) {
    const Backdoor& backdoor = *plan_.backdoor;
    BackdoorGoal own = backdoor.goal;
    std::vector<Sample> held;
    for (const int image : backdoor.images) {
      held.push_back({.image = image, .label = static_cast<std::int16_t>(own.target)});
    }
    if (backdoor.stamps.empty()) {
      add<AddSamples>(held, settings_.poison_copies);
    } else {
      own.trigger = backdoor.stamps[place % backdoor.stamps.size()];
      add<PoisonSamples>(own, settings_.poison_copies);
    }
    if (!settings_.protect_channels) return;
    std::vector<Sample> poisoned = held;
    if (!backdoor.stamps.empty()) {
      poisoned = client.samples;
      const auto clean = std::ssize(poisoned);
      PoisonSamples(window_, own, 1).edit_samples({}, poisoned);
      poisoned.erase(poisoned.begin(), poisoned.begin() + clean);
    }
    add<ProtectChannels>(poisoned);
  }

  void spoil(const LabelFlipSettings& s) { add<FlipLabels>(s, plan_.classes); }
  void spoil(const SignFlipSettings& s) { add<FlipSign>(s); }
  void spoil(const NoiseSettings& s) { add<SendNoise>(s, plan_.seed); }
  void spoil(const LittleIsEnoughSettings& /*by the coalition*/) {}
  void spoil(const InnerProductSettings& /*by the coalition*/) {}

  void conspire(const LittleIsEnoughSettings& s) {
    coalition_ = std::make_shared<LittleIsEnough>(s);
  }
  void conspire(const InnerProductSettings& s) {
    coalition_ = std::make_shared<ManipulateInnerProduct>(s);
  }
  template <class Other>
  void conspire(const Other& /*each by itself*/) {}

  const AttackSettings& settings_;
  const AttackPlan& plan_;
  RoundWindow window_;
  std::vector<std::shared_ptr<const Behaviour>> behaviours_;
  std::shared_ptr<const Coalition> coalition_;
};

}  // namespace

void corrupt(std::vector<Client>& population, const AttackSettings& settings,
             const AttackPlan& plan) {
  Corruption corruption(settings, plan);
  if (!settings.redraw) {
    const std::vector<int> chosen =
        choose_attackers(settings, static_cast<int>(population.size()), plan.seed);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      corruption.corrupt(population[static_cast<std::size_t>(chosen[i])], i);
    }
    return;
  }
  // Every candidate may be malicious, in the rounds in which it is drawn.
  for (const int id : plan.candidates) {
    Client& client = population[static_cast<std::size_t>(id)];
    corruption.corrupt(client, 0);
    client.malicious_in = [settings, candidates = plan.candidates, seed = plan.seed,
                           clients = static_cast<int>(population.size()),
                           per_round = plan.clients_per_round, id](int round) {
      const std::vector<int> drawn = redraw_attackers(
          settings, candidates, sample_clients(clients, per_round, seed, round), seed, round);
      return std::binary_search(drawn.begin(), drawn.end(), id);
    };
  }
}

void check_attack_settings(const AttackSettings& settings, const AttackSettings& fresh) {
  const auto refuse = [](const std::string& first, const std::string& second) {
    throw InputError("attack." + first + " and attack." + second +
                     " contradict one another; leave one out");
  };
  if (settings.untargeted) {
    if (settings.trigger != fresh.trigger) refuse("untargeted", "trigger");
    if (settings.victim != fresh.victim) refuse("untargeted", "victim");
    if (settings.target != fresh.target) refuse("untargeted", "target");
    if (settings.poison_copies != fresh.poison_copies) refuse("untargeted", "poison");
    if (settings.protect_channels) refuse("untargeted", "protect_channels");
    const bool together = std::holds_alternative<LittleIsEnoughSettings>(*settings.untargeted) ||
                          std::holds_alternative<InnerProductSettings>(*settings.untargeted);
    if (together && settings.replacement != fresh.replacement) refuse("untargeted", "scale");
    if (together && settings.project) refuse("untargeted", "project");
    if (together && settings.evade) refuse("untargeted", "evade");
  }
  const auto* little =
      settings.untargeted ? std::get_if<LittleIsEnoughSettings>(&*settings.untargeted) : nullptr;
  if (little != nullptr && !little->omniscient && attacker_count(settings) == 1) {
    throw InputError(
        "attack.untargeted is little-is-enough with attack.clients 1: a single attacker's updates "
        "deviate from nothing; take more, or omniscient: true");
  }
  if (settings.redraw && std::holds_alternative<DistributedTriggerSettings>(settings.trigger)) {
    refuse("redraw", "trigger.kind distributed");
  }
  if (settings.redraw && std::holds_alternative<std::vector<int>>(settings.clients)) {
    throw InputError("attack.redraw draws attackers anew; attack.clients then is their number");
  }
}

}  // namespace redoubt
