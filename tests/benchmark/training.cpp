// Whole training steps, rounds and evaluations, on images whose content does not matter.
#include <benchmark/benchmark.h>

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/parallel.h"
#include "engine/executor.h"
#include "engine/train_step.h"
#include "fl/federation.h"
#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/preset_layers.h"
#include "tests/benchmark/subject.h"

namespace redoubt::benchmarks {

namespace {

using kernels::Sample;

constexpr Device kCpu = {};
constexpr int kImages = 6000;
constexpr int kClients = 10;
constexpr Sgd::Settings kOptimizer = {.learning_rate = 0.01F, .momentum = 0.9F};

void count(benchmark::State& state, double flops, double images) {
  const auto rate = [](double amount) {
    return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
  };
  state.counters["FLOP/s"] = rate(flops);
  state.counters["images/s"] = rate(images);
}

/// One client's training steps on one thread, batch after batch.
void measure_step(benchmark::State& state, const std::string& name, int batch) {
  const Subject subject(preset(name), kCpu, kImages);
  Context context(kCpu);
  Workspace workspace(subject.network, kCpu, 1, batch, true);
  Fleet fleet(subject.network.layout(), 1, kOptimizer.state_rows(), kCpu);
  context.copy_to_device(fleet.values()[0], subject.row.data(), subject.row.size() * sizeof(float));
  const std::vector<Sample> samples = subject.samples();
  RandomKey key = {.seed = 1, .purpose = Purpose::dropout};
  kernels::LossTotals totals;
  std::int32_t step = 0;
  for (auto _ : state) {
    const int first = step * batch % (kImages - batch);
    key.step = static_cast<std::uint32_t>(step);
    train_step(
        subject.network, workspace, {.context = context, .batch = batch, .keys = &key},
        subject.store.source(), {samples.data() + first, batch},
        {.values = fleet.values(), .gradients = fleet.gradients(), .first_state = fleet.state(0)},
        {.optimizer = kOptimizer, .step = &step}, &totals);
    ++step;
  }
  benchmark::DoNotOptimize(totals);
  count(state, step_flops(subject.entry, batch), batch);
}

/// A round of federated averaging: every client trains one epoch on its 600 images.
void measure_round(benchmark::State& state, const std::string& name, int batch, int threads) {
  const Subject subject(preset(name), kCpu, kImages);
  Executor executor(subject.network, subject.store.source(), kCpu, threads, batch);
  std::vector<std::vector<int>> partition(kClients);
  for (int i = 0; i < kImages; ++i) partition[i % kClients].push_back(i);
  FederationSettings settings;
  settings.clients = kClients;
  settings.local = {.epochs = 1, .batch = batch, .optimizer = kOptimizer};
  Federation federation(executor, make_population(partition, subject.images.train.labels),
                        std::make_unique<FedAvg>(), settings, 1);
  GlobalModel model(subject.network, subject.row, kCpu);
  int round = 0;
  for (auto _ : state) federation.run_round(model, ++round, kOptimizer.learning_rate);
  // Only real images count, not the padding of a client's last batch.
  count(state, step_flops(subject.entry, 1) * kImages, kImages);
}

void measure_evaluation(benchmark::State& state, const std::string& name, int batch, int threads) {
  const Subject subject(preset(name), kCpu, kImages);
  Executor executor(subject.network, subject.store.source(), kCpu, threads, batch);
  const GlobalModel model(subject.network, subject.row, kCpu);
  const std::vector<Sample> samples = subject.samples();
  for (auto _ : state) benchmark::DoNotOptimize(executor.evaluate(model.variant(), samples));
  count(state, forward_flops(subject.entry, 1) * kImages, kImages);
}

/// Batch 64, at which presets are compared, and what each is trained with in its own paper or code.
std::vector<int> batches_of(const std::string& preset_name) {
  if (preset_name == "pfl-cifar") return {10, 64};
  if (preset_name == "wu-mnist" || preset_name == "wu-mnist-small") return {32, 64};
  return {64};
}

template <class Measure>
void add(const std::string& name, const Measure& measure) {
  benchmark::RegisterBenchmark(name.c_str(), measure)->UseRealTime()->Unit(benchmark::kMillisecond);
}

}  // namespace

void register_training() {
  for (const Preset& entry : preset_table()) {
    if (!is_plain(entry)) continue;
    for (const int batch : batches_of(entry.name)) {
      add("step/" + entry.name + "/" + std::to_string(batch),
          [name = entry.name, batch](benchmark::State& state) {
            measure_step(state, name, batch);
          });
    }
  }
  for (const int threads : std::set<int>{1, available_threads()}) {
    const std::string path = "/wu-mnist/64/" + std::to_string(threads);
    add("round" + path,
        [threads](benchmark::State& state) { measure_round(state, "wu-mnist", 64, threads); });
    add("evaluate" + path,
        [threads](benchmark::State& state) { measure_evaluation(state, "wu-mnist", 64, threads); });
  }
}

}  // namespace redoubt::benchmarks
