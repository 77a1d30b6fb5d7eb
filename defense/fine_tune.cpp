#include "defense/fine_tune.h"

#include "defense/judge.h"

namespace redoubt {

std::optional<Record> FineTune::run(Server& server, const StageProgress& progress) const {
  const float learning_rate = settings_.learning_rate.value_or(progress.last_learning_rate);
  for (int done = progress.rounds_done; done < settings_.rounds; ++done) {
    const int round = server.next_round();
    const RoundReport report = server.train_round(learning_rate);
    if (progress.on_round && !progress.on_round(round, report)) return std::nullopt;
  }
  Record record = {.stage = name(), .values = {}};
  add_test_result(record, server.test(server.model().variant()).front());
  record.add("rounds", std::int64_t{settings_.rounds});
  record.note = std::to_string(settings_.rounds) + " rounds";
  return record;
}

}  // namespace redoubt
