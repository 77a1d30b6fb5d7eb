// Every convolution engine and the dense product under every precision, against plain loops in
// double over inputs rounded as the precision says: only sums in fp32 are left to differ.
#include <gtest/gtest.h>

#include "kernels/conv/conv.h"
#include "kernels/gemm.h"
#include "tests/cuda_emulator/gpu_array.h"
#include "tests/cuda_emulator/rounded.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

struct Choice {
  std::string name;
  Arithmetic arithmetic;
  int bits;  ///< behind the point of what enters a product
};

Values rounded_all(Values values, int bits) {
  for (double& value : values) {
    value = static_cast<double>(rounded(static_cast<float>(value), bits));
  }
  return values;
}

void expect_near(const Values& got, const Values& want, const char* what) {
  ASSERT_EQ(got.size(), want.size());
  double largest = 0;
  for (const double value : want) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < want.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], 3e-6 * largest) << what << " at " << i;
  }
}

struct ConvCase {
  kernels::ConvShape shape;
  bool shared_weight = false;
};

std::vector<ConvCase> conv_cases() {
  std::vector<ConvCase> cases;
  const auto add = [&](int replicas, int batch, int in, int out, int size, int kernel, int stride,
                       int padding, bool shared) {
    cases.push_back({{.replicas = replicas,
                      .batch = batch,
                      .in_channels = in,
                      .height = size,
                      .width = size + 1,
                      .out_channels = out,
                      .kernel_height = kernel,
                      .kernel_width = kernel,
                      .stride = stride,
                      .padding = padding},
                     shared});
  };
  add(1, 1, 1, 1, 5, 3, 1, 0, false);
  add(2, 5, 3, 7, 6, 3, 1, 1, false);
  add(3, 8, 4, 5, 7, 3, 2, 1, true);
  add(2, 12, 5, 33, 5, 2, 1, 0, false);
  add(1, 7, 17, 4, 6, 5, 1, 2, false);
  add(2, 4, 6, 9, 4, 1, 1, 0, true);
  add(1, 20, 2, 40, 9, 4, 3, 2, false);
  return cases;
}

class UnderArithmetic : public testing::TestWithParam<Choice> {};

TEST_P(UnderArithmetic, ConvolutionAgreesWithPlainLoops) {
  const auto& [name, arithmetic, bits] = GetParam();
  for (const ConvCase& one : conv_cases()) {
    const kernels::ConvShape& s = one.shape;
    SCOPED_TRACE(std::to_string(s.in_channels) + " to " + std::to_string(s.out_channels) +
                 " channels, kernel " + std::to_string(s.kernel_height) + ", batch " +
                 std::to_string(s.batch));
    const int weights = one.shared_weight ? 1 : s.replicas;
    const Values x = random_values(1, s.input_size() * s.replicas);
    const Values w = random_values(2, s.weight_size() * weights);
    const Values b = random_values(3, std::int64_t{s.out_channels} * weights);
    const Values dy = random_values(4, s.output_size() * s.replicas);
    const Spacing shared = {4, one.shared_weight};
    Blocks<float> input(kGpu, s.replicas, s.input_size(), {4, false}, x);
    Blocks<float> weight(kGpu, s.replicas, s.weight_size(), shared, w);
    Blocks<float> bias(kGpu, s.replicas, s.out_channels, shared, b);
    Blocks<float> grad_output(kGpu, s.replicas, s.output_size(), {4, false}, dy);
    Blocks<float> output(kGpu, s.replicas, s.output_size(), {4, false});
    Blocks<float> grad_input(kGpu, s.replicas, s.input_size(), {4, false});
    Blocks<float> grad_weight(kGpu, s.replicas, s.weight_size(), {4, false});
    Context context(kGpu, 1, arithmetic);
    kernels::conv_forward(context, s, input.view(), weight.view(), bias.view(), output.view());
    kernels::conv_backward_input(context, s, weight.view(), grad_output.view(), grad_input.view());
    kernels::conv_backward_weight(context, s, input.view(), grad_output.view(), grad_weight.view());
    context.synchronize();

    const Values x_seen = rounded_all(x, bits);
    const Values w_seen = rounded_all(w, bits);
    const Values dy_seen = rounded_all(dy, bits);
    const auto x_of = [&](int r) { return block(x_seen, s.input_size(), r); };
    const auto w_of = [&](int r) { return block(w_seen, s.weight_size(), r, one.shared_weight); };
    const auto dy_of = [&](int r) { return block(dy_seen, s.output_size(), r); };
    expect_near(output.values(),
                for_replicas(s.replicas,
                             [&](int r) {
                               return reference::conv_forward(
                                   s, x_of(r), w_of(r),
                                   block(b, s.out_channels, r, one.shared_weight));
                             }),
                "output");
    expect_near(
        grad_input.values(),
        for_replicas(s.replicas,
                     [&](int r) { return reference::conv_backward_input(s, w_of(r), dy_of(r)); }),
        "grad_input");
    expect_near(
        grad_weight.values(),
        for_replicas(s.replicas,
                     [&](int r) { return reference::conv_backward_weight(s, x_of(r), dy_of(r)); }),
        "grad_weight");
  }
}

TEST_P(UnderArithmetic, GemmAgreesWithPlainLoops) {
  const auto& [name, arithmetic, bits] = GetParam();
  for (int transposes = 0; transposes < 4; ++transposes) {
    kernels::GemmShape s;
    s.replicas = 3;
    s.rows = 11;
    s.columns = 6;
    s.inner = 19;
    s.transpose_a = (transposes & 1) != 0;
    s.transpose_b = (transposes & 2) != 0;
    s.a_stride = s.transpose_a ? s.rows : s.inner;
    s.b_stride = s.transpose_b ? s.inner : s.columns;
    s.c_stride = s.columns;
    const Values a = random_values(1, std::int64_t{s.rows} * s.inner * s.replicas);
    const Values b = random_values(2, std::int64_t{s.inner} * s.columns);
    Blocks<float> left(kGpu, s.replicas, std::int64_t{s.rows} * s.inner, {1, false}, a);
    Blocks<float> right(kGpu, s.replicas, std::int64_t{s.inner} * s.columns, {1, true}, b);
    Blocks<float> product(kGpu, s.replicas, std::int64_t{s.rows} * s.columns, {1, false});
    Context context(kGpu, 1, arithmetic);
    kernels::gemm(context, s, left.view(), right.view(), product.view());
    context.synchronize();
    expect_near(product.values(),
                for_replicas(s.replicas,
                             [&](int r) {
                               return reference::gemm(
                                   s,
                                   block(rounded_all(a, bits), std::int64_t{s.rows} * s.inner, r),
                                   rounded_all(b, bits));
                             }),
                "product");
  }
}

std::vector<Choice> choices() {
  return {{"Fp32Columns", {Precision::fp32, ConvEngine::columns}, 23},
          {"Fp32Implicit", {Precision::fp32, ConvEngine::implicit}, 23},
          {"Tf32Columns", {Precision::tf32, ConvEngine::columns}, 10},
          {"Tf32Implicit", {Precision::tf32, ConvEngine::implicit}, 10},
          {"Bf16Columns", {Precision::bf16, ConvEngine::columns}, 7},
          {"Bf16Implicit", {Precision::bf16, ConvEngine::implicit}, 7},
          {"Fp32Cudnn", {Precision::fp32, ConvEngine::cudnn}, 23},
          {"Tf32Cudnn", {Precision::tf32, ConvEngine::cudnn}, 10},
          {"Bf16Cudnn", {Precision::bf16, ConvEngine::cudnn}, 7}};
}

INSTANTIATE_TEST_SUITE_P(All, UnderArithmetic, testing::ValuesIn(choices()),
                         [](const auto& choice) { return choice.param.name; });

}  // namespace

}  // namespace redoubt::test
