// The engine of convolution on the CPU, forward and to the input: products of matrices that are
// never built. K runs over the taps (u, v, c) of a window, J over output positions and images.
// Register tiles (kernels/tiles.h) multiply packed weights with what the taps read, in place. Taps
// that fall into the padding are left out, so no product with 0 is ever computed.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/device.h"
#include "kernels/tiles_choice.h"

namespace redoubt::kernels {

/// The taps of one window along one axis that read inside the input: every `step`-th from first to
/// last.
struct TapRange {
  int first = 0;
  int last = -1;
  int step = 1;
  int count() const { return last < first ? 0 : (last - first) / step + 1; }
  bool operator==(const TapRange&) const = default;
};

/// Forward: output position o reads input position o · stride + tap - padding.
TapRange forward_taps(int output, int kernel, int stride, int padding, int size);

/// Backward: input position i was read by tap t of output position (i + padding - t) / stride.
TapRange backward_taps(int input, int kernel, int stride, int padding, int outputs);

/// What one of the two products with weights needs to know. `inner` channels are summed over
/// (inputs forward, outputs backward), `outer` channels come out.
struct Taps {
  int outer;
  int inner;
  int kernel_height;
  int kernel_width;
  int count() const { return kernel_height * kernel_width * inner; }
};

/// The weight of an outer channel, an inner channel and a tap is data[outer · outer_stride + inner
/// · inner_stride + tap].
struct TapWeights {
  const float* data;
  std::int64_t outer_stride;
  std::int64_t inner_stride;
};

/// Columns of a product that sum over the same taps and lie side by side in both matrices.
struct Group {
  TapRange vertical;
  TapRange horizontal;
  const float* source;  ///< what the first tap of the first column reads of inner channel 0
  int columns;
  float* out;  ///< [outer] rows, out_stride apart
};

/// Where the operand that taps read lies: floats between inner channels, and from one tap of a
/// range to the next, downward and to the right.
struct SourceSteps {
  std::int64_t channel;
  std::int64_t down;
  std::int64_t right;
};

/// A product of packed weights with what taps read, group after group.
class TapProduct {
 public:
  /// Packs the weights. Each row of results begins with its value of `start`, if given. Uses the
  /// context's scratch memory while it lives.
  TapProduct(Context& context, const Taps& taps, const TapWeights& weights,
             const SourceSteps& steps, std::int64_t out_stride, const float* start);

  /// Overwrites the group's columns of all rows.
  void run(const Group& group);

 private:
  void pack_weights(const TapWeights& weights);
  void set_taps(const Group& group);
  void run_narrow(const Group& group);
  void pack(const float* source, int columns, int width);
  void multiply(void (*const* product)(const ProductTile&), const float* b,
                const long long* b_offsets, float* out, std::int64_t out_stride,
                const Group* narrow = nullptr);
  void copy_panel_out(const Group& group, int first, int height) const;
  long long run_start(int run) const;

  Taps taps_;
  SourceSteps steps_;
  const Tiles& tiles_;
  RowTiles rows_;
  std::int64_t out_stride_;
  const float* start_;
  bool crowded_;
  float* panel_ = nullptr;               ///< [steps][width]
  float* panel_out_ = nullptr;           ///< [max_rows][width]
  long long* offsets_ = nullptr;         ///< [steps] of the present taps, where they read
  long long* panel_offsets_ = nullptr;   ///< [steps] where they read in the panel
  long long* run_offsets_ = nullptr;     ///< [runs] where weights begin, see ProductTile
  float* weights_ = nullptr;             ///< packed [tile][u][v][inner][row of the tile]
  TapRange vertical_ = {.first = -1};    ///< the present taps
  TapRange horizontal_ = {.first = -1};  ///< likewise
  int run_count_ = 0;
  int run_length_ = 0;
};

/// Calls body(first position, count, taps) for every stretch of positions along an axis whose taps
/// are the same; of single positions unless they may be `joined`.
template <class TapsOf, class Body>
void for_stretches(int positions, bool joined, const TapsOf& taps_of, const Body& body) {
  int first = 0;
  while (first < positions) {
    const TapRange taps = taps_of(first);
    int end = first + 1;
    while (joined && end < positions && taps_of(end) == taps) ++end;
    body(first, end - first, taps);
    first = end;
  }
}

}  // namespace redoubt::kernels
