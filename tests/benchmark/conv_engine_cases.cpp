// The engines of convolution against one another and against cuBLAS.
#include <array>

#include "kernels/conv/choices.h"
#include "tests/benchmark/operation_case.h"

namespace redoubt::benchmarks {

namespace {

/// The products that the passes of a convolution are, in their order.
std::array<std::pair<const char*, kernels::GemmShape>, 3> products_of(const kernels::ConvShape& s) {
  const int taps = s.in_channels * s.kernel_height * s.kernel_width;
  const int results = s.out_height() * s.out_width() * s.batch;
  const auto product = [&](int rows, int columns, int inner) {
    return kernels::GemmShape{.replicas = s.replicas,
                              .rows = rows,
                              .columns = columns,
                              .inner = inner,
                              .a_stride = inner,
                              .b_stride = columns,
                              .c_stride = columns};
  };
  kernels::GemmShape weight = product(s.out_channels, taps, results);
  weight.transpose_b = true;
  weight.b_stride = results;
  return {{{"conv_forward", product(s.out_channels, results, taps)},
           {"conv_backward_input",
            product(s.in_channels, results, s.out_channels * s.kernel_height * s.kernel_width)},
           {"conv_backward_weight", weight}}};
}

}  // namespace

OperationCases conv_engine_cases(bool smoke) {
  OperationCases cases;
  const auto append = [&](OperationCases some, const std::string& end, const Arithmetic& how) {
    for (OperationCase& one : some) {
      one.name += end;
      one.arithmetic = how;
      cases.push_back(one);
    }
  };
  // ResNet-18's stages for CIFAR-10: as the channels double, the sides halve.
  for (int channels = 64; channels <= 512; channels *= 2) {
    const kernels::ConvShape shape = {.replicas = smoke ? 1 : 10,
                                      .batch = smoke ? 4 : 64,
                                      .in_channels = smoke ? 4 : channels,
                                      .height = smoke ? 3 : 2048 / channels,
                                      .width = smoke ? 3 : 2048 / channels,
                                      .out_channels = smoke ? 4 : channels,
                                      .kernel_height = 3,
                                      .kernel_width = 3,
                                      .padding = 1};
    const std::string path = "3x3x" + std::to_string(channels);
    for (const auto& [precision_name, precision] : names_of(Precision())) {
      for (const auto& [engine_name, engine] : kConvEngineNames) {
        if (engine == ConvEngine::automatic || !is_built(engine)) continue;
        OperationCases own;
        add_conv(shape, path, false, own);
        append(own, std::string("/") + engine_name + "/" + precision_name,
               {.precision = precision, .conv_engine = engine});
      }
      for (const auto& [pass, product] : products_of(shape)) {
        OperationCases own;
        add_gemm(std::string(pass) + "/" + path, product, own);
        append(own, std::string("/cublas-product/") + precision_name, {.precision = precision});
      }
    }
  }
  return cases;
}

}  // namespace redoubt::benchmarks
