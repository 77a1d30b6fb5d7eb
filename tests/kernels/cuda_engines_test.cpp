// Each engine of convolution at each precision against the CPU, on shapes that need every tile
// size, several parts of a sum and groups of replicas.
#include <bit>
#include <limits>
#include <string>

#include "kernels/conv/engines.h"
#include "kernels/gemm.h"
#include "tests/kernels/cpu_and_cuda.h"
#include "tests/support/thread_order.h"

namespace redoubt::kernels {

namespace {

struct ConvCase {
  ConvShape shape;
  bool shared_weight = false;
  bool shared_input = false;
};

std::string name_of(const ConvShape& s) {
  return std::to_string(s.replicas) + " x " + std::to_string(s.in_channels) + "x" +
         std::to_string(s.height) + "x" + std::to_string(s.width) + "x" + std::to_string(s.batch) +
         " to " + std::to_string(s.out_channels) + " by " + std::to_string(s.kernel_height) + "x" +
         std::to_string(s.kernel_width) + "/" + std::to_string(s.stride) + "+" +
         std::to_string(s.padding);
}

std::vector<ConvCase> conv_cases() {
  return {
      {{2, 4, 3, 8, 8, 20, 5, 5, 1, 0}},                // narrow tiles, packs of 4
      {{1, 5, 2, 7, 9, 33, 3, 3, 1, 1}},                // 64 channels a tile, odd batch
      {{7, 3, 5, 6, 5, 7, 3, 2, 2, 1}, true},           // stride, shared weight, many replicas
      {{2, 8, 17, 6, 6, 70, 3, 3, 1, 1}, false, true},  // 128 channels a tile, shared input
      {{1, 9, 65, 4, 4, 130, 3, 3, 1, 0}},              // odd batch, several row tiles
      {{1, 64, 1, 12, 12, 8, 5, 5, 1, 0}},              // a long sum over results: several parts
      {{1, 33, 3, 9, 8, 5, 3, 3, 3, 2}},                // stride 3, parts, odd batch
      {{2, 10, 2, 6, 6, 12, 3, 3, 1, 0}},               // packs of 2
      {{1, 6, 3, 9, 8, 40, 3, 3, 2, 1}},                // packs of 2, stride
      {{3, 4, 6, 5, 5, 9, 1, 1, 1, 0}},                 // 1x1: the input is the columns
      {{3, 4, 2, 5, 6, 3, 3, 3, 1, 1}, true, true},     // one model on one batch, several times
  };
}

struct EngineAndPrecision {
  ConvEngine engine;
  Precision precision;
};

class Convolution : public testing::TestWithParam<EngineAndPrecision> {};

TEST_P(Convolution, AgreesWithTheCpu) {
  if (!is_built(GetParam().engine)) GTEST_SKIP() << "this build has no cuDNN";
  Context cpu((Device()));
  Context cuda(kGpu, 1, {.precision = GetParam().precision, .conv_engine = GetParam().engine});
  const double tolerance =
      conv_engine_entry(GetParam().engine).rounding[static_cast<int>(GetParam().precision)];
  for (const ConvCase& entry : conv_cases()) {
    const ConvShape& s = entry.shape;
    SCOPED_TRACE(name_of(s));
    const Pair input(random_floats(1, s.input_size() * s.replicas));
    const Pair weight(random_floats(2, s.weight_size() * s.replicas));
    const Pair bias(random_floats(3, std::int64_t{s.out_channels} * s.replicas));
    const Pair grad_output(random_floats(4, s.output_size() * s.replicas));
    Pair output(std::vector<float>(static_cast<std::size_t>(s.output_size() * s.replicas), 7.0F));
    Pair grad_input(
        std::vector<float>(static_cast<std::size_t>(s.input_size() * s.replicas), 7.0F));
    Pair grad_weight(
        std::vector<float>(static_cast<std::size_t>(s.weight_size() * s.replicas), 7.0F));
    const std::int64_t input_pitch = entry.shared_input ? 0 : s.input_size();
    const std::int64_t weight_pitch = entry.shared_weight ? 0 : s.weight_size();
    const std::int64_t bias_pitch = entry.shared_weight ? 0 : s.out_channels;
    const auto run = [&](Context& context, Buffer<float> Pair::*side) {
      const auto view = [side](const Pair& pair, std::int64_t pitch) {
        return Replicas<const float>((pair.*side).data(), pitch);
      };
      conv_forward(context, s, view(input, input_pitch), view(weight, weight_pitch),
                   view(bias, bias_pitch), (output.*side).replicas(s.output_size()));
      conv_backward_input(context, s, view(weight, weight_pitch),
                          view(grad_output, s.output_size()),
                          (grad_input.*side).replicas(s.input_size()));
      conv_backward_weight(context, s, view(input, input_pitch), view(grad_output, s.output_size()),
                           (grad_weight.*side).replicas(s.weight_size()));
      context.synchronize();
    };
    run(cpu, &Pair::cpu);
    run(cuda, &Pair::cuda);
    output.compare(tolerance);
    grad_input.compare(tolerance);
    grad_weight.compare(tolerance);
  }
}

std::vector<EngineAndPrecision> engines_of_cuda() {
  std::vector<EngineAndPrecision> all;
  for (const ConvEngineEntry& entry : kConvEngines) {
    if (entry.device != Device::Kind::cuda) continue;
    for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
      all.push_back({entry.engine, precision});
    }
  }
  return all;
}

std::string way_of(const testing::TestParamInfo<EngineAndPrecision>& info) {
  const std::string engine = conv_engine_entry(info.param.engine).name;
  switch (info.param.precision) {
    case Precision::fp32:
      return engine + "_fp32";
    case Precision::tf32:
      return engine + "_tf32";
    case Precision::bf16:
      return engine + "_bf16";
  }
  return engine;
}

INSTANTIATE_TEST_SUITE_P(Engines, Convolution, testing::ValuesIn(engines_of_cuda()), way_of);

/// Our TF32 and bf16 products differ from fp32's: otherwise the setting would not reach the
/// kernels. A library may be more precise than it is allowed to be, but cuBLAS does use the TF32 it
/// may use.
TEST(ConvolutionPrecision, RoundsItsInputsAsThePrecisionSays) {
  const ConvShape s = {1, 4, 8, 5, 5, 16, 3, 3, 1, 1};
  const Buffer<float> input(kGpu, std::span<const float>(random_floats(1, s.input_size())));
  const Buffer<float> weight(kGpu, std::span<const float>(random_floats(2, s.weight_size())));
  const auto output_of = [&](ConvEngine engine, Precision precision) {
    Context context(kGpu, 1, {.precision = precision, .conv_engine = engine});
    Buffer<float> output(kGpu, s.output_size());
    conv_forward(context, s, input.replicas(0), weight.replicas(0), {}, output.replicas(0));
    return output.download();
  };
  const auto distance = [&](ConvEngine engine, Precision precision) {
    const std::vector<float> exact = output_of(engine, Precision::fp32);
    const std::vector<float> rounded = output_of(engine, precision);
    double most = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      most =
          std::max(most, std::abs(static_cast<double>(rounded[i]) - static_cast<double>(exact[i])));
    }
    return most;
  };
  for (const ConvEngine engine : {ConvEngine::implicit, ConvEngine::columns, ConvEngine::cudnn}) {
    if (!is_built(engine)) continue;
    SCOPED_TRACE(conv_engine_entry(engine).name);
    const double tf32 = distance(engine, Precision::tf32);
    const double bf16 = distance(engine, Precision::bf16);
    if (engine == ConvEngine::implicit || test::gpu_is_emulated()) {
      EXPECT_GT(tf32, 1e-5);
      EXPECT_GT(bf16, 2 * tf32);
    } else if (engine == ConvEngine::columns) {
      EXPECT_GT(tf32, 1e-5);
      EXPECT_GT(bf16, 1e-5);
    }
  }
}

/// A 3x3 convolution whose middle pixel of image 1 is strange: which outputs, and which gradients
/// of weights, are.
void expect_strange_results(float strange, int channels, Precision precision) {
  const ConvShape s = {1, 4, channels, 5, 5, 16, 3, 3, 1, 1};
  std::vector<float> pixels = random_floats(1, s.input_size(), 0.5F, 1);
  pixels[(2 * 5 + 2) * 4 + 1] = strange;
  const Buffer<float> input(kGpu, std::span<const float>(pixels));
  const Buffer<float> weight(kGpu,
                             std::span<const float>(random_floats(2, s.weight_size(), 0.5F, 1)));
  Buffer<float> output(kGpu, s.output_size());
  Buffer<float> gradient(kGpu, s.weight_size());
  Context context(kGpu, 1, {.precision = precision, .conv_engine = ConvEngine::implicit});
  conv_forward(context, s, input.replicas(0), weight.replicas(0), {}, output.replicas(0));
  conv_backward_weight(context, s, input.replicas(0), output.replicas(0), gradient.replicas(0));
  const auto near_middle = [](std::size_t place) { return place >= 1 && place <= 3; };
  const std::vector<float> got = output.download();
  for (std::size_t i = 0; i < got.size(); ++i) {
    const std::size_t position = i / 4 % 25;
    const bool touched = i % 4 == 1 && near_middle(position / 5) && near_middle(position % 5);
    ASSERT_EQ(std::isfinite(got[i]), !touched) << "output " << i;
  }
  for (const float value : gradient.download()) ASSERT_FALSE(std::isfinite(value));
}

/// Our own engine, whose ways of rounding and laying out are ours: of many channels and of one.
TEST(ConvolutionPrecision, LetsNanAndInfinityThroughSoThatTheyAreNoticed) {
  const auto gpus_nan = std::bit_cast<float>(0x7fffffffU);
  for (const float strange : {gpus_nan, std::numeric_limits<float>::infinity()}) {
    for (const int channels : {1, 4}) {
      for (const Precision precision : {Precision::fp32, Precision::tf32, Precision::bf16}) {
        SCOPED_TRACE(testing::Message() << strange << ", " << channels << " channels, precision "
                                        << static_cast<int>(precision));
        expect_strange_results(strange, channels, precision);
      }
    }
  }
}

}  // namespace

}  // namespace redoubt::kernels
