// Matrix products and convolution.
#include "kernels/conv/conv.h"
#include "kernels/gemm.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

constexpr double kProductTolerance = 2e-6;

struct GemmCase {
  kernels::GemmShape shape;
  Spacing a;
  Spacing b;
};

OperationCase gemm_case(const GemmCase& c) {
  const kernels::GemmShape s = c.shape;
  const std::int64_t a_size = std::int64_t{s.rows} * s.inner;
  const std::int64_t b_size = std::int64_t{s.inner} * s.columns;
  const std::int64_t c_size = std::int64_t{s.rows} * s.columns;
  const Values a = random_values(1, a_size * (c.a.shared ? 1 : s.replicas));
  const Values b = random_values(2, b_size * (c.b.shared ? 1 : s.replicas));
  OperationCase entry;
  entry.family = "gemm";
  entry.name = std::to_string(s.rows) + "x" + std::to_string(s.columns) + "x" +
               std::to_string(s.inner) + " R=" + std::to_string(s.replicas) +
               (s.transpose_a ? " At" : "") + (s.transpose_b ? " Bt" : "") +
               (c.a.shared ? " shared A" : "") + (c.b.shared ? " shared B" : "");
  entry.run = [=](Device device) -> Results {
    Context context(device);
    Blocks<float> left(device, s.replicas, a_size, c.a, a);
    Blocks<float> right(device, s.replicas, b_size, c.b, b);
    Blocks<float> product(device, s.replicas, c_size, {c.a.gap, false});
    kernels::GemmShape packed = s;
    packed.a_stride = s.transpose_a ? s.rows : s.inner;
    packed.b_stride = s.transpose_b ? s.inner : s.columns;
    packed.c_stride = s.columns;
    kernels::gemm(context, packed, left.view(), right.view(), product.view());
    context.synchronize();
    return {{"C", product.values()}};
  };
  entry.reference = [=]() -> Results {
    return {{"C",
             for_replicas(s.replicas,
                          [&](int r) {
                            return reference::gemm(s, block(a, a_size, r, c.a.shared),
                                                   block(b, b_size, r, c.b.shared));
                          }),
             kProductTolerance}};
  };
  return entry;
}

}  // namespace

void add_product_cases(std::vector<OperationCase>& cases) {
  for (const int transposes : {0, 1, 2, 3}) {
    for (const int batch : {1, 7, 33, 64}) {
      kernels::GemmShape shape;
      shape.rows = 13;
      shape.columns = batch;
      shape.inner = 21;
      shape.transpose_a = (transposes & 1) != 0;
      shape.transpose_b = (transposes & 2) != 0;
      for (const int replicas : {1, 7}) {
        shape.replicas = replicas;
        cases.push_back(gemm_case({shape, {5, false}, {3, false}}));
      }
      cases.push_back(gemm_case({shape, {0, true}, {3, false}}));
      cases.push_back(gemm_case({shape, {3, false}, {0, true}}));
    }
  }
  kernels::GemmShape large;
  large.rows = 130;
  large.columns = 50;
  large.inner = 800;
  cases.push_back(gemm_case({large, {1, false}, {1, false}}));
  // More steps than one block of the sum, and columns beside whole tiles.
  large.rows = 5;
  large.columns = 70;
  large.inner = 4100;
  cases.push_back(gemm_case({large, {1, false}, {1, false}}));
}

namespace {

struct ConvCase {
  const char* family;  ///< conv_..., of which each is a test
  kernels::ConvShape shape;
  int gap = 0;
  bool shared_weights = false;
  bool bias = true;
};

std::string describe(const ConvCase& c) {
  const kernels::ConvShape& s = c.shape;
  return std::to_string(s.in_channels) + "x" + std::to_string(s.height) + "x" +
         std::to_string(s.width) + " -> " + std::to_string(s.out_channels) + ", kernel " +
         std::to_string(s.kernel_height) + "x" + std::to_string(s.kernel_width) + ", stride " +
         std::to_string(s.stride) + ", padding " + std::to_string(s.padding) +
         ", N=" + std::to_string(s.batch) + ", R=" + std::to_string(s.replicas) + ", gap " +
         std::to_string(c.gap) + (c.shared_weights ? ", shared weights" : "") +
         (c.bias ? "" : ", no bias");
}

OperationCase conv_case(const ConvCase& c) {
  const kernels::ConvShape s = c.shape;
  const int models = c.shared_weights ? 1 : s.replicas;
  const Values input = random_values(3, s.replicas * s.input_size());
  const Values weight = random_values(4, models * s.weight_size());
  const Values bias = random_values(5, std::int64_t{models} * s.out_channels);
  const Values grad_output = random_values(6, s.replicas * s.output_size());
  OperationCase entry;
  entry.family = c.family;
  entry.name = describe(c);
  entry.run = [=](Device device) -> Results {
    Context context(device);
    const Spacing apart = {c.gap, false};
    const Spacing model = {c.gap, c.shared_weights};
    Blocks<float> x(device, s.replicas, s.input_size(), apart, input);
    Blocks<float> w(device, s.replicas, s.weight_size(), model, weight);
    Blocks<float> b(device, s.replicas, s.out_channels, model, bias);
    Blocks<float> dy(device, s.replicas, s.output_size(), apart, grad_output);
    Blocks<float> y(device, s.replicas, s.output_size(), apart);
    Blocks<float> dx(device, s.replicas, s.input_size(), apart);
    Blocks<float> dw(device, s.replicas, s.weight_size(), apart);
    kernels::conv_forward(context, s, x.view(), w.view(),
                          c.bias ? b.view() : kernels::Replicas<float>{}, y.view());
    kernels::conv_backward_input(context, s, w.view(), dy.view(), dx.view());
    kernels::conv_backward_weight(context, s, x.view(), dy.view(), dw.view());
    context.synchronize();
    return {{"output", y.values()}, {"grad_input", dx.values()}, {"grad_weight", dw.values()}};
  };
  entry.reference = [=]() -> Results {
    const auto weights = [&](int r) { return block(weight, s.weight_size(), r, c.shared_weights); };
    const auto inputs = [&](int r) { return block(input, s.input_size(), r); };
    const auto gradients = [&](int r) { return block(grad_output, s.output_size(), r); };
    const auto output = for_replicas(s.replicas, [&](int r) {
      const Values b = c.bias ? block(bias, s.out_channels, r, c.shared_weights) : Values{};
      return reference::conv_forward(s, inputs(r), weights(r), b);
    });
    const auto grad_input = for_replicas(s.replicas, [&](int r) {
      return reference::conv_backward_input(s, weights(r), gradients(r));
    });
    const auto grad_weight = for_replicas(s.replicas, [&](int r) {
      return reference::conv_backward_weight(s, inputs(r), gradients(r));
    });
    return {{"output", output, kProductTolerance},
            {"grad_input", grad_input, kProductTolerance},
            {"grad_weight", grad_weight, kProductTolerance}};
  };
  return entry;
}

kernels::ConvShape conv_shape(int in_channels, int size, int out_channels, int kernel, int stride,
                              int padding) {
  kernels::ConvShape s;
  s.in_channels = in_channels;
  s.height = size;
  s.width = size;
  s.out_channels = out_channels;
  s.kernel_height = kernel;
  s.kernel_width = kernel;
  s.stride = stride;
  s.padding = padding;
  return s;
}

}  // namespace

void add_conv_cases(std::vector<OperationCase>& cases) {
  struct Family {
    const char* name;
    kernels::ConvShape shape;
  };
  const Family families[] = {
      {"conv_by_5x5", conv_shape(1, 7, 20, 5, 1, 0)},
      {"conv_by_3x3_padded", conv_shape(3, 8, 5, 3, 1, 1)},
      {"conv_by_3x3_stride_2", conv_shape(4, 7, 17, 3, 2, 1)},
      {"conv_by_4x4_stride_3", conv_shape(2, 7, 3, 4, 3, 2)},
      {"conv_by_1x1", conv_shape(5, 6, 7, 1, 1, 0)},
      {"conv_mostly_padding", conv_shape(2, 5, 4, 5, 1, 4)},
      {"conv_with_gaps", conv_shape(2, 6, 3, 2, 4, 0)},
  };
  for (const auto& [family, shape_of_family] : families) {
    kernels::ConvShape shape = shape_of_family;
    for (const int batch : {1, 3, 7, 10, 16, 33, 50, 64}) {
      shape.batch = batch;
      shape.replicas = batch == 7 ? 7 : 1;
      cases.push_back(conv_case({family, shape, batch % 3}));
    }
    shape.batch = 10;
    shape.replicas = 7;
    cases.push_back(conv_case({family, shape, 5, true}));
    cases.push_back(conv_case({family, shape, 32, false, false}));
  }
  // Higher than wide, in images and kernels.
  kernels::ConvShape oblong = conv_shape(3, 10, 6, 5, 1, 1);
  oblong.width = 7;
  oblong.kernel_width = 2;
  oblong.batch = 11;
  oblong.replicas = 2;
  cases.push_back(conv_case({"conv_oblong", oblong, 1}));
  // A preset's layer in full: wu-mnist's second.
  kernels::ConvShape full = conv_shape(20, 12, 50, 5, 1, 0);
  full.batch = 8;
  cases.push_back(conv_case({"conv_of_a_preset", full, 0}));
}

}  // namespace redoubt::test
