// Devices, memory and launches of the CUDA side.
#include <array>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string>

#include "kernels/device_cuda.h"
#include "kernels/launch.h"

namespace redoubt::kernels::cuda {

namespace {

constexpr int kMaxDevices = 64;
// cuBLAS asks for at least 32 MiB on sm_90 to choose freely among its kernels.
constexpr std::size_t kCublasWorkspace = std::size_t{32} << 20;
// CUDA gives 48 KiB unasked, but a kernel's static shared memory counts, too.
constexpr std::size_t kSharedWithoutAsking = 32 * 1024;

/// What one device keeps for the life of the program. The driver frees it.
struct DeviceState {
  std::once_flag stream_made;
  cudaStream_t stream = nullptr;
  std::once_flag cublas_made;
  cublasHandle_t cublas = nullptr;
#if REDOUBT_WITH_CUDNN
  std::once_flag cudnn_made;
  cudnnHandle_t cudnn = nullptr;
#endif
};

DeviceState& state(Device device) {
  static std::array<DeviceState, kMaxDevices> states;
  check(is_cuda(device), "the CUDA side works on CUDA devices");
  return states.at(static_cast<std::size_t>(device.index));
}

std::string text(const dim3& extent) {
  return std::to_string(extent.x) + " x " + std::to_string(extent.y) + " x " +
         std::to_string(extent.z);
}

std::string text(const char* name, const LaunchShape& shape) {
  return std::string("kernel \"") + name + "\" (grid " + text(shape.grid) + ", block " +
         text(shape.block) + ", " + std::to_string(shape.shared_bytes) + " bytes shared)";
}

std::string place(std::source_location where) {
  return std::string(where.file_name()) + ":" + std::to_string(where.line());
}

}  // namespace

void fail(cudaError_t error, const char* call, std::source_location where) {
  throw std::runtime_error(place(where) + ": " + call + " failed: " + cudaGetErrorName(error) +
                           ", " + cudaGetErrorString(error));
}

void fail(cublasStatus_t status, const char* call, std::source_location where) {
  throw std::runtime_error(place(where) + ": " + call +
                           " failed: " + cublasGetStatusString(status));
}

#if REDOUBT_WITH_CUDNN
void fail(cudnnStatus_t status, const char* call, std::source_location where) {
  throw std::runtime_error(place(where) + ": " + call + " failed: " + cudnnGetErrorString(status));
}

cudnnHandle_t cudnn(const Context& context) {
  const cudaStream_t own_stream = stream(context);
  DeviceState& own = state(context.device());
  std::call_once(own.cudnn_made, [&] {
    check_not_capturing(context.device(), "cuDNN starts");
    REDOUBT_CUDA_CHECK(cudnnCreate(&own.cudnn));
    REDOUBT_CUDA_CHECK(cudnnSetStream(own.cudnn, own_stream));
  });
  return own.cudnn;
}
#endif

Devices find_devices() {
  Devices devices;
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error != cudaSuccess || count == 0) {
    static_cast<void>(cudaGetLastError());  // not an error of any later call
    devices.reason_for_none = std::string("CUDA says \"") +
                              cudaGetErrorString(error == cudaSuccess ? cudaErrorNoDevice : error) +
                              "\"";
    return devices;
  }
  for (int index = 0; index < std::min(count, kMaxDevices); ++index) {
    cudaDeviceProp properties;
    REDOUBT_CUDA_CHECK(cudaGetDeviceProperties(&properties, index));
    devices.names.emplace_back(properties.name);
  }
  return devices;
}

std::string fingerprint(Device device) {
  cudaDeviceProp properties;
  REDOUBT_CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index));
  std::string text = properties.name;
  const auto add = [&](const char* before, auto number) {
    text += before;
    text += std::to_string(number);
  };
  add(", compute capability ", properties.major);
  add(".", properties.minor);
  int version = 0;
  REDOUBT_CUDA_CHECK(cudaDriverGetVersion(&version));
  add(", driver ", version);
  REDOUBT_CUDA_CHECK(cudaRuntimeGetVersion(&version));
  add(", CUDA ", version);
  const char* before = ", cuBLAS ";
  for (const libraryPropertyType part : {MAJOR_VERSION, MINOR_VERSION, PATCH_LEVEL}) {
    REDOUBT_CUDA_CHECK(cublasGetProperty(part, &version));
    add(std::exchange(before, "."), version);
  }
#if REDOUBT_WITH_CUDNN
  add(", cuDNN ", cudnnGetVersion());
#else
  text += ", no cuDNN";
#endif
  return text;
}

cudaStream_t stream(Device device) {
  DeviceState& own = state(device);
  REDOUBT_CUDA_CHECK(cudaSetDevice(device.index));
  std::call_once(own.stream_made, [&] {
    REDOUBT_CUDA_CHECK(cudaStreamCreateWithFlags(&own.stream, cudaStreamNonBlocking));
  });
  return own.stream;
}

cublasHandle_t cublas(const Context& context) {
  const cudaStream_t own_stream = stream(context);
  DeviceState& own = state(context.device());
  std::call_once(own.cublas_made, [&] {
    check_not_capturing(context.device(), "cuBLAS starts");
    void* workspace = cuda::allocate(context.device(), kCublasWorkspace);
    REDOUBT_CUDA_CHECK(cublasCreate(&own.cublas));
    REDOUBT_CUDA_CHECK(cublasSetStream(own.cublas, own_stream));
    REDOUBT_CUDA_CHECK(cublasSetWorkspace(own.cublas, workspace, kCublasWorkspace));
    REDOUBT_CUDA_CHECK(cublasSetMathMode(own.cublas, CUBLAS_DEFAULT_MATH));
  });
  return own.cublas;
}

void* allocate(Device device, std::size_t bytes) {
  stream(device);
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    throw OutOfMemory(device, bytes, cuda::memory_size(device));
  }
  check_call(error, "cudaMalloc(&memory, bytes)");
  return memory;
}

void release(Device device, void* memory) noexcept {
  if (memory == nullptr) return;
  // Nothing to be done about an error here; a sticky one shows at the next call.
  static_cast<void>(cudaSetDevice(device.index));
  static_cast<void>(cudaFree(memory));
}

MemorySize memory_size(Device device) {
  stream(device);
  MemorySize size;
  REDOUBT_CUDA_CHECK(cudaMemGetInfo(&size.free, &size.all));
  return size;
}

void copy_to_device(Device device, void* device_memory, const void* host, std::size_t bytes) {
  REDOUBT_CUDA_CHECK(
      cudaMemcpyAsync(device_memory, host, bytes, cudaMemcpyHostToDevice, stream(device)));
  synchronize(device);  // where a GPU reads the host's memory itself, `host` must not change before
}

void copy_to_host(Device device, void* host, const void* device_memory, std::size_t bytes) {
  REDOUBT_CUDA_CHECK(
      cudaMemcpyAsync(host, device_memory, bytes, cudaMemcpyDeviceToHost, stream(device)));
  synchronize(device);
}

void copy_on_device(Device device, void* to, const void* from, std::size_t bytes) {
  REDOUBT_CUDA_CHECK(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice, stream(device)));
}

void fill_zero(Device device, void* device_memory, std::size_t bytes) {
  REDOUBT_CUDA_CHECK(cudaMemsetAsync(device_memory, 0, bytes, stream(device)));
}

void synchronize(Device device) { REDOUBT_CUDA_CHECK(cudaStreamSynchronize(stream(device))); }

void check_not_capturing(Device device, const char* event) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  REDOUBT_CUDA_CHECK(cudaStreamIsCapturing(stream(device), &status));
  check(status == cudaStreamCaptureStatusNone, std::string(event) + " inside a graph's capture");
}

// ---- Launching ----------------------------------------------------------------------------------

unsigned grid_extent(std::int64_t extent, std::int64_t largest) {
  check(extent >= 0 && extent <= largest,
        "a grid's extent is in 0.." + std::to_string(largest) + ", not " + std::to_string(extent));
  return static_cast<unsigned>(extent);
}

LaunchShape for_each(std::int64_t count, int block, std::int64_t max_blocks) {
  const std::int64_t blocks = std::min(divide_up(count, block), max_blocks);
  return {.grid = dim3(grid_extent(blocks, 0x7fffffff)),
          .block = dim3(static_cast<unsigned>(block))};
}

void fail_launch(const char* name, const LaunchShape& shape, cudaError_t error) {
  throw std::runtime_error(text(name, shape) + " failed: " + cudaGetErrorName(error) + ", " +
                           cudaGetErrorString(error));
}

void check_shape(const char* name, const LaunchShape& shape) {
  const bool grid_fits =
      shape.grid.x <= 0x7fffffffU && shape.grid.y <= 65535U && shape.grid.z <= 65535U;
  const std::uint64_t threads = std::uint64_t{shape.block.x} * shape.block.y * shape.block.z;
  if (grid_fits && threads >= 1 && threads <= 1024 && shape.block.z <= 64) return;
  throw std::logic_error(text(name, shape) + " has a shape that CUDA does not allow");
}

std::size_t most_shared_bytes(Device device) {
  int bytes = 0;
  REDOUBT_CUDA_CHECK(
      cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device.index));
  return static_cast<std::size_t>(bytes);
}

void allow_shared_bytes(const char* name, const void* kernel, const LaunchShape& shape) {
  if (shape.shared_bytes <= kSharedWithoutAsking) return;
  const cudaError_t error = cudaFuncSetAttribute(
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shape.shared_bytes));
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  fail_launch(name, shape, error);
}

}  // namespace redoubt::kernels::cuda
