// One table of cases drives every kernel: what runs, and how much arithmetic and memory it stands
// for.
#include <benchmark/benchmark.h>
#include <dnnl.h>
#include <algorithm>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "datasets/synthetic.h"
#include "engine/buffer.h"
#include "engine/network.h"
#include "fl/image_store.h"
#include "kernels/activation.h"
#include "kernels/bias.h"
#include "kernels/conv.h"
#include "kernels/dropout.h"
#include "kernels/gather.h"
#include "kernels/gemm.h"
#include "kernels/loss.h"
#include "kernels/pool.h"
#include "kernels/random.h"
#include "kernels/rows.h"
#include "kernels/update.h"
#include "tests/benchmark/benchmarks.h"
#include "tests/benchmark/preset_layers.h"

namespace redoubt::benchmarks {

namespace {

using kernels::Replicas;

constexpr int kBatch = 64;
constexpr int kClasses = 10;
constexpr int kRows = 10;
constexpr Device kCpu = {};

struct OperationCase {
  std::string name;
  double flops;  ///< of one call; 0: not what limits it
  double bytes;  ///< read and written by one call, each array once
  /// Makes the arrays and returns the call.
  std::function<std::function<void(Context&)>()> prepare;
};
using OperationCases = std::vector<OperationCase>;

/// An array of floats in [-1, 1), kept alive by whoever calls the kernel.
class Values {
 public:
  explicit Values(std::int64_t count) : buffer_(std::make_shared<Buffer<float>>(kCpu, count)) {
    RandomStream stream({.seed = 1, .purpose = Purpose::synthetic_data});
    for (std::int64_t i = 0; i < count; ++i) {
      buffer_->data()[i] = static_cast<float>(stream.uniform(-1, 1));
    }
  }
  float* data() const { return buffer_->data(); }
  /// One replica.
  Replicas<float> view() const { return {buffer_->data(), buffer_->count()}; }
  /// Replicas of `pitch` floats.
  Replicas<float> rows(std::int64_t pitch) const { return {buffer_->data(), pitch}; }

 private:
  std::shared_ptr<Buffer<float>> buffer_;
};

double float_bytes(std::int64_t count) { return 4.0 * static_cast<double>(count); }

void add_conv(const PresetLayer& layer, const std::string& path, bool first,
              OperationCases& cases) {
  const kernels::ConvShape s = layer.conv;
  const double flops = layer.forward_flops(s.batch);
  const double bytes = float_bytes(s.input_size() + s.weight_size() + s.output_size());
  cases.push_back({"conv_forward/" + path, flops, bytes, [s] {
                     const Values input(s.input_size()), weight(s.weight_size()),
                         bias(s.out_channels), output(s.output_size());
                     return [=](Context& context) {
                       kernels::conv_forward(context, s, input.view(), weight.view(), bias.view(),
                                             output.view());
                     };
                   }});
  if (!first) {
    cases.push_back(
        {"conv_backward_input/" + path, flops, bytes, [s] {
           const Values input(s.input_size()), weight(s.weight_size()), output(s.output_size());
           return [=](Context& context) {
             kernels::conv_backward_input(context, s, weight.view(), output.view(), input.view());
           };
         }});
  }
  cases.push_back(
      {"conv_backward_weight/" + path, flops, bytes, [s] {
         const Values input(s.input_size()), weight(s.weight_size()), output(s.output_size());
         return [=](Context& context) {
           kernels::conv_backward_weight(context, s, input.view(), output.view(), weight.view());
         };
       }});
  const kernels::ActivationShape out = {
      .channels = s.out_channels, .positions = layer.output.positions(), .batch = s.batch};
  cases.push_back({"bias_gradient/" + path, 0, float_bytes(out.size()), [out] {
                     const Values gradient(out.size()), bias(out.channels);
                     return [=](Context& context) {
                       kernels::bias_gradient(context, out, gradient.view(), bias.view());
                     };
                   }});
}

void add_pool(const PresetLayer& layer, const std::string& path, OperationCases& cases) {
  const kernels::PoolShape s = layer.pool;
  const double bytes =
      float_bytes(s.input_size() + s.output_size()) + static_cast<double>(s.output_size());
  struct Arrays {
    explicit Arrays(const kernels::PoolShape& shape)
        : input(shape.input_size()),
          output(shape.output_size()),
          gradient(shape.output_size()),
          argmax(std::make_shared<Buffer<std::uint8_t>>(kCpu, shape.output_size())) {}
    Values input, output, gradient;
    std::shared_ptr<Buffer<std::uint8_t>> argmax;
    Replicas<std::uint8_t> winners() const { return argmax->replicas(argmax->count()); }
  };
  cases.push_back({"max_pool_forward/" + path, 0, bytes, [s] {
                     const Arrays arrays(s);
                     return [=](Context& context) {
                       kernels::max_pool_forward(context, s, arrays.input.view(), {},
                                                 arrays.output.view(), arrays.winners());
                     };
                   }});
  cases.push_back({"max_pool_backward/" + path, 0, bytes + float_bytes(s.output_size()), [s] {
                     const Arrays arrays(s);
                     Context fill(kCpu);
                     kernels::max_pool_forward(fill, s, arrays.input.view(), {},
                                               arrays.output.view(), arrays.winners());
                     return [=](Context& context) {
                       kernels::max_pool_backward(context, s, arrays.output.view(),
                                                  arrays.winners(), arrays.gradient.view(),
                                                  arrays.input.view());
                     };
                   }});
}

void add_relu(const PresetLayer& layer, const std::string& path, OperationCases& cases) {
  const kernels::ActivationShape s = {
      .channels = layer.input.channels, .positions = layer.input.positions(), .batch = kBatch};
  cases.push_back({"relu_forward/" + path, 0, 2 * float_bytes(s.size()), [s] {
                     const Values input(s.size()), output(s.size());
                     return [=](Context& context) {
                       kernels::relu_forward(context, s, input.view(), {}, output.view());
                     };
                   }});
  cases.push_back({"relu_backward/" + path, 0, 3 * float_bytes(s.size()), [s] {
                     const Values output(s.size()), gradient(s.size()), result(s.size());
                     return [=](Context& context) {
                       kernels::relu_backward(context, s, output.view(), gradient.view(),
                                              result.view());
                     };
                   }});
}

void add_dropout(const PresetLayer& layer, const std::string& path, OperationCases& cases) {
  const kernels::DropoutShape s = {.size = layer.input.size() * kBatch,
                                   .rate = static_cast<float>(layer.rate)};
  cases.push_back({"dropout/" + path, 0, 2 * float_bytes(s.size), [s] {
                     const Values input(s.size), output(s.size);
                     return [=](Context& context) {
                       const RandomKey key = {.seed = 1, .purpose = Purpose::dropout};
                       kernels::dropout(context, s, &key, input.view(), output.view());
                     };
                   }});
}

/// A product as a dense layer asks for it, by us and by oneDNN.
void add_gemm(const std::string& name, const kernels::GemmShape& s, OperationCases& cases) {
  const auto a = std::int64_t{s.rows} * s.inner;
  const auto b = std::int64_t{s.inner} * s.columns;
  const auto c = std::int64_t{s.rows} * s.columns;
  cases.push_back({name, 2.0 * static_cast<double>(a) * s.columns, float_bytes(a + b + c), [=] {
                     const Values left(a), right(b), result(c);
                     return [=](Context& context) {
                       kernels::gemm(context, s, left.view(), right.view(), result.view());
                     };
                   }});
  cases.push_back({"onednn/" + name, cases.back().flops, cases.back().bytes, [=] {
                     const Values left(a), right(b), result(c);
                     return [=](Context& /*context*/) {
                       dnnl_sgemm(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.rows,
                                  s.columns, s.inner, 1.0F, left.data(), s.a_stride, right.data(),
                                  s.b_stride, 0.0F, result.data(), s.c_stride);
                     };
                   }});
}

void add_dense(const PresetLayer& layer, const std::string& path, OperationCases& cases) {
  const int inputs = static_cast<int>(layer.input.size());
  const int units = layer.output.channels;
  add_gemm("gemm_forward/" + path,
           {.rows = units,
            .columns = kBatch,
            .inner = inputs,
            .a_stride = inputs,
            .b_stride = kBatch,
            .c_stride = kBatch},
           cases);
  add_gemm("gemm_backward_input/" + path,
           {.rows = inputs,
            .columns = kBatch,
            .inner = units,
            .transpose_a = true,
            .a_stride = inputs,
            .b_stride = kBatch,
            .c_stride = kBatch},
           cases);
  add_gemm("gemm_backward_weight/" + path,
           {.rows = units,
            .columns = inputs,
            .inner = kBatch,
            .transpose_b = true,
            .a_stride = kBatch,
            .b_stride = kBatch,
            .c_stride = inputs},
           cases);
}

void add_layers(const Preset& preset, OperationCases& cases) {
  bool first = true;
  for (const PresetLayer& layer : preset_layers(preset, kBatch)) {
    const std::string path = preset.name + "/" + layer.name;
    if (layer.kind == "conv") add_conv(layer, path, std::exchange(first, false), cases);
    if (layer.kind == "max_pool") add_pool(layer, path, cases);
    if (layer.kind == "relu") add_relu(layer, path, cases);
    if (layer.kind == "dropout") add_dropout(layer, path, cases);
    if (layer.kind == "dense") add_dense(layer, path, cases);
  }
}

void add_gather(const std::string& name, const Shape& shape, OperationCases& cases) {
  // A byte in, a float out.
  const double bytes = 5.0 * static_cast<double>(shape.size()) * kBatch;
  cases.push_back({"gather/" + name, 0, bytes, [name, shape] {
                     const Dataset images = make_synthetic(name, shape, 1024, 1, 1);
                     const auto store = std::make_shared<ImageStore>(
                         images, normalization({}, images), TriggerTable(), kCpu);
                     const Values output(shape.size() * kBatch);
                     const auto labels = std::make_shared<Buffer<std::int32_t>>(kCpu, kBatch);
                     std::vector<kernels::Sample> samples;
                     for (int n = 0; n < kBatch; ++n) {
                       samples.push_back({.image = n * 631 % 1024, .label = 1});
                     }
                     return [=](Context& context) {
                       kernels::gather(context, store->source(), 1, kBatch,
                                       {samples.data(), kBatch}, output.view(),
                                       labels->replicas(kBatch));
                     };
                   }});
}

void add_loss(OperationCases& cases) {
  const kernels::LossShape s = {.classes = kClasses, .batch = kBatch};
  cases.push_back({"softmax_cross_entropy/10x64", 0, 2 * float_bytes(kClasses * kBatch), [s] {
                     const Values logits(kClasses * kBatch), gradient(kClasses * kBatch);
                     const auto labels = std::make_shared<Buffer<std::int32_t>>(kCpu, kBatch);
                     for (int n = 0; n < kBatch; ++n) labels->data()[n] = n % kClasses;
                     return [=](Context& context) {
                       kernels::LossTotals totals;
                       kernels::softmax_cross_entropy(context, s, logits.view(),
                                                      labels->replicas(kBatch), gradient.view(),
                                                      &totals);
                       benchmark::DoNotOptimize(totals);
                     };
                   }});
}

void add_updates(std::int64_t size, OperationCases& cases) {
  const auto path = "/wu-mnist";
  cases.push_back({std::string("sgd") + path, 0, 5 * float_bytes(size), [size] {
                     const Values gradient(size), parameter(size), velocity(size);
                     return [=](Context& context) {
                       kernels::sgd(context, 1, size, {.learning_rate = 1e-6F, .momentum = 0.9F},
                                    gradient.view(), parameter.view(), velocity.view());
                     };
                   }});
  cases.push_back({std::string("adam") + path, 0, 7 * float_bytes(size), [size] {
                     const Values gradient(size), parameter(size), first(size), second(size);
                     for (std::int64_t i = 0; i < size; ++i) second.data()[i] *= second.data()[i];
                     const auto step = std::make_shared<std::int32_t>(9);
                     return [=](Context& context) {
                       kernels::adam(context, 1, size, {.learning_rate = 1e-6F}, step.get(),
                                     gradient.view(), parameter.view(), first.view(),
                                     second.view());
                     };
                   }});
}

/// Operations on the models of ten clients.
void add_rows(std::int64_t size, OperationCases& cases) {
  const kernels::MatrixShape s = {.rows = kRows, .columns = size};
  const double matrix = float_bytes(kRows * size);
  const auto path = "/10-wu-mnist";
  const auto add = [&](const std::string& name, double flops, double bytes, const auto& call) {
    cases.push_back({name + path, flops, bytes, [s, size, call] {
                       const Values models(kRows * size), row(size);
                       return [=](Context& context) {
                         call(context, s, models.rows(size), row.data());
                       };
                     }});
  };
  add("subtract_row", 0, 2 * matrix,
      [](Context& context, const kernels::MatrixShape& shape, Replicas<float> models,
         const float* row) { kernels::subtract_row(context, shape, row, models); });
  add("weighted_sum_rows", 0, matrix,
      [](Context& context, const kernels::MatrixShape& shape, Replicas<float> models, float* row) {
        const std::vector<double> weights(kRows, 0.1);
        kernels::weighted_sum_rows(context, shape, weights, models, row);
      });
  add("squared_norms", 0, matrix,
      [](Context& context, const kernels::MatrixShape& shape, Replicas<float> models,
         const float* /*row*/) {
        std::vector<double> norms(kRows);
        kernels::squared_norms(context, shape, models, norms);
      });
  add("gram", static_cast<double>(kRows * (kRows + 1) * size), matrix,
      [](Context& context, const kernels::MatrixShape& shape, Replicas<float> models,
         const float* /*row*/) {
        std::vector<double> products(kRows * kRows);
        kernels::gram(context, shape, models, products);
      });
  add("finite_rows", 0, matrix,
      [](Context& context, const kernels::MatrixShape& shape, Replicas<float> models,
         const float* /*row*/) {
        std::vector<std::uint8_t> finite(kRows);
        kernels::finite_rows(context, shape, models, finite);
      });
}

OperationCases operation_cases() {
  OperationCases cases;
  for (const Preset& entry : preset_table()) {
    if (is_plain(entry)) add_layers(entry, cases);
  }
  add_gather("synthetic-gray", {1, 28, 28}, cases);
  add_gather("synthetic-color", {3, 32, 32}, cases);
  add_loss(cases);
  const Preset& mnist = preset("wu-mnist");
  const Network network(mnist.input, kClasses, mnist.layers);
  add_updates(network.layout().row_size(), cases);
  add_rows(network.layout().row_size(), cases);
  return cases;
}

void measure(benchmark::State& state, const OperationCase& operation) {
  Context context(kCpu);
  const std::function<void(Context&)> call = operation.prepare();
  for (auto _ : state) {
    call(context);
    benchmark::ClobberMemory();
  }
  const auto rate = [](double amount) {
    return benchmark::Counter(amount, benchmark::Counter::kIsIterationInvariantRate);
  };
  if (operation.flops > 0) state.counters["FLOP/s"] = rate(operation.flops);
  state.counters["B/s"] = rate(operation.bytes);
}

}  // namespace

void register_operations() {
  for (const OperationCase& operation : operation_cases()) {
    benchmark::RegisterBenchmark(
        operation.name.c_str(), [operation](benchmark::State& state) { measure(state, operation); })
        ->UseRealTime()
        ->Unit(benchmark::kMicrosecond);
  }
}

}  // namespace redoubt::benchmarks
