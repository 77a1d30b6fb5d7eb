#include "fl/federation.h"

#include <algorithm>
#include <cmath>
#include <new>

#include "base/check.h"
#include "fl/attack/attack.h"
#include "fl/client_sampling.h"
#include "fl/state.h"
#include "kernels/profile.h"
#include "kernels/terms.h"

namespace redoubt {

namespace {

/// Names of tensors in checkpoints; the rule's own follow the first, an attack's the second.
const std::string kRuleState = "rule.";
std::string attack_state(std::size_t attack) { return "attack" + std::to_string(attack) + "."; }
const std::string kLastStep = "last_step";

}  // namespace

/// Σ weight · update over the waves so far, in double, so that a round's result does not depend on
/// how it was cut into waves.
struct Federation::WaveSum {
  Buffer<double> weighted;  ///< on the device
  double weight = 0;
};

Federation::Federation(Executor& executor, std::vector<Client> clients,
                       std::unique_ptr<AggregationRule> rule, const FederationSettings& settings,
                       std::uint64_t seed)
    : executor_(executor),
      clients_(std::move(clients)),
      rule_(std::move(rule)),
      settings_(settings),
      seed_(seed),
      attacks_(attacks()) {
  const int participants = settings_.clients_per_round.value_or(static_cast<int>(clients_.size()));
  if (needs_whole_round() && settings_.wave.value_or(participants) < participants) {
    throw InputError(
        "federation.wave is " + std::to_string(*settings_.wave) + "; the " +
        (rule_->streams() ? "attackers who act together need" : "aggregation rule needs") +
        " all " + std::to_string(participants) + " updates of a round at once");
  }
}

std::vector<std::shared_ptr<Attack>> Federation::attacks() const {
  std::vector<std::shared_ptr<Attack>> all;
  for (const Client& client : clients_) {
    if (client.attack && std::find(all.begin(), all.end(), client.attack) == all.end()) {
      all.push_back(client.attack);
    }
  }
  return all;
}

bool Federation::needs_whole_round() const {
  return !rule_->streams() || std::any_of(attacks_.begin(), attacks_.end(), [](const auto& attack) {
    return attack->needs_whole_round();
  });
}

std::vector<NamedTensor> Federation::state() const {
  std::vector<NamedTensor> tensors;
  append_state(kRuleState, rule_->state(), tensors);
  for (std::size_t i = 0; i < attacks_.size(); ++i) {
    append_state(attack_state(i), attacks_[i]->state(), tensors);
  }
  if (last_step_.count() > 0) {
    tensors.push_back(
        {.name = kLastStep, .shape = {last_step_.count()}, .values = last_step_.download()});
  }
  return tensors;
}

void Federation::restore(const std::vector<NamedTensor>& state) {
  last_step_ = {};
  for (const NamedTensor& tensor : state) {
    if (tensor.name != kLastStep) continue;
    if (std::ssize(tensor.values) != executor_.network().layout().row_size()) {
      throw InputError("the last step has another size than the model");
    }
    last_step_ = {executor_.device(), std::span<const float>(tensor.values)};
  }
  rule_->restore(part_of_state(kRuleState, state));
  for (std::size_t i = 0; i < attacks_.size(); ++i) {
    attacks_[i]->restore(part_of_state(attack_state(i), state));
  }
}

std::vector<int> Federation::everyone() const {
  return sample_clients(static_cast<int>(clients_.size()), {}, seed_, 0);
}

std::vector<int> Federation::participants_of(int round) const {
  return sample_clients(static_cast<int>(clients_.size()), settings_.clients_per_round, seed_,
                        round);
}

Federation::RoundPlan Federation::plan_round(int round, std::span<const int> selected,
                                             const float* global, float learning_rate) const {
  std::vector<int> attackers;
  for (const int id : selected) {
    if (clients_[id].attacks_in(round)) attackers.push_back(id);
  }
  return {.round = round,
          .participants = static_cast<int>(selected.size()),
          .attackers = std::move(attackers),
          .global = global,
          .learning_rate = learning_rate};
}

ClientRound Federation::client_round(const Client& client, const RoundPlan& plan) const {
  return {.client = client.id,
          .round = plan.round,
          .participants = plan.participants,
          .attackers = static_cast<int>(plan.attackers.size()),
          .server_lr = settings_.server_lr,
          .global = plan.global,
          .last_step = last_step_.count() > 0 ? last_step_.data() : nullptr};
}

int Federation::wave_rows(int participants) const {
  if (settings_.wave) return std::min(*settings_.wave, participants);
  if (needs_whole_round()) return participants;
  // On a CPU results do not depend on waves, and its memory is shared with others. On a GPU the
  // waves may not depend on what else it holds. Never fewer rows than threads, nor more than a grid
  // has replicas.
  const bool cuda = is_cuda(executor_.device());
  const MemorySize memory = memory_size(executor_.device());
  const double bytes =
      cuda ? 0.5 * static_cast<double>(memory.all) : 0.25 * static_cast<double>(memory.free);
  const std::size_t row_bytes = executor_.client_bytes(state_rows_of(settings_.local.optimizer));
  const int fitting = static_cast<int>(std::min(bytes / static_cast<double>(row_bytes), 65535.0));
  const int most = std::max(fitting, executor_.threads());
  // Waves of nearly equal size.
  const int waves = (participants + most - 1) / most;
  return (participants + waves - 1) / waves;
}

Buffer<float> Federation::copy_of(const Buffer<float>& row) {
  Buffer<float> copy(executor_.device(), row.count());
  executor_.context().copy_on_device(copy.data(), row.data(), row.bytes());
  return copy;
}

void Federation::tell_attacks(const GlobalModel& model, const Buffer<float>& before, int round) {
  // Where it is there, it stays where it is: steps that look at it are recorded once.
  if (last_step_.count() == 0) last_step_ = Buffer<float>(executor_.device(), before.count());
  executor_.context().copy_on_device(last_step_.data(), model.row.data(), model.row.bytes());
  kernels::subtract_row(executor_.context(), {.rows = 1, .columns = before.count()}, before.data(),
                        {last_step_.data(), 0});
  for (const auto& attack : attacks_) {
    attack->after_round({.context = executor_.context(),
                         .round = round,
                         .size = before.count(),
                         .global = model.row.data(),
                         .step = last_step_.data()});
  }
}

RoundReport Federation::run_round(GlobalModel& model, int round, float learning_rate) {
  const kernels::ProfileRange range(executor_.device(), ("round " + std::to_string(round)).c_str());
  const std::vector<int> selected = participants_of(round);
  const int participants = static_cast<int>(selected.size());
  const RoundPlan plan = plan_round(round, selected, model.row.data(), learning_rate);
  RoundReport report = {.participants = participants, .attackers = plan.attackers, .training = {}};
  WaveSum sum = {.weighted = Buffer<double>(executor_.device(), model.row.count())};

  const int rows = wave_rows(participants);
  for (int first = 0; first < participants; first += rows) {
    const int count = std::min(rows, participants - first);
    run_wave(model, std::span(selected).subspan(first, count), plan, sum, report);
  }

  Buffer<float> before;
  if (!attacks_.empty()) before = copy_of(model.row);
  if (sum.weight > 0) {
    step_along(sum, model);
    report.raised_statistics = raise_statistics(model);
  }
  if (!attacks_.empty()) tell_attacks(model, before, round);
  return report;
}

/// global ← global + η · Σ weight · update / Σ weight. A statistic is the clients' mean, whatever
/// η: a step beyond it would be no variance.
void Federation::step_along(const WaveSum& sum, GlobalModel& model) {
  const auto step = [&](std::span<const ColumnRange> ranges, float factor) {
    for (const ColumnRange& range : ranges) {
      kernels::add_mean(executor_.context(), range.size, factor, sum.weight,
                        sum.weighted.data() + range.offset, model.row.data() + range.offset);
    }
  };
  step(executor_.network().trained_ranges(), settings_.server_lr);
  step(executor_.network().statistic_ranges(), 1);
  if (!model.keeps_zeros()) return;
  // Whatever attackers have sent there.
  kernels::mask_gradients(executor_.context(), {.replicas = 1, .size = model.row.count()},
                          model.kept.data(), {model.row.data(), 0});
}

/// What attackers or a rule have moved below the least that it can be becomes that; how many
/// numbers.
std::int64_t Federation::raise_statistics(GlobalModel& model) {
  std::int64_t raised = 0;
  for (const ParameterSpan& span : executor_.network().layout().spans()) {
    if (!span.least) continue;
    std::vector<float> values(static_cast<std::size_t>(span.size));
    float* const own = model.row.data() + span.offset;
    const std::size_t bytes = values.size() * sizeof(float);
    executor_.context().copy_to_host(values.data(), own, bytes);
    const auto below = std::count_if(values.begin(), values.end(),
                                     [&](float value) { return value < *span.least; });
    if (below == 0) continue;
    for (float& value : values) value = std::max(value, *span.least);
    executor_.context().copy_to_device(own, values.data(), bytes);
    raised += below;
  }
  return raised;
}

void Federation::run_wave(GlobalModel& model, std::span<const int> wave, const RoundPlan& plan,
                          WaveSum& sum, RoundReport& report) {
  try {
    train_wave(model, wave, plan, report);
  } catch (const std::bad_alloc& error) {
    throw InputError("training " + std::to_string(wave.size()) + " clients side by side on " +
                     to_string(executor_.device()) + " needs more memory than there is (" +
                     error.what() + ")" +
                     (wave.size() > 1 && !needs_whole_round()
                          ? "; set federation.wave to less than " + std::to_string(wave.size())
                          : "; a smaller model, batch or number of clients a round needs less"));
  }
  add_aggregate(model, wave, plan, sum, report);
}

namespace {

/// Numbers of one name add up; anything else stands by itself.
void add_diagnostics(Aggregate& aggregate, RoundReport& report) {
  std::move(aggregate.tensors.begin(), aggregate.tensors.end(), std::back_inserter(report.tensors));
  if (aggregate.removed) {
    if (!report.removed) report.removed.emplace();
    report.removed->insert(report.removed->end(), aggregate.removed->begin(),
                           aggregate.removed->end());
  }
  for (const auto& [name, value] : aggregate.diagnostics) {
    const auto same =
        std::find_if(report.diagnostics.begin(), report.diagnostics.end(),
                     [&name = name](const auto& other) { return other.first == name; });
    if (same == report.diagnostics.end()) {
      report.diagnostics.emplace_back(name, value);
    } else if (const auto* number = std::get_if<double>(&value)) {
      std::get<double>(same->second) += *number;
    } else {
      std::get<std::int64_t>(same->second) += std::get<std::int64_t>(value);
    }
  }
}

/// A weight that is no number would be the model's, too; a negative one would freeze or turn it.
void check_weights(const std::string& rule, const std::vector<double>& weights,
                   std::span<const int> clients) {
  check(weights.size() == clients.size(), "a rule weighs every row");
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] >= 0 && std::isfinite(weights[i])) continue;
    throw InputError("the aggregation rule " + rule + " gave client " + std::to_string(clients[i]) +
                     " the weight " + std::to_string(weights[i]) +
                     "; weights are finite and not negative");
  }
}

}  // namespace

std::vector<std::size_t> Federation::keep_finite(std::size_t wave) {
  Context& context = executor_.context();
  const kernels::MatrixShape shape = {.rows = static_cast<int>(wave), .columns = fleet_->pitch()};
  std::vector<std::uint8_t> finite(wave);
  kernels::finite_rows(context, shape, fleet_->values(), finite);
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < wave; ++i) {
    if (finite[i] == 0) continue;
    if (kept.size() != i) {
      context.copy_on_device(fleet_->values()[static_cast<int>(kept.size())],
                             fleet_->values()[static_cast<int>(i)],
                             static_cast<std::size_t>(shape.columns) * sizeof(float));
    }
    kept.push_back(i);
  }
  return kept;
}

void Federation::add_aggregate(const GlobalModel& model, std::span<const int> wave,
                               const RoundPlan& plan, WaveSum& sum, RoundReport& report) {
  // Rows that are not finite leave the matrix before the rule sees it.
  const std::vector<std::size_t> kept = keep_finite(wave.size());
  report.rejected += static_cast<int>(wave.size() - kept.size());
  if (kept.empty()) return;
  if (std::ssize(kept) < rule_->least_updates()) report.needed_updates = rule_->least_updates();
  std::vector<int> ids;
  std::vector<double> counts;
  for (const std::size_t i : kept) {
    ids.push_back(wave[i]);
    counts.push_back(static_cast<double>(clients_[wave[i]].samples.size()));
  }
  const UpdateMatrix updates = {
      .shape = {.rows = static_cast<int>(kept.size()), .columns = fleet_->pitch()},
      .matrix = fleet_->values(),
      .sample_counts = counts,
      .clients = ids,
      .global = model.row.data(),
      .mask = model.mask.data(),
      .kept = model.kept_or_null(),
      .inputs = model.inputs,
      .round = plan.round,
      .learning_rate = plan.learning_rate,
      .trained_ranges = executor_.network().trained_ranges(),
      .statistic_ranges = executor_.network().statistic_ranges(),
      .trained_tensors = executor_.network().trained_tensors()};
  Aggregate aggregate = rule_->aggregate(executor_.context(), updates);
  add_diagnostics(aggregate, report);
  if (aggregate.combined.count() > 0) {
    add_combined(aggregate, updates, sum, report);
    return;
  }
  check_weights(rule_->name(), aggregate.row_weights, ids);
  kernels::add_weighted_rows(executor_.context(), updates.shape, aggregate.row_weights,
                             updates.matrix, sum.weighted.data());
  for (const double weight : aggregate.row_weights) {
    sum.weight += weight;
    report.used += weight > 0 ? 1 : 0;
  }
}

void Federation::add_combined(const Aggregate& aggregate, const UpdateMatrix& updates, WaveSum& sum,
                              RoundReport& report) {
  const std::int64_t columns = updates.shape.columns;
  check(!rule_->streams(), "a rule that streams answers with row weights");
  check(aggregate.combined.count() == columns, "a combined row has every column");
  std::uint8_t finite = 0;
  kernels::finite_rows(executor_.context(), {.rows = 1, .columns = columns},
                       {aggregate.combined.data(), 0}, {&finite, 1});
  if (finite == 0) {
    throw InputError("the aggregation rule " + rule_->name() +
                     " combined finite updates to a row that is not finite");
  }
  report.used +=
      updates.shape.rows - (aggregate.removed ? static_cast<int>(aggregate.removed->size()) : 0);
  const double all = 1;
  kernels::add_weighted_rows(executor_.context(), {.rows = 1, .columns = columns}, {&all, 1},
                             {aggregate.combined.data(), 0}, sum.weighted.data());
  sum.weight = all;
}

}  // namespace redoubt
