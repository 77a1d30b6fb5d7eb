// What every .cu file starts from: launching a kernel, checking CUDA's answers, a Context's stream
// and cuBLAS handle. Only .cu files include this header.
#pragma once

#include <cublas_v2.h>
#include <cuda_runtime.h>
#if REDOUBT_WITH_CUDNN
#include <cudnn.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <source_location>
#include <utility>

#include "base/check.h"
#include "kernels/device.h"
#include "kernels/profile.h"

namespace redoubt::kernels::cuda {

// ---- Errors -------------------------------------------------------------------------------------

[[noreturn]] void fail(cudaError_t error, const char* call, std::source_location where);
[[noreturn]] void fail(cublasStatus_t status, const char* call, std::source_location where);

inline void check_call(cudaError_t error, const char* call,
                       std::source_location where = std::source_location::current()) {
  if (error != cudaSuccess) fail(error, call, where);
}
inline void check_call(cublasStatus_t status, const char* call,
                       std::source_location where = std::source_location::current()) {
  if (status != CUBLAS_STATUS_SUCCESS) fail(status, call, where);
}

#if REDOUBT_WITH_CUDNN
[[noreturn]] void fail(cudnnStatus_t status, const char* call, std::source_location where);
inline void check_call(cudnnStatus_t status, const char* call,
                       std::source_location where = std::source_location::current()) {
  if (status != CUDNN_STATUS_SUCCESS) fail(status, call, where);
}
#endif

/// Makes a call of CUDA, cuBLAS or cuDNN; throws std::runtime_error that quotes it unless it
/// succeeds.
#define REDOUBT_CUDA_CHECK(...) ::redoubt::kernels::cuda::check_call((__VA_ARGS__), #__VA_ARGS__)

// ---- A Context's CUDA side ----------------------------------------------------------------------

/// The stream of a device, made current. All Contexts of a device share it, so work is done in the
/// order asked, whoever asked.
cudaStream_t stream(Device device);
inline cudaStream_t stream(const Context& context) { return stream(context.device()); }

/// The device's cuBLAS handle, on its stream, with a workspace of its own: the same call gives the
/// same bits. Products are FP32 unless the call says otherwise.
cublasHandle_t cublas(const Context& context);

#if REDOUBT_WITH_CUDNN
/// The device's cuDNN handle, on its stream.
cudnnHandle_t cudnn(const Context& context);
#endif

// ---- Launching ----------------------------------------------------------------------------------

constexpr int kWarp = 32;

struct LaunchShape {
  dim3 grid = {1, 1, 1};
  dim3 block = {1, 1, 1};
  std::size_t shared_bytes = 0;  ///< of REDOUBT_DYNAMIC_SHARED
};

/// ceil(count / size), for grids and tiles.
constexpr std::int64_t divide_up(std::int64_t count, std::int64_t size) {
  return (count + size - 1) / size;
}

/// A grid's extent as CUDA's type. Throws std::logic_error if `extent` is negative or above
/// `largest` (2^31 - 1 in x, 65535 in y and z).
unsigned grid_extent(std::int64_t extent, std::int64_t largest = 65535);

/// One thread an element, in blocks along x; at most `max_blocks` of them, so the kernel goes on in
/// strides of the grid: for (i = global_thread(); i < count; i += grid_threads()).
LaunchShape for_each(std::int64_t count, int block = 256, std::int64_t max_blocks = 8192);

/// Throws std::runtime_error that names the kernel and its shape, and quotes CUDA.
[[noreturn]] void fail_launch(const char* name, const LaunchShape& shape, cudaError_t error);
/// Throws std::logic_error unless the shape is one that CUDA allows.
void check_shape(const char* name, const LaunchShape& shape);
/// The most shared memory that a block can ask for, dynamic and static together.
std::size_t most_shared_bytes(Device device);
/// Lets a kernel use more dynamic shared memory than needs no asking.
void allow_shared_bytes(const char* name, const void* kernel, const LaunchShape& shape);

/// Runs `kernel` on the context's stream. `name` says what it does. A grid without blocks does
/// nothing. The only place where kernels start.
template <class... Parameters, class... Arguments>
void launch(Context& context, const char* name, const LaunchShape& shape,
            void (*kernel)(Parameters...), Arguments&&... arguments) {
  static_assert(sizeof...(Parameters) == sizeof...(Arguments), "one argument a parameter");
  if (shape.grid.x == 0 || shape.grid.y == 0 || shape.grid.z == 0) return;
  check_shape(name, shape);
  const ProfileRange range(context.device(), name);
  const cudaStream_t own_stream = stream(context);
  allow_shared_bytes(name, reinterpret_cast<const void*>(kernel), shape);
#ifdef REDOUBT_CUDA_EMULATED
  cuda_emulator::launch(name, shape.grid, shape.block, shape.shared_bytes, own_stream, kernel,
                        Parameters(std::forward<Arguments>(arguments))...);
#else
  // clang-format off
  kernel<<<shape.grid, shape.block, shape.shared_bytes, own_stream>>>(
      Parameters(std::forward<Arguments>(arguments))...);
  // clang-format on
#endif
  const cudaError_t error = cudaGetLastError();
  if (error != cudaSuccess) fail_launch(name, shape, error);
}

// ---- In kernels ---------------------------------------------------------------------------------

/// Declares `T* name`, the block's shape.shared_bytes of dynamic shared memory, aligned to 16
/// bytes.
#ifdef REDOUBT_CUDA_EMULATED
#define REDOUBT_DYNAMIC_SHARED(T, name) \
  T* const name = static_cast<T*>(::cuda_emulator::dynamic_shared())
#else
#define REDOUBT_DYNAMIC_SHARED(T, name)      \
  extern __shared__ float4 redoubt_shared[]; \
  T* const name = reinterpret_cast<T*>(redoubt_shared)
#endif

/// This thread's number in a one-dimensional grid, and how many there are.
__device__ inline std::int64_t global_thread() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t grid_threads() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

}  // namespace redoubt::kernels::cuda
