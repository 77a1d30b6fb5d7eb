// Convolution by cuDNN (Chetlur et al. 2014): a second opinion on ours, and the faster one where it
// is. cuDNN wants images outermost, so what it reads and writes is laid out anew in scratch memory.
//
// Seen as a matrix [C·H·W x N], one replica's activation transposed is [N][C][H][W], and transposed
// side by side a fleet's are [N][R·C][H][W]: one convolution of R groups, one call for all
// replicas. One call for each would leave the GPU to one small model at a time.
#include <cuda_bf16.h>

#include "kernels/bias.h"
#include "kernels/conv/engines.h"
#include "kernels/conv/passes.h"
#include "kernels/cuda_parts.h"

namespace redoubt::kernels::cuda::by_cudnn {

namespace {

constexpr std::int64_t kScratchFloats = std::int64_t{1} << 26;  ///< 256 MiB
constexpr std::int64_t kPartFloats = 64;  ///< parts of scratch start on whole cache lines
constexpr int kTile = 32;
constexpr int kTileRows = 8;  ///< rows of a tile that a block moves at once

// The deterministic algorithms that are products. Others (Winograd, FFT) round transforms of their
// inputs, which is not what Precision promises.
constexpr auto kForward = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM;
constexpr auto kBackwardInput = CUDNN_CONVOLUTION_BWD_DATA_ALGO_1;
constexpr auto kBackwardWeight = CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1;

const float kOne = 1;
const float kZero = 0;

// ---- Laying out ---------------------------------------------------------------------------------

/// bf16 products see their inputs with 7 bits of mantissa. cuDNN's bf16 convolutions would round
/// their results, too; so inputs are rounded here and multiplied in TF32, which holds them as they
/// are: bf16's numbers at TF32's speed.
template <bool kRound>
__device__ float rounded(float value) {
  if constexpr (kRound) return __bfloat162float(__float2bfloat16_rn(value));
  return value;
}

/// One matrix [rows x columns] a replica, rows `pitch` floats apart.
template <class T>
struct Matrices {
  Replicas<T> of;
  std::int64_t pitch;
};

/// target[r][column][row] = source[r][row][column]. blockIdx.x = row of tiles · tiles in a row +
/// tile, blockIdx.y the replica. 4 bytes read and 4 written an element, both along rows.
template <bool kRound>
__global__ void transpose(int rows, int columns, Matrices<const float> source,
                          Matrices<float> target) {
  __shared__ float tile[kTile][kTile + 1];  // + 1: a column's elements lie in different banks
  const int tiles = (columns + kTile - 1) / kTile;
  const int first_row = static_cast<int>(blockIdx.x) / tiles * kTile;
  const int first_column = static_cast<int>(blockIdx.x) % tiles * kTile;
  const float* from = source.of[static_cast<int>(blockIdx.y)];
  float* to = target.of[static_cast<int>(blockIdx.y)];
  const int x = static_cast<int>(threadIdx.x);
  for (int y = static_cast<int>(threadIdx.y); y < kTile; y += kTileRows) {
    const int row = first_row + y;
    const int column = first_column + x;
    if (row < rows && column < columns) {
      tile[y][x] = rounded<kRound>(from[row * source.pitch + column]);
    }
  }
  __syncthreads();
  for (int y = static_cast<int>(threadIdx.y); y < kTile; y += kTileRows) {
    const int row = first_row + x;
    const int column = first_column + y;
    if (row < rows && column < columns) to[column * target.pitch + row] = tile[x][y];
  }
}

/// Copies `size` floats of each replica. 4 bytes read and 4 written an element.
template <bool kRound>
__global__ void copy_blocks(std::int64_t size, Replicas<const float> source,
                            Replicas<float> target) {
  const std::int64_t i = pack_index(1);
  const int replica = static_cast<int>(blockIdx.y);
  if (i < size) target[replica][i] = rounded<kRound>(source[replica][i]);
}

/// Calls body with whether inputs are to be rounded.
template <class Body>
void with_rounding(const Context& context, const Body& body) {
  if (context.precision() == Precision::bf16) return body(std::true_type());
  body(std::false_type());
}

LaunchShape over_tiles(int replicas, int rows, int columns) {
  return {.grid = {grid_extent(divide_up(rows, kTile) * divide_up(columns, kTile), kMostBlocks),
                   grid_extent(replicas)},
          .block = {kTile, kTileRows}};
}

/// Ours [R][size][N] as cuDNN's [N][R][size].
void images_outermost(Context& context, int replicas, int size, int batch,
                      Replicas<const float> ours, float* theirs) {
  with_rounding(context, [&](auto round) {
    launch(context, "images_outermost", over_tiles(replicas, size, batch), transpose<round>, size,
           batch, Matrices<const float>{ours, batch},
           Matrices<float>{{theirs, size}, std::int64_t{replicas} * size});
  });
}

/// The way back.
void images_innermost(Context& context, int replicas, int size, int batch, const float* theirs,
                      Replicas<float> ours) {
  launch(context, "images_innermost", over_tiles(replicas, batch, size), transpose<false>, batch,
         size, Matrices<const float>{{theirs, size}, std::int64_t{replicas} * size},
         Matrices<float>{ours, batch});
}

/// The replicas' weights, which lie a row of the fleet apart, without gaps.
void pack_weights(Context& context, int replicas, std::int64_t size, Replicas<const float> ours,
                  float* theirs) {
  with_rounding(context, [&](auto round) {
    launch(context, "pack_weights", over_replicas(replicas, size, 1), copy_blocks<round>, size,
           ours, Replicas<float>(theirs, size));
  });
}

// ---- What cuDNN is told -------------------------------------------------------------------------

/// A fleet as one convolution. Replicas that share their weights are more images, for
/// [N][R·C][H][W] is, as it lies, [N·R][C][H][W]; those that share their input have more output
/// channels. Otherwise each is a group.
struct Fold {
  int groups;
  int batch;
  int in_channels;   ///< of all groups
  int out_channels;  ///< of all groups
  int inputs;        ///< replicas that have their own
  int weights;       ///< replicas that have their own

  Fold(const ConvShape& s, bool shared_input, bool shared_weight) {
    const int r = s.replicas;
    if (shared_weight) {
      *this = {1, s.batch * r, s.in_channels, s.out_channels, r, 1};
    } else if (shared_input) {
      *this = {1, s.batch, s.in_channels, s.out_channels * r, 1, r};
    } else {
      *this = {r, s.batch, s.in_channels * r, s.out_channels * r, r, r};
    }
  }

 private:
  Fold(int g, int n, int in, int out, int own_inputs, int own_weights)
      : groups(g),
        batch(n),
        in_channels(in),
        out_channels(out),
        inputs(own_inputs),
        weights(own_weights) {}
};

/// One of cuDNN's descriptors.
template <class T, cudnnStatus_t (*kCreate)(T*), cudnnStatus_t (*kDestroy)(T)>
class Descriptor {
 public:
  Descriptor() { REDOUBT_CUDA_CHECK(kCreate(&handle_)); }
  ~Descriptor() { static_cast<void>(kDestroy(handle_)); }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  operator T() const { return handle_; }

 private:
  T handle_ = nullptr;
};
using TensorDescriptor =
    Descriptor<cudnnTensorDescriptor_t, cudnnCreateTensorDescriptor, cudnnDestroyTensorDescriptor>;
using FilterDescriptor =
    Descriptor<cudnnFilterDescriptor_t, cudnnCreateFilterDescriptor, cudnnDestroyFilterDescriptor>;
using ConvolutionDescriptor =
    Descriptor<cudnnConvolutionDescriptor_t, cudnnCreateConvolutionDescriptor,
               cudnnDestroyConvolutionDescriptor>;

/// CUDNN_DEFAULT_MATH allows TF32. (CUDNN_TENSOR_OP_MATH_ALLOW_CONVERSION would allow half
/// precision.)
cudnnMathType_t math_type(Precision precision) {
  return precision == Precision::fp32 ? CUDNN_FMA_MATH : CUDNN_DEFAULT_MATH;
}

struct Problem {
  TensorDescriptor input;
  TensorDescriptor output;
  FilterDescriptor weight;
  ConvolutionDescriptor convolution;

  Problem(const Context& context, const ConvShape& s, const Fold& fold) {
    REDOUBT_CUDA_CHECK(cudnnSetTensor4dDescriptor(input, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT,
                                                  fold.batch, fold.in_channels, s.height, s.width));
    REDOUBT_CUDA_CHECK(cudnnSetTensor4dDescriptor(output, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT,
                                                  fold.batch, fold.out_channels, s.out_height(),
                                                  s.out_width()));
    REDOUBT_CUDA_CHECK(cudnnSetFilter4dDescriptor(weight, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW,
                                                  fold.out_channels, s.in_channels, s.kernel_height,
                                                  s.kernel_width));
    REDOUBT_CUDA_CHECK(cudnnSetConvolution2dDescriptor(convolution, s.padding, s.padding, s.stride,
                                                       s.stride, 1, 1, CUDNN_CROSS_CORRELATION,
                                                       CUDNN_DATA_FLOAT));
    REDOUBT_CUDA_CHECK(cudnnSetConvolutionGroupCount(convolution, fold.groups));
    REDOUBT_CUDA_CHECK(cudnnSetConvolutionMathType(convolution, math_type(context.precision())));
  }
};

/// Where cuDNN finds what it reads and writes: parts of the context's scratch.
struct Memory {
  float* input;
  float* output;
  float* weight;
  void* workspace;

  Memory(Context& context, const ConvShape& s, const Fold& fold, std::size_t workspace_bytes) {
    const auto part = [](std::int64_t floats) {
      return divide_up(floats, kPartFloats) * kPartFloats;
    };
    const std::int64_t of_input = part(fold.inputs * s.input_size());
    const std::int64_t of_output = part(s.replicas * s.output_size());
    const std::int64_t of_weight = part(fold.weights * s.weight_size());
    const auto floats = static_cast<std::size_t>(of_input + of_output + of_weight);
    input = static_cast<float*>(context.scratch(floats * sizeof(float) + workspace_bytes));
    output = input + of_input;
    weight = output + of_output;
    workspace = weight + of_weight;
  }
};

/// Throws Unsupported if cuDNN's algorithm cannot take the shape, else as any call.
void check_supported(cudnnStatus_t status, const char* call,
                     std::source_location where = std::source_location::current()) {
  if (CUDNN_STATUS_CATEGORY(status) == CUDNN_STATUS_NOT_SUPPORTED) {
    throw Unsupported(std::string("cuDNN: ") + call + ": " + cudnnGetErrorString(status));
  }
  check_call(status, call, where);
}
#define REDOUBT_CUDNN_SUPPORTED(...) check_supported((__VA_ARGS__), #__VA_ARGS__)

/// Calls body(first replica, the shape of that many) for groups of replicas that fit into scratch.
template <class Body>
void for_replica_groups(const ConvShape& shape, const Body& body) {
  const std::int64_t one = shape.input_size() + shape.output_size() + shape.weight_size();
  const auto at_once = static_cast<int>(
      std::clamp<std::int64_t>(kScratchFloats / one, 1, std::min(shape.replicas, 65535)));
  for (int first = 0; first < shape.replicas; first += at_once) {
    ConvShape part = shape;
    part.replicas = std::min(at_once, shape.replicas - first);
    body(first, part);
  }
}

/// Numbers of one image.
int image_inputs(const ConvShape& s) { return s.in_channels * s.height * s.width; }
int image_outputs(const ConvShape& s) { return s.out_channels * s.out_height() * s.out_width(); }

}  // namespace

void conv_forward(Context& context, const ConvShape& shape, Replicas<const float> input,
                  Replicas<const float> weight, Replicas<const float> bias,
                  Replicas<float> output) {
  const ProfileRange range(context.device(), "cudnn_forward");
  const cudnnHandle_t handle = cuda::cudnn(context);
  for_replica_groups(shape, [&](int first, const ConvShape& s) {
    const Fold fold(s, input.pitch == 0, weight.pitch == 0);
    const Problem p(context, s, fold);
    std::size_t bytes = 0;
    REDOUBT_CUDNN_SUPPORTED(cudnnGetConvolutionForwardWorkspaceSize(
        handle, p.input, p.weight, p.convolution, p.output, kForward, &bytes));
    const Memory memory(context, s, fold, bytes);
    images_outermost(context, fold.inputs, image_inputs(s), s.batch, input.from(first),
                     memory.input);
    pack_weights(context, fold.weights, s.weight_size(), weight.from(first), memory.weight);
    REDOUBT_CUDNN_SUPPORTED(cudnnConvolutionForward(
        handle, &kOne, p.input, memory.input, p.weight, memory.weight, p.convolution, kForward,
        memory.workspace, bytes, &kZero, p.output, memory.output));
    images_innermost(context, s.replicas, image_outputs(s), s.batch, memory.output,
                     output.from(first));
  });
  if (bias) cuda::add_bias(context, shape.output(), bias, output);
}

void conv_backward_input(Context& context, const ConvShape& shape, Replicas<const float> weight,
                         Replicas<const float> grad_output, Replicas<float> grad_input) {
  const ProfileRange range(context.device(), "cudnn_backward_input");
  const cudnnHandle_t handle = cuda::cudnn(context);
  for_replica_groups(shape, [&](int first, const ConvShape& s) {
    const Fold fold(s, false, weight.pitch == 0);
    const Problem p(context, s, fold);
    std::size_t bytes = 0;
    REDOUBT_CUDNN_SUPPORTED(cudnnGetConvolutionBackwardDataWorkspaceSize(
        handle, p.weight, p.output, p.convolution, p.input, kBackwardInput, &bytes));
    const Memory memory(context, s, fold, bytes);
    pack_weights(context, fold.weights, s.weight_size(), weight.from(first), memory.weight);
    images_outermost(context, s.replicas, image_outputs(s), s.batch, grad_output.from(first),
                     memory.output);
    REDOUBT_CUDNN_SUPPORTED(cudnnConvolutionBackwardData(
        handle, &kOne, p.weight, memory.weight, p.output, memory.output, p.convolution,
        kBackwardInput, memory.workspace, bytes, &kZero, p.input, memory.input));
    images_innermost(context, s.replicas, image_inputs(s), s.batch, memory.input,
                     grad_input.from(first));
  });
}

void conv_backward_weight(Context& context, const ConvShape& shape, Replicas<const float> input,
                          Replicas<const float> grad_output, Replicas<float> grad_weight) {
  const ProfileRange range(context.device(), "cudnn_backward_weight");
  const cudnnHandle_t handle = cuda::cudnn(context);
  for_replica_groups(shape, [&](int first, const ConvShape& s) {
    const Fold fold(s, input.pitch == 0, false);
    const Problem p(context, s, fold);
    std::size_t bytes = 0;
    REDOUBT_CUDNN_SUPPORTED(cudnnGetConvolutionBackwardFilterWorkspaceSize(
        handle, p.input, p.output, p.convolution, p.weight, kBackwardWeight, &bytes));
    const Memory memory(context, s, fold, bytes);
    images_outermost(context, fold.inputs, image_inputs(s), s.batch, input.from(first),
                     memory.input);
    images_outermost(context, s.replicas, image_outputs(s), s.batch, grad_output.from(first),
                     memory.output);
    REDOUBT_CUDNN_SUPPORTED(cudnnConvolutionBackwardFilter(
        handle, &kOne, p.input, memory.input, p.output, memory.output, p.convolution,
        kBackwardWeight, memory.workspace, bytes, &kZero, p.weight, memory.weight));
    launch(context, "unpack_weights", over_replicas(s.replicas, s.weight_size(), 1),
           copy_blocks<false>, s.weight_size(),
           Replicas<const float>(memory.weight, s.weight_size()), grad_weight.from(first));
  });
}

}  // namespace redoubt::kernels::cuda::by_cudnn
