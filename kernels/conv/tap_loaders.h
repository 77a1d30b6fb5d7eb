// How the tiles of a convolution's products with weights come into shared memory: the sums over
// taps (u, v) and channels c that implicit.cu multiplies. Included by it only.
#pragma once

#include "kernels/conv/conv.h"
#include "kernels/conv/tiles.h"

namespace redoubt::kernels::cuda::implicit {

/// result[m][position][n] = Σ_{c,u,v} weight[m][c][u][v] · source[c][tap's position][n]: the output
/// (c: input channels) or the gradient of the input (c: output channels). Along either axis the tap
/// u of position i reads (i · step + u · sign + shift) / divide, if that is whole and in the
/// source.
struct TapProduct {
  int rows;   ///< M, channels that come out
  int inner;  ///< channels summed over
  int kernel_height;
  int kernel_width;
  int source_height;
  int source_width;
  int height;
  int width;
  int batch;
  int step;
  int sign;
  int shift;
  int divide;
  std::int64_t weight_row;    ///< floats between weights of neighbouring m
  std::int64_t weight_inner;  ///< and of neighbouring c
};

/// Where a thread's pack of columns of B stands: neighbouring images of one result.
struct OwnColumn {
  int image;
  int top;  ///< the row that tap 0 reads
  int left;

  __device__ OwnColumn(const TapProduct& p, int column)
      : image(column % p.batch),
        top(column / p.batch / p.width * p.step + p.shift),
        left(column / p.batch % p.width * p.step + p.shift) {
    // No such result: all its taps read above the source.
    if (column >= p.height * p.width * p.batch) top = -p.kernel_height;
  }
};

// ---- whole channels of a tap --------------------------------------------------------------------

/// Inner index k = (u, v, c): channel by channel of one tap, which all threads walk through
/// together, so that a copy costs an addition. Weights have been laid out as their tiles lie in
/// shared memory: [tiles of kM rows][steps of kK][kSizeA].
template <class Math, int kM, int kWidth>
class ChannelLoader {
 public:
  static constexpr int kN = kM <= 32 && kWidth > 1 ? 256 : 128;
  static constexpr int kK = 16;
  static constexpr bool kFragments = !std::is_same_v<Math, Fp32>;
  using Tiles = TilePair<Math, kM, kN, kK, TileOrder::inner_rows, kFragments>;
  using Sums = TileSums<Math, kM, kN, kK, TileOrder::inner_rows, kFragments>;

  /// The channels of a tap, in whole groups that the block copies at once.
  __host__ __device__ static int channels(const TapProduct& p) {
    return (p.inner + kRowsAtOnce - 1) / kRowsAtOnce * kRowsAtOnce;
  }
  __host__ __device__ static int steps(const TapProduct& p) {
    return (p.kernel_height * p.kernel_width * channels(p) + kK - 1) / kK;
  }

  __device__ ChannelLoader(const TapProduct& p, const float* weight, const float* source,
                           int first_row, int first_column)
      : p_(p),
        weight_(weight + std::int64_t{first_row / kM * steps(p)} * Tiles::kSizeA + thread() * 4),
        column_(p, first_column + thread() % kPacksOfRow * kWidth),
        channel_size_(std::int64_t{p.source_height} * p.source_width * p.batch),
        source_(source + thread() / kPacksOfRow * channel_size_ + column_.image) {
    start_tap();
  }

  __device__ void fetch(Tiles& tiles) {
    for (int i = 0; i < Tiles::kSizeA; i += Sums::kThreads * 4) {
      if (i + thread() * 4 < Tiles::kSizeA) {
        copy_async<16>(tiles.a + i + thread() * 4, weight_ + i, true);
      }
    }
    weight_ += Tiles::kSizeA;
    float* to = tiles.b + thread() / kPacksOfRow * Tiles::kPitchB + thread() % kPacksOfRow * kWidth;
    if (channel_ + kK <= p_.inner) return fetch_channels(to);
#pragma unroll 1
    for (int i = 0; i < kPacks; ++i) {
      copy_async<4 * kWidth>(to + i * kRowsAtOnce * Tiles::kPitchB, from_,
                             inside_ && channel_ + thread() / kPacksOfRow < p_.inner);
      from_ += kRowsAtOnce * channel_size_;
      channel_ += kRowsAtOnce;
      if (channel_ >= p_.inner) next_tap();
    }
  }

 private:
  static constexpr int kPacksOfRow = kN / kWidth;
  static constexpr int kRowsAtOnce = Sums::kThreads / kPacksOfRow;
  static constexpr int kPacks = kK / kRowsAtOnce;
  static_assert(kPacks * kRowsAtOnce == kK);

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  /// A step that stays in one tap.
  __device__ void fetch_channels(float* to) {
    for (int i = 0; i < kPacks; ++i) {
      copy_async<4 * kWidth>(to + i * kRowsAtOnce * Tiles::kPitchB, from_, inside_);
      from_ += kRowsAtOnce * channel_size_;
    }
    channel_ += kK;
    if (channel_ == p_.inner) next_tap();
  }

  __device__ void next_tap() {
    channel_ = 0;
    if (++v_ == p_.kernel_width) {
      v_ = 0;
      ++u_;
    }
    start_tap();
  }
  __device__ void start_tap() {
    const int h = column_.top + u_ * p_.sign;
    const int w = column_.left + v_ * p_.sign;
    inside_ =
        u_ < p_.kernel_height && is_below(h, p_.source_height) && is_below(w, p_.source_width);
    from_ = source_ + std::int64_t{h * p_.source_width + w} * p_.batch;
  }

  const TapProduct& p_;
  const float* weight_;
  OwnColumn column_;
  std::int64_t channel_size_;
  const float* source_;  ///< of this thread's channel of a step
  int u_ = 0;
  int v_ = 0;
  int channel_ = 0;  ///< the first of the step
  bool inside_;
  const float* from_;
};

// ---- any taps -----------------------------------------------------------------------------------

/// Inner index k = (c, u, v), as weights lie: for few channels, and for strides on the way back.
/// Every thread follows the taps of its own k.
template <class Math, int kM, int kWidth>
class TapLoader {
 public:
  static constexpr int kN = kM <= 32 && kWidth > 1 ? 256 : 128;
  static constexpr int kK = 16;
  using Tiles = TilePair<Math, kM, kN, kK, TileOrder::inner_rows, false>;
  using Sums = TileSums<Math, kM, kN, kK, TileOrder::inner_rows, false>;

  __host__ __device__ static int steps(const TapProduct& p) {
    return (p.inner * p.kernel_height * p.kernel_width + kK - 1) / kK;
  }

  __device__ TapLoader(const TapProduct& p, const float* weight, const float* source, int first_row,
                       int first_column)
      : p_(p),
        rows_(p.rows - first_row - thread() / kK),
        weight_(weight + (first_row + thread() / kK) * p.weight_row),
        column_(p, first_column + thread() % kPacksOfRow * kWidth),
        source_(source + column_.image),
        weight_tap_(p, thread() % kK),
        source_tap_(p, thread() / kPacksOfRow),
        weight_length_(p, kK),
        source_length_(p, kRowsAtOnce) {}

  /// Asks for this thread's part of the next kK taps.
  __device__ void fetch(Tiles& tiles) {
    const float* weight = weight_ + weight_tap_.channel * p_.weight_inner +
                          weight_tap_.u * p_.kernel_width + weight_tap_.v;
    float* to = tiles.a + thread() / kK * Tiles::kPitchA + thread() % kK;
    for (int i = 0; i < kWeights; ++i) {
      copy_async<4>(to + i * kWeightRows * Tiles::kPitchA, weight,
                    i * kWeightRows < rows_ && weight_tap_.channel < p_.inner);
      weight += kWeightRows * p_.weight_row;
    }
    weight_tap_.advance(p_, weight_length_);
    for (int i = 0; i < kPacks; ++i) {
      const int row = thread() / kPacksOfRow + i * kRowsAtOnce;
      fetch_source(tiles.b + row * Tiles::kPitchB + thread() % kPacksOfRow * kWidth);
      source_tap_.advance(p_, source_length_);
    }
  }

 private:
  /// A tap of the sum, and steps of a fixed length through the taps without dividing each time.
  struct Tap {
    int channel;
    int u;
    int v;

    __device__ Tap(const TapProduct& p, int k)
        : channel(k / (p.kernel_height * p.kernel_width)),
          u(k / p.kernel_width % p.kernel_height),
          v(k % p.kernel_width) {}

    /// `length` is the tap at the step's length.
    __device__ void advance(const TapProduct& p, const Tap& length) {
      v += length.v;
      u += length.u;
      channel += length.channel;
      if (v >= p.kernel_width) {
        v -= p.kernel_width;
        ++u;
      }
      if (u >= p.kernel_height) {
        u -= p.kernel_height;
        ++channel;
      }
    }
  };

  static constexpr int kWeightRows = Sums::kThreads / kK;  ///< of A, between a thread's elements
  static constexpr int kWeights = kM / kWeightRows;
  static constexpr int kPacksOfRow = kN / kWidth;
  static constexpr int kRowsAtOnce = Sums::kThreads / kPacksOfRow;
  static constexpr int kPacks = kK / kRowsAtOnce;
  static_assert(kPacks * kRowsAtOnce == kK);

  __device__ static int thread() { return static_cast<int>(threadIdx.x); }

  __device__ void fetch_source(float* to) const {
    int h = column_.top + source_tap_.u * p_.sign;
    int w = column_.left + source_tap_.v * p_.sign;
    bool inside = source_tap_.channel < p_.inner;
    if (p_.divide > 1) {
      inside = inside && h >= 0 && w >= 0 && h % p_.divide == 0 && w % p_.divide == 0;
      h /= p_.divide;
      w /= p_.divide;
    }
    inside = inside && is_below(h, p_.source_height) && is_below(w, p_.source_width);
    const int position = (source_tap_.channel * p_.source_height + h) * p_.source_width + w;
    copy_async<4 * kWidth>(to, source_ + std::int64_t{position} * p_.batch, inside);
  }

  const TapProduct& p_;
  int rows_;  ///< of weights from this thread's first on
  const float* weight_;
  OwnColumn column_;
  const float* source_;
  Tap weight_tap_;
  Tap source_tap_;
  Tap weight_length_;
  Tap source_length_;
};

}  // namespace redoubt::kernels::cuda::implicit
