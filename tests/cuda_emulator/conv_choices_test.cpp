// The search for the fastest engine of a convolution, with a clock that the test sets.
#include <gmock/gmock.h>

#include <map>
#include <new>

#include "kernels/conv/choices.h"
#include "kernels/replay.h"
#include "tests/cuda_emulator/gpu_array.h"

namespace redoubt::test {

namespace {

using kernels::ConvChoices;
using kernels::ConvPass;
using kernels::ConvShape;
using kernels::ConvTiming;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

constexpr ConvShape kShape = {.replicas = 2,
                              .batch = 12,
                              .in_channels = 3,
                              .height = 6,
                              .width = 5,
                              .out_channels = 7,
                              .kernel_height = 3,
                              .kernel_width = 3,
                              .stride = 1,
                              .padding = 1};

/// A clock on which each engine takes a set time; it counts what it is asked.
class Clock {
 public:
  explicit Clock(std::map<ConvEngine, double> milliseconds)
      : milliseconds_(std::move(milliseconds)) {}
  kernels::ConvTimer timer() {
    return [this](Context& context, const std::function<void()>& run) {
      ++asked_;
      run();
      context.synchronize();
      return milliseconds_.at(context.conv_engine());
    };
  }
  int asked() const { return asked_; }

 private:
  std::map<ConvEngine, double> milliseconds_;
  int asked_ = 0;
};

/// Remembers and tells what it was told.
class Memory : public kernels::ConvMemory {
 public:
  std::optional<ConvEngine> recall(const std::string& task) override {
    recalled.push_back(task);
    const auto found = known.find(task);
    return found == known.end() ? std::nullopt : std::optional(found->second);
  }
  ConvEngine settle(const std::string& task, std::span<const ConvTiming> timings,
                    ConvEngine fastest) override {
    settled.push_back(task);
    last_timings = {timings.begin(), timings.end()};
    return insist.value_or(fastest);
  }
  std::map<std::string, ConvEngine> known;
  std::optional<ConvEngine> insist;
  std::vector<std::string> recalled;
  std::vector<std::string> settled;
  std::vector<ConvTiming> last_timings;
};

/// Operands of every pass.
struct Operands {
  Buffer<float> input = on_gpu(numbers(kShape.input_size() * kShape.replicas));
  Buffer<float> weight = on_gpu(numbers(kShape.weight_size() * kShape.replicas));
  Buffer<float> output{kGpu, kShape.output_size() * kShape.replicas};
  Buffer<float> grad_weight{kGpu, kShape.weight_size() * kShape.replicas};
  Buffer<float> grad_input{kGpu, kShape.input_size() * kShape.replicas};

  static std::vector<float> numbers(std::int64_t count) {
    std::vector<float> values(count);
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i * 37 % 101) * 0.013F - 0.6F;
    }
    return values;
  }
  /// The bits of all three passes.
  std::vector<std::vector<float>> run(Context& context) {
    kernels::conv_forward(context, kShape, input.replicas(kShape.input_size()),
                          weight.replicas(kShape.weight_size()), {},
                          output.replicas(kShape.output_size()));
    kernels::conv_backward_weight(context, kShape, input.replicas(kShape.input_size()),
                                  output.replicas(kShape.output_size()),
                                  grad_weight.replicas(kShape.weight_size()));
    kernels::conv_backward_input(context, kShape, weight.replicas(kShape.weight_size()),
                                 output.replicas(kShape.output_size()),
                                 grad_input.replicas(kShape.input_size()));
    return {output.download(), grad_weight.download(), grad_input.download()};
  }
};

std::vector<std::vector<float>> run_with(const Arithmetic& arithmetic) {
  Context context(kGpu, 1, arithmetic);
  return Operands().run(context);
}

class ConvSearch : public testing::TestWithParam<ConvEngine> {};

TEST_P(ConvSearch, UsesTheEngineThatTheClockCallsFastest) {
  // In TF32 the three engines' sums differ in their last bits, so bits tell who computed.
  std::map<ConvEngine, double> times = {
      {ConvEngine::columns, 2}, {ConvEngine::implicit, 2}, {ConvEngine::cudnn, 2}};
  times[GetParam()] = 1;
  Clock clock(times);
  ConvChoices choices(nullptr, clock.timer());
  const auto got = run_with({.precision = Precision::tf32, .conv_choices = &choices});
  EXPECT_EQ(got, run_with({.precision = Precision::tf32, .conv_engine = GetParam()}));
  for (const auto other : {ConvEngine::columns, ConvEngine::implicit, ConvEngine::cudnn}) {
    if (other == GetParam()) continue;
    EXPECT_NE(got, run_with({.precision = Precision::tf32, .conv_engine = other}));
  }
  EXPECT_EQ(clock.asked(), 3 * 3);
}

INSTANTIATE_TEST_SUITE_P(All, ConvSearch,
                         testing::Values(ConvEngine::columns, ConvEngine::implicit,
                                         ConvEngine::cudnn),
                         [](const auto& engine) { return kernels::to_string(engine.param); });

TEST(ConvChoices, AreMeasuredOnceForAllContexts) {
  Clock clock({{ConvEngine::columns, 1}, {ConvEngine::implicit, 2}, {ConvEngine::cudnn, 3}});
  ConvChoices choices(nullptr, clock.timer());
  const auto first = run_with({.conv_choices = &choices});
  const int asked = clock.asked();
  EXPECT_EQ(run_with({.conv_choices = &choices}), first);
  EXPECT_EQ(clock.asked(), asked);
  // Another precision is another task.
  run_with({.precision = Precision::bf16, .conv_choices = &choices});
  EXPECT_EQ(clock.asked(), 2 * asked);
}

TEST(ConvChoices, LeaveAnEngineThatIsSetAlone) {
  Clock clock({});
  ConvChoices choices(nullptr, clock.timer());
  EXPECT_EQ(run_with({.conv_engine = ConvEngine::columns, .conv_choices = &choices}),
            run_with({.conv_engine = ConvEngine::columns}));
  EXPECT_EQ(clock.asked(), 0);
}

TEST(ConvChoices, RememberedAreNotMeasured) {
  Clock clock({{ConvEngine::columns, 1}, {ConvEngine::implicit, 2}, {ConvEngine::cudnn, 3}});
  Memory memory;
  ConvChoices choices(&memory, clock.timer());
  run_with({.conv_choices = &choices});
  EXPECT_THAT(memory.settled, ElementsAre("forward 2 x 3x6x5x12 to 7 by 3x3/1+1 fp32",
                                          "backward-weight 2 x 3x6x5x12 to 7 by 3x3/1+1 fp32",
                                          "backward-input 2 x 3x6x5x12 to 7 by 3x3/1+1 fp32"));
  ASSERT_EQ(memory.last_timings.size(), 3U);
  EXPECT_EQ(memory.last_timings[0].engine, ConvEngine::implicit);
  EXPECT_EQ(memory.last_timings[0].milliseconds, 2.0);

  const int asked = clock.asked();
  Memory later;
  for (const std::string& task : memory.settled) later.known[task] = ConvEngine::cudnn;
  ConvChoices next_process(&later, clock.timer());
  EXPECT_EQ(run_with({.precision = Precision::fp32, .conv_choices = &next_process}),
            run_with({.precision = Precision::fp32, .conv_engine = ConvEngine::cudnn}));
  EXPECT_EQ(clock.asked(), asked);
  EXPECT_EQ(later.recalled, memory.settled);
  EXPECT_TRUE(later.settled.empty());
}

TEST(ConvChoices, TheMemoryHasTheLastWord) {
  Clock clock({{ConvEngine::columns, 1}, {ConvEngine::implicit, 2}, {ConvEngine::cudnn, 3}});
  Memory memory;
  memory.insist = ConvEngine::implicit;
  ConvChoices choices(&memory, clock.timer());
  EXPECT_EQ(run_with({.precision = Precision::tf32, .conv_choices = &choices}),
            run_with({.precision = Precision::tf32, .conv_engine = ConvEngine::implicit}));
}

/// Sets cuDNN and the device's memory back when a test ends.
class KeepLimits {
 public:
  KeepLimits() = default;
  ~KeepLimits() {
    cuda_emulator::set_cudnn_supports(true);
    cuda_emulator::set_memory(std::size_t{4} << 30);
  }
  KeepLimits(const KeepLimits&) = delete;
  KeepLimits& operator=(const KeepLimits&) = delete;
};

TEST(ConvChoices, PassOverAnEngineThatCannot) {
  const KeepLimits keep;
  cuda_emulator::set_cudnn_supports(false);
  Clock clock({{ConvEngine::columns, 2}, {ConvEngine::implicit, 3}, {ConvEngine::cudnn, 1}});
  Memory memory;
  ConvChoices choices(&memory, clock.timer());
  EXPECT_EQ(run_with({.precision = Precision::tf32, .conv_choices = &choices}),
            run_with({.precision = Precision::tf32, .conv_engine = ConvEngine::columns}));
  EXPECT_EQ(memory.last_timings[2].engine, ConvEngine::cudnn);
  EXPECT_FALSE(memory.last_timings[2].milliseconds.has_value());
}

TEST(ConvChoices, PassOverAnEngineThatHasNotTheMemory) {
  const KeepLimits keep;
  Clock clock({{ConvEngine::columns, 1}, {ConvEngine::implicit, 2}, {ConvEngine::cudnn, 3}});
  Memory memory;
  ConvChoices choices(&memory, clock.timer());
  Context context(kGpu, 1, {.conv_choices = &choices});
  Operands operands;
  const auto want = run_with({.conv_engine = ConvEngine::implicit});
  // Enough for weights laid out anew and their parts, but not for columns, if only just.
  const MemorySize memory_now = memory_size(kGpu);
  const auto columns =
      static_cast<std::size_t>(kShape.replicas * kShape.weight_size() / kShape.out_channels *
                               kShape.out_height() * kShape.out_width() * kShape.batch);
  cuda_emulator::set_memory(memory_now.all - memory_now.free + columns * sizeof(float) - 1);
  EXPECT_EQ(operands.run(context), want);
  EXPECT_FALSE(memory.last_timings[1].milliseconds.has_value());
}

TEST(ConvChoices, QuoteTheLastEngineIfNoneCan) {
  ConvChoices choices(nullptr, [](Context&, const std::function<void()>&) -> double {
    throw kernels::Unsupported("too strange a shape");
  });
  EXPECT_THAT([&] { run_with({.conv_choices = &choices}); },
              ThrowsMessage<kernels::Unsupported>("too strange a shape"));
}

TEST(ConvChoices, AnErrorOfTheGpuIsNotPassedOver) {
  ConvChoices choices(nullptr, [](Context&, const std::function<void()>&) -> double {
    throw std::runtime_error("cudaErrorIllegalAddress");
  });
  EXPECT_THAT([&] { run_with({.conv_choices = &choices}); },
              ThrowsMessage<std::runtime_error>("cudaErrorIllegalAddress"));
}

TEST(ConvChoices, AreNotMadeInsideACapture) {
  Clock clock({{ConvEngine::columns, 1}, {ConvEngine::implicit, 2}, {ConvEngine::cudnn, 3}});
  ConvChoices choices(nullptr, clock.timer());
  Context context(kGpu, 1, {.conv_choices = &choices});
  Operands operands;
  const auto forward = [&] {
    kernels::conv_forward(context, kShape, operands.input.replicas(kShape.input_size()),
                          operands.weight.replicas(kShape.weight_size()), {},
                          operands.output.replicas(kShape.output_size()));
  };
  EXPECT_THAT([&] { kernels::cuda::record(context, forward); },
              ThrowsMessage<std::logic_error>(HasSubstr("inside a graph's capture")));
  kernels::Replay step(context, forward);
  for (int i = 0; i < 3; ++i) step.run();  // chosen in the first, recorded in the second
  EXPECT_EQ(operands.output.download(), run_with({.conv_engine = ConvEngine::columns})[0]);
}

TEST(ConvChoices, ByTheGpusClockLeaveTheOperandsAsOneRunDoes) {
  ConvChoices choices;  // emulated time stands still, so the first candidate wins
  EXPECT_EQ(run_with({.conv_choices = &choices}), run_with({.conv_engine = ConvEngine::implicit}));
}

/// 2^31 results a channel; nothing is read or written of what is refused.
constexpr ConvShape kHuge = {.batch = 1 << 11, .height = 1 << 10, .width = 1 << 10};

void forward_of_huge(ConvEngine engine) {
  Context context(kGpu, 1, {.conv_engine = engine});
  kernels::conv_forward(context, kHuge, {}, {}, {}, {});
}

TEST(ConvEngines, ThatCannotTakeAShapeSaySo) {
  for (const auto engine : {ConvEngine::columns, ConvEngine::implicit, ConvEngine::cudnn}) {
    EXPECT_THAT([&] { forward_of_huge(engine); },
                ThrowsMessage<kernels::Unsupported>(
                    std::string(kernels::to_string(engine)) +
                    " cannot compute forward 1 x 1x1024x1024x2048 to 1 by 1x1/1+0 fp32 "
                    "shared-input shared-weight"));
  }
}

TEST(ConvEngines, ThatCannotTakeAShapeAreNotTried) {
  EXPECT_THAT([] { forward_of_huge(ConvEngine::automatic); },
              ThrowsMessage<kernels::Unsupported>(HasSubstr("no engine of convolution computes")));
}

TEST(Cudnn, ThatCannotIsQuoted) {
  const KeepLimits keep;
  cuda_emulator::set_cudnn_supports(false);
  EXPECT_THAT([] { run_with({.conv_engine = ConvEngine::cudnn}); },
              ThrowsMessage<kernels::Unsupported>(
                  testing::AllOf(HasSubstr("cudnnGetConvolutionForwardWorkspaceSize"),
                                 HasSubstr("CUDNN_STATUS_NOT_SUPPORTED"))));
}

TEST(Cudnn, CallsThatFailAreQuotedWithTheirPlace) {
  EXPECT_THAT([] { REDOUBT_CUDA_CHECK(CUDNN_STATUS_BAD_PARAM); },
              ThrowsMessage<std::runtime_error>(testing::AllOf(
                  HasSubstr("conv_choices_test.cpp"), HasSubstr("CUDNN_STATUS_BAD_PARAM failed"))));
}

}  // namespace

}  // namespace redoubt::test
