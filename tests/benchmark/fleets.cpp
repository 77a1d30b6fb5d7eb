// What a GPU is for: all clients of a round in one fleet.
#include <benchmark/benchmark.h>

#include <chrono>
#include <memory>
#include <string>

#include "engine/executor.h"
#include "fl/federation.h"
#include "kernels/conv/choices.h"
#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/gpu.h"
#include "tests/benchmark/preset_layers.h"
#include "tests/benchmark/subject.h"

namespace redoubt::benchmarks {

namespace {

using kernels::Sample;
using Clock = std::chrono::steady_clock;

/// A workload that peers/pytorch_fleet.py has, too.
struct Work {
  Preset network;
  int clients = 10;    ///< of the federation
  int per_round = 10;  ///< of them in a round
  int images = 6000;   ///< of a client
  int batch = 64;
  OptimizerSettings optimizer = Sgd::Settings{.learning_rate = 0.01F, .momentum = 0.9F};
};

/// The 3x3 convolutions of ResNet-18 for CIFAR-10, and nothing beside them: 64 to 512 channels.
Preset conv_stack(int first_channels, int side) {
  Preset stack = {.name = "conv-stack",
                  .description = "17 convolutions of 3x3",
                  .input = {3, side, side},
                  .initialization = Initialization::he,
                  .layers = {}};
  const auto add = [&](int channels, int stride) {
    stack.layers.emplace_back(
        Conv::Settings{.channels = channels, .kernel = 3, .stride = stride, .padding = 1});
    stack.layers.emplace_back(Relu::Settings());
  };
  add(first_channels, 1);
  for (const int times : {1, 2, 4, 8}) {
    for (int i = 0; i < 4; ++i) add(first_channels * times, i == 0 && times > 1 ? 2 : 1);
  }
  stack.layers.emplace_back(GlobalAveragePool::Settings());
  stack.layers.emplace_back(Dense::Settings{.units = 10});
  return stack;
}

/// A network of that name and input with hardly any layers.
Preset shrunk(Preset network) {
  network.layers = {Conv::Settings{.channels = 2, .kernel = 5, .stride = 4}, Relu::Settings(),
                    Dense::Settings{.units = 10}};
  return network;
}

/// Few clients, images and small batches.
Work for_smoke(Work work) {
  work.clients = 2;
  work.per_round = 2;
  work.images = 3;
  work.batch = 2;
  return work;
}

/// Measured engines of convolution, remembered by the process.
Arithmetic arithmetic(Precision precision) {
  static kernels::ConvChoices choices;
  return {.precision = precision, .conv_choices = &choices};
}

void count(benchmark::State& state, double flops, double images) {
  const auto rate = [](double amount) {
    return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
  };
  if (flops > 0) state.counters["FLOP/s"] = rate(flops);
  state.counters["images/s"] = rate(images);
}

double step_flops_of(const Preset& network) {
  return is_plain(network) ? step_flops(network, 1) : 0;
}

/// A step of all clients of a round. "host s": what of it the host is busy for, which is all that
/// is left when the GPU is infinitely fast.
void measure_step(benchmark::State& state, const Work& work, Precision precision, int steps) {
  const Subject subject(work.network, kGpu, work.batch * steps);
  Context context(kGpu, 1, arithmetic(precision));
  FleetTrainer trainer(subject.network, subject.store.source(), context, work.batch);
  Fleet fleet(subject.network.layout(), work.per_round, state_rows_of(work.optimizer), kGpu);
  for (int r = 0; r < work.per_round; ++r) {
    context.copy_to_device(fleet.values()[r], subject.row.data(),
                           subject.row.size() * sizeof(float));
  }
  const std::vector<Sample> samples = subject.samples();
  std::vector<TrainingTask> tasks;
  for (int r = 0; r < work.per_round; ++r) {
    tasks.push_back(
        {.row = r,
         .samples = samples,
         .batch = work.batch,
         .optimizer = work.optimizer,
         .key = {.seed = 1, .purpose = Purpose::dropout, .client = static_cast<std::uint32_t>(r)}});
  }
  std::vector<kernels::LossTotals> totals(tasks.size());
  trainer.train(fleet, tasks, {}, totals);  // allocates, chooses engines, records the graph
  std::chrono::duration<double> host{};
  std::int64_t taken = 0;
  for (auto _ : state) {
    const int count = trainer.begin(fleet, tasks, {});
    context.synchronize();
    const auto start = Clock::now();
    for (int s = 0; s < count; ++s) trainer.step();
    host += Clock::now() - start;
    context.synchronize();
    const std::chrono::duration<double> all = Clock::now() - start;
    trainer.finish(totals);
    state.SetIterationTime(all.count() / count);
    taken += count;
  }
  state.counters["host s"] = host.count() / static_cast<double>(taken);
  const double images = static_cast<double>(work.per_round) * work.batch;
  count(state, step_flops_of(work.network) * images, images);
}

void measure_round(benchmark::State& state, const Work& work) {
  const Subject subject(work.network, kGpu, work.clients * work.images);
  Executor executor(subject.network, subject.store.source(), kGpu, 1, work.batch,
                    arithmetic(Precision::tf32));
  FederationSettings settings;
  settings.clients = work.clients;
  settings.clients_per_round = work.per_round;
  settings.local = {.epochs = 1, .batch = work.batch, .optimizer = work.optimizer};
  Federation federation(
      executor, make_population(subject.partition(work.clients), subject.images.train.labels),
      std::make_unique<FedAvg>(), settings, 1);
  GlobalModel model(subject.network, subject.row, kGpu);
  int round = 0;
  const auto run = [&] {
    federation.run_round(model, ++round, learning_rate_of(work.optimizer));
    executor.context().synchronize();
  };
  run();
  for (auto _ : state) run();
  const double images = static_cast<double>(work.per_round) * work.images;
  count(state, step_flops_of(work.network) * images, images);
}

void measure_evaluation(benchmark::State& state, const Work& work, int images) {
  const Subject subject(work.network, kGpu, images);
  Executor executor(subject.network, subject.store.source(), kGpu, 1, work.batch,
                    arithmetic(Precision::tf32));
  const GlobalModel model(subject.network, subject.row, kGpu);
  const std::vector<Sample> samples = subject.samples();
  benchmark::DoNotOptimize(executor.evaluate(model.variant(), samples));
  for (auto _ : state) benchmark::DoNotOptimize(executor.evaluate(model.variant(), samples));
  count(state, 0, images);
}

}  // namespace

void register_fleets(bool smoke) {
  if (!gpu_is_there()) return;
  const auto add = [](const std::string& name, const auto& measure) {
    return benchmark::RegisterBenchmark(name.c_str(), measure)->Unit(benchmark::kMillisecond);
  };
  const auto sized = [smoke](const Work& work) { return smoke ? for_smoke(work) : work; };
  const auto add_step = [&](const Work& work, const char* name, Precision precision) {
    add("cuda/step/" + work.network.name + "/" + std::to_string(work.per_round) + "x" +
            std::to_string(work.batch) + "/" + name,
        [=, own = sized(work), steps = smoke ? 3 : 20](benchmark::State& state) {
          measure_step(state, own, precision, steps);
        })
        ->UseManualTime();
  };
  const auto network = [smoke](const Preset& entry) { return smoke ? shrunk(entry) : entry; };
  const Work mnist = {.network = network(preset("wu-mnist"))};
  // The CIFAR-10 benchmark of pfl-research.
  const Work pfl = {.network = network(preset("pfl-cifar")),
                    .clients = 1000,
                    .per_round = 50,
                    .images = 50,
                    .batch = 10,
                    .optimizer = Sgd::Settings{.learning_rate = 0.1F}};
  for (const Preset& entry : preset_table()) {
    add_step({.network = network(entry)}, "tf32", Precision::tf32);
  }
  for (const Work& work : {mnist, pfl}) {
    add_step(work, "fp32", Precision::fp32);
    add_step(work, "bf16", Precision::bf16);
  }
  add_step(pfl, "tf32", Precision::tf32);
  const Work stack = {.network = conv_stack(smoke ? 4 : 64, smoke ? 8 : 32),
                      .clients = 50,
                      .per_round = 50,
                      .images = 128};
  add_step(stack, "tf32", Precision::tf32);
  for (const Work& work : {mnist, pfl, stack}) {
    const std::string path = work.network.name + "/" + std::to_string(work.batch);
    const Work own = sized(work);
    add("cuda/round/" + path, [own](benchmark::State& state) {
      measure_round(state, own);
    })->UseRealTime();
    add("cuda/evaluate/" + path, [own, images = smoke ? 10 : 10'000](benchmark::State& state) {
      measure_evaluation(state, own, images);
    })->UseRealTime();
  }
}

}  // namespace redoubt::benchmarks
