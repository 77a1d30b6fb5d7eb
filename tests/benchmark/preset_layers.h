// The layers of a preset with the shapes they meet, and the arithmetic they stand for.
#pragma once

#include <string>
#include <vector>

#include "engine/presets.h"
#include "kernels/conv/conv.h"
#include "kernels/gemm.h"
#include "kernels/pool.h"

namespace redoubt::benchmarks {

struct PresetLayer {
  std::string kind;  ///< name in Layers; a ReLU before a max pool is part of it and not listed
  std::string name;  ///< conv1, fc2, max_pool1, ...
  Shape input;
  Shape output = {};
  kernels::ConvShape conv = {};  ///< of a conv layer, one replica
  kernels::PoolShape pool = {};  ///< of a max_pool layer, one replica
  double rate = 0;               ///< of a dropout layer

  /// Multiply-adds of the forward pass, twice, for the layers that are products; else 0.
  double forward_flops(int batch) const;
};

/// The layers of a preset for batches of `batch` images of its usual shape.
std::vector<PresetLayer> preset_layers(const Preset& preset, int batch);

/// Products of the forward pass.
double forward_flops(const Preset& preset, int batch);
/// Products of a training step: forward, towards the weights and, but for the first layer, towards
/// the inputs.
double step_flops(const Preset& preset, int batch);

/// Whether the preset's layers stand in a row. Residual networks repeat the shapes of others.
bool is_plain(const Preset& preset);

}  // namespace redoubt::benchmarks
