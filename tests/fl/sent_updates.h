// What clients send in a round of a small federation.
#pragma once

#include <cmath>
#include <memory>
#include <utility>
#include <vector>

#include "fl/attack/method.h"
#include "tests/fl/small_world.h"

namespace redoubt::test {

using Rows = std::vector<std::vector<float>>;

/// Every client's update of one round, as it is sent.
inline Rows sent_updates(SmallWorld& world, std::vector<Client> population, int round = 1,
                         FederationSettings settings = small_settings()) {
  // A rule that keeps what it sees.
  class Keep : public AggregationRule {
   public:
    explicit Keep(Rows& rows) : rows_(rows) {}
    std::string name() const override { return "keep"; }
    Aggregate aggregate(Context& /*context*/, const UpdateMatrix& updates) override {
      for (int r = 0; r < updates.shape.rows; ++r) {
        rows_.emplace_back(updates.matrix[r], updates.matrix[r] + updates.shape.columns);
      }
      return {.row_weights = std::vector<double>(updates.clients.size(), 1.0)};
    }

   private:
    Rows& rows_;
  };
  Rows rows;
  Federation federation =
      world.federation(std::move(population), settings, std::make_unique<Keep>(rows));
  GlobalModel model = world.model();
  federation.run_round(model, round, SmallWorld::kRate);
  return rows;
}

inline double length(const std::vector<float>& row) {
  double sum = 0;
  for (const float x : row) sum += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(sum);
}

inline double cosine(const std::vector<float>& a, const std::vector<float>& b) {
  double dot = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    dot += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return dot / (length(a) * length(b));
}

/// Honest clients but for one, the second.
template <class Method>
std::vector<Client> with_attacker(SmallWorld& world, const std::vector<int>& sizes,
                                  const typename Method::Settings& settings) {
  std::vector<Client> clients = world.clients(sizes);
  clients[1].attack = make_listed<Method>(settings, AttackEnvironment{.network = world.network});
  return clients;
}

}  // namespace redoubt::test
