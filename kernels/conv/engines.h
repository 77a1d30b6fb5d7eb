// The ways to compute a convolution: one table for all devices. To add one is a row of kConvEngines
// and, in passes.h and passes_of() of conv.cpp, what computes.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <utility>

#include "kernels/conv/conv.h"

namespace redoubt {

namespace kernels {

struct ConvEngineEntry {
  ConvEngine engine;
  const char* name;
  Device::Kind device;
  const char* description;
  /// Whether it computes all passes of a shape. Of what only its library knows it throws
  /// Unsupported.
  bool (*supports)(const ConvShape& shape);
  /// Largest distance of a result from sums in double, as a share of the largest result, for
  /// operands of one size: by Precision.
  std::array<double, 3> rounding;
};

/// An engine was asked for a shape that it cannot compute; another one can.
class Unsupported : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

namespace conv_limits {

/// Of grids, and of what libraries count in an int.
inline constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

constexpr std::int64_t results(const ConvShape& s) {
  return std::int64_t{s.out_height()} * s.out_width() * s.batch;
}
constexpr std::int64_t inputs(const ConvShape& s) {
  return std::int64_t{s.height} * s.width * s.batch;
}

constexpr bool any(const ConvShape& /*shape*/) { return true; }
constexpr bool of_columns(const ConvShape& s) { return results(s) <= kMost; }
/// Results and inputs of a channel, and both of an image, with a tile to spare.
constexpr bool of_implicit(const ConvShape& s) {
  constexpr std::int64_t kTile = 1024;
  return results(s) < kMost - kTile && inputs(s) < kMost - kTile &&
         s.input_size() / s.batch < kMost - kTile && s.output_size() / s.batch < kMost - kTile;
}
constexpr bool of_cudnn(const ConvShape& s) {
  return s.input_size() + s.output_size() + s.weight_size() <= kMost;
}

}  // namespace conv_limits

inline constexpr std::array<ConvEngineEntry, 4> kConvEngines = {{
    {.engine = ConvEngine::direct,
     .name = "direct",
     .device = Device::Kind::cpu,
     .description = "register tiles over the input as it lies",
     .supports = conv_limits::any,
     .rounding = {2e-6, 2e-6, 2e-6}},
    {.engine = ConvEngine::columns,
     .name = "columns",
     .device = Device::Kind::cuda,
     .description = "columns in memory, multiplied by cuBLAS",
     .supports = conv_limits::of_columns,
     .rounding = {2e-6, 2e-3, 2e-2}},
    {.engine = ConvEngine::implicit,
     .name = "implicit",
     .device = Device::Kind::cuda,
     .description = "our own tiles, without columns in memory",
     .supports = conv_limits::of_implicit,
     .rounding = {2e-6, 2e-3, 2e-2}},
    {.engine = ConvEngine::cudnn,
     .name = "cudnn",
     .device = Device::Kind::cuda,
     .description = "cuDNN's convolutions",
     .supports = conv_limits::of_cudnn,
     .rounding = {2e-6, 2e-3, 2e-2}},
}};

/// Of any engine but ConvEngine::automatic.
constexpr const ConvEngineEntry& conv_engine_entry(ConvEngine engine) {
  for (const ConvEngineEntry& entry : kConvEngines) {
    if (entry.engine == engine) return entry;
  }
  throw std::logic_error("an engine of convolution stands in the table");
}

constexpr int conv_engines_of(Device::Kind device) {
  int count = 0;
  for (const ConvEngineEntry& entry : kConvEngines) count += entry.device == device ? 1 : 0;
  return count;
}

}  // namespace kernels

/// What an experiment may choose: `automatic`, or an engine of CUDA. On a CPU the shape decides.
inline constexpr auto kConvEngineNames = [] {
  std::array<std::pair<const char*, ConvEngine>, 1 + kernels::conv_engines_of(Device::Kind::cuda)>
      names = {{{"automatic", ConvEngine::automatic}}};
  std::size_t next = 1;
  for (const kernels::ConvEngineEntry& entry : kernels::kConvEngines) {
    if (entry.device == Device::Kind::cuda) names[next++] = {entry.name, entry.engine};
  }
  return names;
}();
constexpr auto names_of(ConvEngine) { return kConvEngineNames; }

}  // namespace redoubt
