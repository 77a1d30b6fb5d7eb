// cuDNN's convolutions, by plain loops.
#include <cudnn.h>

#include <cstring>
#include <vector>

#include "cuda_emulator/instructions.h"
#include "tests/cuda_emulator/block.h"
#include "tests/cuda_emulator/emulator.h"
#include "tests/cuda_emulator/machine.h"

struct cudnnContext {
  cudaStream_t stream = nullptr;
};
struct cudnnTensorStruct {
  int n, c, h, w;
};
struct cudnnFilterStruct {
  int k, c, h, w;
};
struct cudnnConvolutionStruct {
  int padding_h, padding_w, stride_h, stride_w;
  int groups = 1;
  cudnnMathType_t math = CUDNN_DEFAULT_MATH;
};

namespace {

using cuda_emulator::KernelFailure;
using Values = std::vector<float>;
using Sums = std::vector<double>;  // as exact as a library's shorter sums of sums

bool cudnn_supports = true;

/// Odd, so that what the caller puts behind it must be told apart from it.
constexpr std::size_t kWorkspace = 1036;

std::size_t at(std::ptrdiff_t place) { return static_cast<std::size_t>(place); }

std::size_t count(const cudnnTensorStruct& t) { return at(std::ptrdiff_t{t.n} * t.c * t.h * t.w); }
std::size_t count(const cudnnFilterStruct& f) { return at(std::ptrdiff_t{f.k} * f.c * f.h * f.w); }

/// A convolution whose parts fit together.
struct Convolution {
  cudnnTensorStruct x;
  cudnnFilterStruct w;
  cudnnTensorStruct y;
  cudnnConvolutionStruct by;

  static int extent(int size, int padding, int kernel, int stride) {
    return (size + 2 * padding - kernel) / stride + 1;
  }
  bool is_valid() const {
    return by.groups >= 1 && w.k % by.groups == 0 && x.c == w.c * by.groups && y.c == w.k &&
           x.n == y.n && y.h == extent(x.h, by.padding_h, w.h, by.stride_h) &&
           y.w == extent(x.w, by.padding_w, w.w, by.stride_w) && y.h >= 1 && y.w >= 1;
  }

  /// Calls body(place in x, place in w, place in y) for each product of the convolution.
  template <class Body>
  void for_products(const Body& body) const {
    const int out_of_group = w.k / by.groups;
    for (int n = 0; n < y.n; ++n) {
      for (int k = 0; k < y.c; ++k) {
        for (int i = 0; i < y.h; ++i) {
          for (int j = 0; j < y.w; ++j) {
            const std::ptrdiff_t out = ((std::ptrdiff_t{n} * y.c + k) * y.h + i) * y.w + j;
            for (int c = 0; c < w.c; ++c) {
              const int channel = k / out_of_group * w.c + c;
              for (int u = 0; u < w.h; ++u) {
                const int h = i * by.stride_h + u - by.padding_h;
                if (h < 0 || h >= x.h) continue;
                for (int v = 0; v < w.w; ++v) {
                  const int column = j * by.stride_w + v - by.padding_w;
                  if (column < 0 || column >= x.w) continue;
                  body(at(((std::ptrdiff_t{n} * x.c + channel) * x.h + h) * x.w + column),
                       at(((std::ptrdiff_t{k} * w.c + c) * w.h + u) * w.w + v), at(out));
                }
              }
            }
          }
        }
      }
    }
  }
};

/// Throws KernelFailure unless the floats lie in device memory.
void check_device(const void* start, std::size_t floats) {
  const std::string wrong =
      cuda_emulator::machine().memory.check_range(start, floats * sizeof(float));
  if (!wrong.empty()) throw KernelFailure("cuDNN convolution: " + wrong);
}

/// What the products see of an operand.
Values operand(const void* data, std::size_t floats, cudnnMathType_t math) {
  check_device(data, floats);
  const auto* start = static_cast<const float*>(data);
  Values values(start, start + floats);
  if (math == CUDNN_FMA_MATH) return values;
  for (float& value : values) value = cuda_emulator::rounded_to_tf32(value);
  return values;
}

/// One pass: which operands it reads and how products land in its result.
struct Pass {
  const void* a;
  std::size_t a_count;
  const void* b;
  std::size_t b_count;
  void* result;
  std::size_t result_count;
  void* workspace;
  std::size_t workspace_bytes;
  float alpha;
  float beta;
};

template <class Accumulate>
cudnnStatus_t enqueue(cudnnHandle_t handle, const Convolution& convolution, const Pass& pass,
                      const Accumulate& accumulate) {
  if (!convolution.is_valid() || pass.workspace_bytes < kWorkspace) return CUDNN_STATUS_BAD_PARAM;
  if (!cudnn_supports) return CUDNN_STATUS_NOT_SUPPORTED;
  cuda_emulator::Machine& machine = cuda_emulator::machine();
  const cuda_emulator::Lock lock(machine.lock);
  const cudaError_t error = machine.enqueue(handle->stream, [=] {
    const std::string wrong =
        cuda_emulator::machine().memory.check_range(pass.workspace, pass.workspace_bytes);
    if (!wrong.empty()) throw KernelFailure("cuDNN's workspace: " + wrong);
    std::memset(pass.workspace, 0xff, pass.workspace_bytes);  // an algorithm may do as it likes
    const Values a = operand(pass.a, pass.a_count, convolution.by.math);
    const Values b = operand(pass.b, pass.b_count, convolution.by.math);
    check_device(pass.result, pass.result_count);
    Sums sums(pass.result_count);
    convolution.for_products(
        [&](std::size_t x, std::size_t w, std::size_t y) { accumulate(a, b, sums, x, w, y); });
    auto* result = static_cast<float*>(pass.result);
    for (std::size_t i = 0; i < sums.size(); ++i) {
      const float kept = pass.beta == 0 ? 0 : pass.beta * result[i];
      result[i] = pass.alpha * static_cast<float>(sums[i]) + kept;
    }
  });
  return error == cudaSuccess ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_EXECUTION_FAILED;
}

cudnnStatus_t workspace_size(bool deterministic, const Convolution& convolution,
                             std::size_t* bytes) {
  if (!convolution.is_valid()) return CUDNN_STATUS_BAD_PARAM;
  if (!deterministic || !cudnn_supports) return CUDNN_STATUS_NOT_SUPPORTED;
  *bytes = kWorkspace;
  return CUDNN_STATUS_SUCCESS;
}

float number(const void* scale) { return *static_cast<const float*>(scale); }

template <class T>
cudnnStatus_t create(T** descriptor) {
  *descriptor = new T{};
  return CUDNN_STATUS_SUCCESS;
}
template <class T>
cudnnStatus_t destroy(T* descriptor) {
  delete descriptor;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

void cuda_emulator::set_cudnn_supports(bool supports) { cudnn_supports = supports; }

const char* cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM:
      return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
  }
  return "unknown cuDNN status";
}

std::size_t cudnnGetVersion() { return 90000; }
cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) { return create(handle); }
cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  handle->stream = stream;
  return CUDNN_STATUS_SUCCESS;
}

// ---- Descriptors --------------------------------------------------------------------------------

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* descriptor) {
  return create(descriptor);
}
cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t descriptor) {
  return destroy(descriptor);
}
cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t descriptor,
                                         cudnnTensorFormat_t format, cudnnDataType_t type, int n,
                                         int c, int h, int w) {
  if (n < 1 || c < 1 || h < 1 || w < 1) return CUDNN_STATUS_BAD_PARAM;
  if (format != CUDNN_TENSOR_NCHW || type != CUDNN_DATA_FLOAT) return CUDNN_STATUS_NOT_SUPPORTED;
  *descriptor = {n, c, h, w};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t* descriptor) {
  return create(descriptor);
}
cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t descriptor) {
  return destroy(descriptor);
}
cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t descriptor, cudnnDataType_t type,
                                         cudnnTensorFormat_t format, int k, int c, int h, int w) {
  if (k < 1 || c < 1 || h < 1 || w < 1) return CUDNN_STATUS_BAD_PARAM;
  if (format != CUDNN_TENSOR_NCHW || type != CUDNN_DATA_FLOAT) return CUDNN_STATUS_NOT_SUPPORTED;
  *descriptor = {k, c, h, w};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t* descriptor) {
  return create(descriptor);
}
cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t descriptor) {
  return destroy(descriptor);
}
cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t descriptor, int pad_h,
                                              int pad_w, int stride_h, int stride_w, int dilation_h,
                                              int dilation_w, cudnnConvolutionMode_t mode,
                                              cudnnDataType_t compute) {
  if (pad_h < 0 || pad_w < 0 || stride_h < 1 || stride_w < 1) return CUDNN_STATUS_BAD_PARAM;
  if (dilation_h != 1 || dilation_w != 1 || mode != CUDNN_CROSS_CORRELATION ||
      compute != CUDNN_DATA_FLOAT) {
    return CUDNN_STATUS_NOT_SUPPORTED;
  }
  *descriptor = {pad_h, pad_w, stride_h, stride_w};
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t descriptor, int groups) {
  descriptor->groups = groups;
  return groups >= 1 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}
cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t descriptor,
                                          cudnnMathType_t math) {
  descriptor->math = math;
  return CUDNN_STATUS_SUCCESS;
}

// ---- Passes -------------------------------------------------------------------------------------

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(
    cudnnHandle_t /*handle*/, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y,
    cudnnConvolutionFwdAlgo_t /*algorithm*/, std::size_t* bytes) {
  return workspace_size(true, {*x, *w, *y, *convolution}, bytes);
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void* alpha,
                                      cudnnTensorDescriptor_t x, const void* x_data,
                                      cudnnFilterDescriptor_t w, const void* w_data,
                                      cudnnConvolutionDescriptor_t convolution,
                                      cudnnConvolutionFwdAlgo_t /*algorithm*/, void* workspace,
                                      std::size_t workspace_bytes, const void* beta,
                                      cudnnTensorDescriptor_t y, void* y_data) {
  return enqueue(handle, {*x, *w, *y, *convolution},
                 {x_data, count(*x), w_data, count(*w), y_data, count(*y), workspace,
                  workspace_bytes, number(alpha), number(beta)},
                 [](const Values& x_values, const Values& w_values, Sums& sums, std::size_t x_at,
                    std::size_t w_at, std::size_t y_at) {
                   sums[y_at] += double{x_values[x_at]} * double{w_values[w_at]};
                 });
}

cudnnStatus_t cudnnGetConvolutionBackwardDataWorkspaceSize(
    cudnnHandle_t /*handle*/, cudnnFilterDescriptor_t w, cudnnTensorDescriptor_t dy,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t dx,
    cudnnConvolutionBwdDataAlgo_t algorithm, std::size_t* bytes) {
  return workspace_size(algorithm == CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
                        {*dx, *w, *dy, *convolution}, bytes);
}

cudnnStatus_t cudnnConvolutionBackwardData(
    cudnnHandle_t handle, const void* alpha, cudnnFilterDescriptor_t w, const void* w_data,
    cudnnTensorDescriptor_t dy, const void* dy_data, cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionBwdDataAlgo_t /*algorithm*/, void* workspace, std::size_t workspace_bytes,
    const void* beta, cudnnTensorDescriptor_t dx, void* dx_data) {
  return enqueue(handle, {*dx, *w, *dy, *convolution},
                 {w_data, count(*w), dy_data, count(*dy), dx_data, count(*dx), workspace,
                  workspace_bytes, number(alpha), number(beta)},
                 [](const Values& w_values, const Values& dy_values, Sums& sums, std::size_t x_at,
                    std::size_t w_at, std::size_t y_at) {
                   sums[x_at] += double{w_values[w_at]} * double{dy_values[y_at]};
                 });
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterWorkspaceSize(
    cudnnHandle_t /*handle*/, cudnnTensorDescriptor_t x, cudnnTensorDescriptor_t dy,
    cudnnConvolutionDescriptor_t convolution, cudnnFilterDescriptor_t dw,
    cudnnConvolutionBwdFilterAlgo_t algorithm, std::size_t* bytes) {
  return workspace_size(algorithm == CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1,
                        {*x, *dw, *dy, *convolution}, bytes);
}

cudnnStatus_t cudnnConvolutionBackwardFilter(
    cudnnHandle_t handle, const void* alpha, cudnnTensorDescriptor_t x, const void* x_data,
    cudnnTensorDescriptor_t dy, const void* dy_data, cudnnConvolutionDescriptor_t convolution,
    cudnnConvolutionBwdFilterAlgo_t /*algorithm*/, void* workspace, std::size_t workspace_bytes,
    const void* beta, cudnnFilterDescriptor_t dw, void* dw_data) {
  return enqueue(handle, {*x, *dw, *dy, *convolution},
                 {x_data, count(*x), dy_data, count(*dy), dw_data, count(*dw), workspace,
                  workspace_bytes, number(alpha), number(beta)},
                 [](const Values& x_values, const Values& dy_values, Sums& sums, std::size_t x_at,
                    std::size_t w_at, std::size_t y_at) {
                   sums[w_at] += double{x_values[x_at]} * double{dy_values[y_at]};
                 });
}
