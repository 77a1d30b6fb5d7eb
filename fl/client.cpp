#include "fl/client.h"

namespace redoubt {

void Behaviour::edit_samples(const ClientRound& /*round*/,
                             std::vector<kernels::Sample>& /*samples*/) const {}
void Behaviour::edit_training(const ClientRound& /*round*/, LocalTraining& /*training*/) const {}
void Behaviour::edit_update(const ClientRound& /*round*/, UpdateRow& /*update*/) const {}
void Behaviour::edit_dormancy(const ClientRound& /*round*/, DormancyReport& /*report*/) const {}
void Behaviour::edit_accuracies(const ClientRound& /*round*/,
                                std::span<double> /*accuracies*/) const {}

std::vector<Client> make_population(std::span<const std::vector<int>> partition,
                                    std::span<const std::uint8_t> labels) {
  std::vector<Client> population;
  for (const std::vector<int>& images : partition) {
    Client client = {.id = static_cast<int>(population.size()), .samples = {}};
    for (const int image : images) {
      const std::uint8_t label = labels[static_cast<std::size_t>(image)];
      client.samples.push_back({.image = image, .label = static_cast<std::int16_t>(label)});
    }
    population.push_back(std::move(client));
  }
  return population;
}

}  // namespace redoubt
