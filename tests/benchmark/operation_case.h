// One table of cases drives every kernel on every device: what runs, and how much arithmetic and
// memory it stands for.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/buffer.h"
#include "tests/benchmark/preset_layers.h"

namespace redoubt::benchmarks {

struct OperationCase {
  std::string name;
  double flops = 0;  ///< of one call; 0: not what limits it
  /// Moved by one call: each array once, or as often as the algorithm passes over it.
  double bytes = 0;
  /// Makes the arrays on a device and returns the call.
  std::function<std::function<void(Context&)>(Device)> prepare;
  Arithmetic arithmetic = {};  ///< CUDA's alone
  bool in_double = false;      ///< its arithmetic
};
using OperationCases = std::vector<OperationCase>;

/// Floats in [-1, 1) for each of some replicas, kept alive by whoever calls the kernel.
class Values {
 public:
  Values(Device device, int replicas, std::int64_t size);
  float* data() const { return buffer_->data(); }
  kernels::Replicas<float> view() const { return {buffer_->data(), size_}; }

 private:
  std::int64_t size_;
  std::shared_ptr<Buffer<float>> buffer_;
};

/// Any other array, from values of the host.
template <class T>
std::shared_ptr<Buffer<T>> array_of(Device device, const std::vector<T>& values) {
  return std::make_shared<Buffer<T>>(device, std::span<const T>(values));
}

inline double float_bytes(std::int64_t count) { return 4.0 * static_cast<double>(count); }

// ---- the makers of cases: each appends the operations of one kind at one shape
// --------------------

/// `path` stands behind the operation's name: "wu-mnist/conv1". The first layer of a network needs
/// no gradient towards its inputs.
void add_conv(const kernels::ConvShape& shape, const std::string& path, bool first,
              OperationCases& cases);
void add_pool(const kernels::PoolShape& shape, const std::string& path, OperationCases& cases);
void add_relu(const kernels::ActivationShape& shape, const std::string& path,
              OperationCases& cases);
void add_bias(const kernels::ActivationShape& shape, const std::string& path,
              OperationCases& cases);
void add_dropout(int replicas, std::int64_t size, float rate, const std::string& path,
                 OperationCases& cases);
void add_dense(int replicas, int inputs, int units, int batch, const std::string& path,
               OperationCases& cases);
/// One product by us, and on the CPU also by oneDNN.
void add_gemm(const std::string& name, const kernels::GemmShape& shape, OperationCases& cases);
void add_gather(const Shape& shape, int images, int replicas, int batch, const std::string& path,
                OperationCases& cases);
void add_loss(int replicas, int classes, int batch, OperationCases& cases);
void add_norm(const kernels::ActivationShape& shape, const std::string& path,
              OperationCases& cases);

/// Optimizers and evasive objectives on so many rows.
void add_updates(int replicas, std::int64_t size, const std::string& path, OperationCases& cases);
/// Operations on the models of `rows` clients.
void add_rows(int rows, std::int64_t size, const std::string& path, OperationCases& cases);
void add_gram(int rows, std::int64_t size, const std::string& path, OperationCases& cases);
void add_columns(int rows, std::int64_t size, const std::string& path, OperationCases& cases);
/// Moments and clipping of `replicas` layers of weights.
void add_weights(int replicas, int channels, std::int64_t per_channel, const std::string& path,
                 OperationCases& cases);

/// What is bound by memory, on arrays of 256 MB that fit into no cache.
OperationCases large_cases(bool smoke);

/// Every engine of convolution at every precision on 3x3 layers of 64 to 512 channels, with cuBLAS'
/// product of the same size as ceiling.
OperationCases conv_engine_cases(bool smoke);

}  // namespace redoubt::benchmarks
