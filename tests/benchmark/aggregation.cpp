// Aggregation rules on many updates, beside the time that reading them once takes. CPU is the time
// of all threads together: on a machine that others use, its share a core says more than the clock.
#include <benchmark/benchmark.h>

#include <memory>
#include <numeric>

#include "base/parallel.h"
#include "base/random.h"
#include "defense/rules.h"
#include "engine/network.h"
#include "engine/presets.h"
#include "tests/benchmark/benchmarks.h"

namespace redoubt::benchmarks {

namespace {

/// Updates [clients x row] of a preset's model, made once and kept.
struct Updates {
  Updates(const std::string& preset_name, int clients)
      : network(preset(preset_name).input, 10, preset(preset_name).layers),
        columns(network.layout().row_size()),
        matrix(static_cast<std::size_t>(clients) * static_cast<std::size_t>(columns)),
        counts(static_cast<std::size_t>(clients), 1.0),
        ids(static_cast<std::size_t>(clients)) {
    std::iota(ids.begin(), ids.end(), 0);
    parallel_for(clients, available_threads(), [&](int client, int /*worker*/) {
      RandomStream stream({.seed = 1, .client = static_cast<std::uint32_t>(client)});
      float* row = matrix.data() + client * columns;
      for (std::int64_t i = 0; i < columns; ++i) row[i] = static_cast<float>(stream.uniform(-1, 1));
    });
  }
  UpdateMatrix view() const {
    return {.shape = {static_cast<int>(ids.size()), columns},
            .matrix = {matrix.data(), columns},
            .sample_counts = counts,
            .clients = ids,
            .trained_ranges = network.trained_ranges(),
            .trained_tensors = network.trained_tensors()};
  }

  Network network;
  std::int64_t columns;
  std::vector<float> matrix;
  std::vector<double> counts;
  std::vector<int> ids;
};

/// The last asked for; two of the large ones would not fit.
const Updates& updates(const std::string& preset_name, int clients) {
  static std::string name;
  static std::unique_ptr<Updates> kept;
  const std::string wanted = preset_name + std::to_string(clients);
  if (name != wanted) {
    kept.reset();
    kept = std::make_unique<Updates>(preset_name, clients);
    name = wanted;
  }
  return *kept;
}

void count_bytes(benchmark::State& state, const Updates& all, int passes) {
  state.counters["B/s"] = benchmark::Counter(
      static_cast<double>(passes) * static_cast<double>(all.matrix.size()) * sizeof(float),
      benchmark::Counter::kIsIterationInvariantRate);
  state.counters["passes"] = passes;
}

}  // namespace

void register_aggregation() {
  struct Case {
    const char* rule;
    RuleSettings settings;
    int passes;  ///< over all updates, that the algorithm needs
  };
  constexpr int kIterations = 10;
  const std::vector<Case> cases = {
      {"krum", KrumSettings{10}, 1},
      {"trimmed-mean", TrimmedMeanSettings{10}, 1},
      {"median", MedianSettings(), 1},
      {"geometric-median", GeometricMedianSettings{.iterations = kIterations}, kIterations},
      {"ariba", AribaSettings{.suspects = 20}, 1},
  };
  for (const auto& [model, clients] : {std::pair{"toy4", 50}, std::pair{"resnet18", 100}}) {
    const std::string size = std::string("/") + model + "/" + std::to_string(clients);
    // What a pass costs: nothing but reading.
    benchmark::RegisterBenchmark(("aggregate/read" + size).c_str(),
                                 [model = model, clients = clients](benchmark::State& state) {
                                   const Updates& all = updates(model, clients);
                                   Context context(Device(), available_threads());
                                   std::vector<std::uint8_t> finite(all.ids.size());
                                   for (auto _ : state) {
                                     kernels::finite_rows(context, all.view().shape,
                                                          all.view().matrix, finite);
                                   }
                                   count_bytes(state, all, 1);
                                 })
        ->MeasureProcessCPUTime()
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
    for (const Case& own : cases) {
      benchmark::RegisterBenchmark(
          ("aggregate/" + std::string(own.rule) + size).c_str(),
          [model = model, clients = clients, own](benchmark::State& state) {
            const Updates& all = updates(model, clients);
            Context context(Device(), available_threads());
            const kernels::ImageSource no_images;
            Executor executor(all.network, no_images, Device(), 1, 1);
            const auto rule = Rules::make(own.settings, {.executor = executor});
            for (auto _ : state) {
              const Aggregate aggregate = rule->aggregate(context, all.view());
              benchmark::DoNotOptimize(aggregate.row_weights.data());
            }
            count_bytes(state, all, own.passes);
          })
          ->MeasureProcessCPUTime()
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
}

}  // namespace redoubt::benchmarks
