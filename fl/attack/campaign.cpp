#include "fl/attack/campaign.h"

namespace redoubt {

namespace {

std::vector<std::shared_ptr<Attack>> methods_of(const AttackSettings& settings,
                                                const std::optional<Backdoor>& backdoor,
                                                AttackEnvironment environment,
                                                std::shared_ptr<Attack> beside) {
  environment.amplify_statistics = settings.amplify_statistics;
  std::vector<std::shared_ptr<Attack>> methods;
  if (backdoor) {
    methods.push_back(std::make_shared<PoisonSamples>(*backdoor, settings.poison.copies));
    if (settings.protect_channels) methods.push_back(std::make_shared<ProtectChannels>(*backdoor));
  }
  if (settings.untargeted) {
    Untargeted::with_class(*settings.untargeted, [&]<class Kind>(const auto& own) {
      methods.push_back(make_listed<Kind>(own, environment));
    });
  }
  Methods::for_each(settings.methods, [&]<class Method>(const auto& own) {
    methods.push_back(make_listed<Method>(own, environment));
  });
  if (beside) methods.push_back(std::move(beside));
  return methods;
}

}  // namespace

Campaign::Campaign(const AttackSettings& settings, const AttackedPopulation& population,
                   const std::optional<Backdoor>& backdoor, const AttackEnvironment& environment,
                   std::shared_ptr<Attack> beside)
    : AttackSequence(methods_of(settings, backdoor, environment, std::move(beside))),
      attackers_(settings, population) {}

ClientRound Campaign::seen(const ClientRound& round) const {
  ClientRound own = round;
  own.place = attackers_.place(round.client);
  return own;
}

void corrupt(std::vector<Client>& population, const std::shared_ptr<Campaign>& campaign) {
  for (const int id : campaign->attackers().ids()) population[id].attack = campaign;
}

}  // namespace redoubt
