// Devices, their memory, and the Context that every kernel call takes.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/keys.h"

namespace redoubt {

/// A place where kernels run. Spelt "cpu", "cuda" or "cuda:1".
struct Device {
  enum class Kind : std::uint8_t { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;

  bool operator==(const Device&) const = default;
};

std::string to_string(Device device);
inline bool is_cuda(Device device) { return device.kind == Device::Kind::cuda; }

/// Reads "auto" (the first GPU if this build and machine have one, else the CPU), "cpu", "cuda" or
/// "cuda:K". Throws InputError if the name is none of these or the device is not there.
Device parse_device(std::string_view name);

struct DeviceDescription {
  Device device;
  std::string name;
};

/// Every device this build can use on this machine, the CPU first.
std::vector<DeviceDescription> available_devices();

/// What the speed of a GPU's kernels and the last bits of its libraries may depend on: "NVIDIA
/// H200, compute capability 9.0, driver 13000, CUDA 13000, cuBLAS 13.1.0, no cuDNN". A CPU is
/// "cpu".
std::string fingerprint(Device device);

struct MemorySize {
  std::size_t free = 0;  ///< bytes that could still be allocated, about; others may take them first
  std::size_t all = 0;
};
MemorySize memory_size(Device device);

/// Says how much memory was asked for and how much there is.
class OutOfMemory : public std::bad_alloc {
 public:
  OutOfMemory(Device device, std::size_t wanted, const MemorySize& memory);
  const char* what() const noexcept override { return message_.c_str(); }

 private:
  std::string message_;
};

/// Bytes of device memory, aligned to 64 (CPU) or as the driver does. Throws OutOfMemory.
void* allocate(Device device, std::size_t bytes);
void release(Device device, void* memory) noexcept;

/// How far products on CUDA may round their inputs: not at all, to 10 bits or to 7 bits of
/// mantissa. Our own kernels round so; cuBLAS and cuDNN are more precise where that suits them
/// (cuBLAS 13 on Hopper computes bf16 products of floats in TF32). Sums are always in fp32. The CPU
/// is always fp32.
enum class Precision : std::uint8_t { fp32, tf32, bf16 };
constexpr Names<Precision, 3> names_of(Precision) {
  return {{{"fp32", Precision::fp32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}}};
}

/// How convolutions are computed: by one of the engines of conv/engines.h, or by whichever suits a
/// shape. An engine that is named computes on CUDA; on a CPU the shape decides.
enum class ConvEngine : std::uint8_t { automatic, direct, columns, implicit, cudnn };

/// Whether this build has the engine, should it have a CUDA side at all.
bool is_built(ConvEngine engine);

namespace kernels {
class ConvChoices;
}

/// Both choices, which are CUDA's alone.
struct Arithmetic {
  Precision precision = Precision::fp32;
  ConvEngine conv_engine = ConvEngine::automatic;
  /// What measures and remembers the engines that suit (conv/choices.h); must outlive all that use
  /// it. Without it `automatic` goes by a rule of thumb.
  kernels::ConvChoices* conv_choices = nullptr;
  bool operator==(const Arithmetic&) const = default;
};

/// What a kernel needs beside its arguments. One Context belongs to one host thread at a time. A
/// GPU does what all its Contexts ask in the order asked, later than the call returns.
class Context {
 public:
  /// `threads`: how many CPU threads an operation on whole matrices (rows.h) may use. Operations of
  /// a training step use one: there, threads take whole replicas. Throws InputError if this build
  /// lacks the device's side or the engine.
  explicit Context(Device device, int threads = 1, const Arithmetic& arithmetic = {});
  ~Context();
  Context(Context&&) noexcept;
  Context& operator=(Context&&) noexcept;
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  Device device() const { return device_; }
  int threads() const { return threads_; }
  Precision precision() const { return arithmetic_.precision; }
  ConvEngine conv_engine() const { return arithmetic_.conv_engine; }
  kernels::ConvChoices* conv_choices() const { return arithmetic_.conv_choices; }

  /// At least `bytes` of memory aligned to 64, valid until the next call of scratch(). It grows and
  /// never shrinks, so a training step allocates only the first time.
  void* scratch(std::size_t bytes);
  template <class T>
  T* scratch_of(std::size_t count) {
    return static_cast<T*>(scratch(count * sizeof(T)));
  }

  /// Where scratch memory is at present: what was recorded with another address is out of date.
  const void* scratch_address() const { return scratch_; }

  /// `host` may be reused on return.
  void copy_to_device(void* device_memory, const void* host, std::size_t bytes);
  /// Returns when `host` is filled.
  void copy_to_host(void* host, const void* device_memory, std::size_t bytes);
  void copy_on_device(void* to, const void* from, std::size_t bytes);
  void fill_zero(void* device_memory, std::size_t bytes);
  /// Returns when everything asked of this Context is done.
  void synchronize();

 private:
  Device device_;
  int threads_;
  Arithmetic arithmetic_;
  void* scratch_ = nullptr;
  std::size_t scratch_bytes_ = 0;
};

#ifdef REDOUBT_WITH_CUDA
// For the sources of kernels/ alone: an operation's first line hands it to its CUDA side.
//   if constexpr (kCudaBuilt)
//     if (on_cuda(context)) return cuda::relu_forward(context, shape, ...);
inline constexpr bool kCudaBuilt = REDOUBT_WITH_CUDA != 0;
inline constexpr bool kCudnnBuilt = REDOUBT_WITH_CUDNN != 0;
inline bool on_cuda(const Context& context) { return is_cuda(context.device()); }
#endif

}  // namespace redoubt
