#include "defense/judge.h"

#include <cmath>

#include "base/check.h"

namespace redoubt {

std::vector<Evaluation> judge(Server& server, const ModelVariants& variants, Judge who,
                              const StopRule& stop) {
  if (who == Judge::automatic) who = server.has_validation() ? Judge::validation : Judge::clients;
  if (who == Judge::validation) {
    if (!server.has_validation()) {
      throw InputError(
          "the judge is \"validation\", but the server holds no validation images; set "
          "data.validation_samples or judge: clients");
    }
    return server.validate(variants);
  }
  if (stop.loss_rise) {
    throw InputError(
        "stop.loss_rise needs the server's validation images: clients report accuracy only");
  }
  return server.ask_clients(variants);
}

int last_tolerable(const std::vector<Evaluation>& levels, const StopRule& stop) {
  // A level that loses exactly what is allowed is tolerable, however its quotients are rounded; one
  // that is not a number is not.
  constexpr double kRounding = 1e-12;
  const auto tolerable = [&](const Evaluation& level) {
    const double accuracy_drop = levels[0].accuracy - level.accuracy;
    const double loss_rise = level.loss - levels[0].loss;
    if (stop.accuracy_drop && !(accuracy_drop <= *stop.accuracy_drop + kRounding)) return false;
    return !stop.loss_rise || loss_rise <= *stop.loss_rise + kRounding;
  };
  std::size_t level = 0;
  while (level + 1 < levels.size() && tolerable(levels[level + 1])) ++level;
  return static_cast<int>(level);
}

LevelChoice choose_level(Server& server, const ModelVariants& variants, std::optional<int> given,
                         Judge who, const StopRule& stop) {
  LevelChoice levels;
  if (given) {
    levels.chosen = *given;
  } else {
    levels.judged = judge(server, variants, who, stop);
    levels.chosen = last_tolerable(levels.judged, stop);
  }
  levels.tested = server.test(variants);
  return levels;
}

void add_curve(Record& record, const LevelChoice& levels, const std::string& axis,
               std::vector<double> numbers) {
  check(numbers.size() == levels.tested.size(), "a curve has a number for each level");
  record.add("level_axis", axis);
  record.add("levels", std::move(numbers));
  std::vector<double> judged_accuracy;
  for (const Evaluation& evaluation : levels.judged) judged_accuracy.push_back(evaluation.accuracy);
  if (!judged_accuracy.empty()) record.add("level_judged_accuracy", judged_accuracy);
  for (const Metric& metric : metrics()) {
    if (metric.measured == nullptr || !metric.share) continue;
    std::vector<double> figures;  // NaN at levels that have none
    bool known = false;
    for (const TestResult& result : levels.tested) {
      const std::optional<double> figure = metric.measured(result);
      figures.push_back(figure.value_or(NAN));
      known = known || figure;
    }
    if (known) record.add("level_" + std::string(metric.name), figures);
  }
  record.add("level_chosen", std::int64_t{levels.chosen});
}

}  // namespace redoubt
