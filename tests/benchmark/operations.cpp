// Which cases are measured at which shapes, and how.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "engine/network.h"
#include "kernels/conv/choices.h"
#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/gpu.h"
#include "tests/benchmark/operation_case.h"

namespace redoubt::benchmarks {

namespace {

constexpr int kBatch = 64;
constexpr int kClasses = 10;
constexpr int kClients = 10;

/// The operations of a preset's layers, for one model or for a fleet of them.
void add_layers(const Preset& preset, int replicas, OperationCases& cases) {
  bool first = true;
  for (const PresetLayer& layer : preset_layers(preset, kBatch)) {
    const std::string path = preset.name + "/" + layer.name;
    if (layer.kind == "conv") {
      kernels::ConvShape shape = layer.conv;
      shape.replicas = replicas;
      add_conv(shape, path, std::exchange(first, false), cases);
      add_bias({.replicas = replicas,
                .channels = layer.output.channels,
                .positions = layer.output.positions(),
                .batch = kBatch},
               path, cases);
    } else if (layer.kind == "max_pool") {
      kernels::PoolShape shape = layer.pool;
      shape.replicas = replicas;
      add_pool(shape, path, cases);
    } else if (layer.kind == "relu") {
      add_relu({.replicas = replicas,
                .channels = layer.input.channels,
                .positions = layer.input.positions(),
                .batch = kBatch},
               path, cases);
    } else if (layer.kind == "dropout") {
      add_dropout(replicas, layer.input.size() * kBatch, static_cast<float>(layer.rate), path,
                  cases);
    } else if (layer.kind == "dense") {
      add_dense(replicas, static_cast<int>(layer.input.size()), layer.output.channels, kBatch, path,
                cases);
    }
  }
}

/// At the shapes of the presets: one model on a CPU, where threads take models, all clients of a
/// round on a GPU.
OperationCases preset_cases(bool on_gpu) {
  OperationCases cases;
  const int replicas = on_gpu ? kClients : 1;
  for (const Preset& entry : preset_table()) {
    if (is_plain(entry)) add_layers(entry, replicas, cases);
  }
  add_gather({1, 28, 28}, 1024, replicas, kBatch, "synthetic-gray", cases);
  add_gather({3, 32, 32}, 1024, replicas, kBatch, "synthetic-color", cases);
  add_loss(replicas, kClasses, kBatch, cases);
  const Preset& mnist = preset("wu-mnist");
  const std::int64_t row = Network(mnist.input, kClasses, mnist.layers).layout().row_size();
  add_updates(replicas, row, "wu-mnist", cases);
  add_rows(kClients, row, "10-wu-mnist", cases);
  add_gram(kClients, row, "10-wu-mnist", cases);
  return cases;
}

void count(benchmark::State& state, const OperationCase& operation) {
  const auto rate = [](double amount) {
    return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
  };
  if (operation.flops > 0) state.counters["FLOP/s"] = rate(operation.flops);
  if (operation.bytes > 0) state.counters["B/s"] = rate(operation.bytes);
}

void measure_on_cpu(benchmark::State& state, const OperationCase& operation) {
  Context context{Device()};
  const std::function<void(Context&)> call = operation.prepare({});
  for (auto _ : state) {
    call(context);
    benchmark::ClobberMemory();
  }
  count(state, operation);
}

/// The call of an operation on the GPU. The last one is kept: a benchmark runs again and again, and
/// its arrays take longer to make than it takes.
const std::function<void(Context&)>& prepared(const OperationCase& operation) {
  static std::string name;
  static std::function<void(Context&)> call;
  if (name != operation.name) {
    call = nullptr;  // its memory is free for the next one
    call = operation.prepare(kGpu);
    name = operation.name;
  }
  return call;
}

void measure_on_gpu(benchmark::State& state, const OperationCase& operation) {
  Context context(kGpu, 1, operation.arithmetic);
  try {
    const std::function<void(Context&)>& call = prepared(operation);
    measure_calls(state, context, [&] { call(context); });
  } catch (const kernels::Unsupported& error) {
    state.SkipWithError(error.what());
  }
  count(state, operation);
}

}  // namespace

Values::Values(Device device, int replicas, std::int64_t size)
    : size_(size), buffer_(std::make_shared<Buffer<float>>(device, replicas * size)) {
  // A million numbers, again and again: nobody looks at them, and drawing takes long.
  RandomStream stream({.seed = 1, .purpose = Purpose::synthetic_data});
  std::vector<float> drawn(
      static_cast<std::size_t>(std::min<std::int64_t>(buffer_->count(), 1 << 20)));
  for (float& value : drawn) value = static_cast<float>(stream.uniform(-1, 1));
  Context context(device);
  const auto step = std::ssize(drawn);
  for (std::int64_t at = 0; at < buffer_->count(); at += step) {
    const std::int64_t floats = std::min<std::int64_t>(step, buffer_->count() - at);
    context.copy_to_device(buffer_->data() + at, drawn.data(),
                           static_cast<std::size_t>(floats) * sizeof(float));
  }
}

OperationCases large_cases(bool smoke) {
  OperationCases cases;
  const int side = smoke ? 4 : 40;
  const int channels = smoke ? 2 : 64;
  const int batch = smoke ? 8 : kBatch;
  const std::int64_t row = smoke ? 1000 : 6'553'600;
  const kernels::ActivationShape activation = {
      .replicas = kClients, .channels = channels, .positions = side * side, .batch = batch};
  const std::string path = "large";
  add_relu(activation, path, cases);
  add_bias(activation, path, cases);
  add_norm(activation, path, cases);
  add_pool({.replicas = kClients,
            .channels = channels,
            .height = side,
            .width = side,
            .batch = batch,
            .window = 2,
            .stride = 2,
            .relu = true},
           path, cases);
  add_dropout(kClients, activation.size(), 0.5F, path, cases);
  add_gather({3, smoke ? 4 : 32, smoke ? 4 : 32}, smoke ? 100 : 50'000, smoke ? 2 : 342, batch,
             path, cases);
  add_updates(kClients, row, path, cases);
  add_rows(kClients, row, path, cases);
  add_gram(kClients, row, path, cases);
  add_columns(kClients, row, path, cases);
  add_weights(smoke ? 3 : 2000, 64, smoke ? 9 : 512, path, cases);
  // As many clients as a rule is asked to judge: arithmetic begins to count.
  add_gram(50, row / 5, "large-50", cases);
  add_columns(50, row / 5, "large-50", cases);
  return cases;
}

void register_operations(bool smoke) {
  const auto add = [](const std::string& name, const OperationCase& operation,
                      const auto& measure) {
    return benchmark::RegisterBenchmark(
               name.c_str(),
               [operation, measure](benchmark::State& state) { measure(state, operation); })
        ->Unit(benchmark::kMicrosecond);
  };
  const auto add_cpu = [&](const OperationCases& cases) {
    for (const OperationCase& one : cases) add(one.name, one, measure_on_cpu)->UseRealTime();
  };
  const auto add_gpu = [&](const OperationCases& cases) {
    for (const OperationCase& one : cases)
      add("cuda/" + one.name, one, measure_on_gpu)->UseManualTime();
  };
  add_cpu(preset_cases(false));
  add_cpu(large_cases(smoke));
  if (!gpu_is_there()) return;
  add_gpu(preset_cases(true));
  add_gpu(large_cases(smoke));
  add_gpu(conv_engine_cases(smoke));
}

}  // namespace redoubt::benchmarks
