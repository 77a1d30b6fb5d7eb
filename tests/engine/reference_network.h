// A network once more, as plain loops in double over one replica: the layer list walked with
// tests/reference, independent of engine/layers.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "engine/layer_spec.h"
#include "engine/parameter_layout.h"
#include "tests/reference/reference.h"

namespace redoubt::test {

class ReferenceNetwork {
 public:
  /// The layout says only where a tensor of that name lies in a row.
  ReferenceNetwork(const Shape& input, std::vector<LayerSpec> specs, const ParameterLayout& layout)
      : input_(input), specs_(std::move(specs)), layout_(layout) {}

  struct Output {
    reference::Values logits;  ///< [classes][N]
    /// The post-ReLU activations [C][H][W][N] by the name of the layer that made them: "conv1".
    std::map<std::string, reference::Values> activations;
  };

  /// `row` are the parameters. `mask` is a mask row, or empty: every channel is heard. With a key,
  /// dropout drops. Batch norm takes the statistics of the first `valid` images, or the running
  /// ones if that is negative.
  Output forward(const reference::Values& images, int batch, const reference::Values& row,
                 const std::vector<float>& mask = {}, const RandomKey* key = nullptr,
                 int valid = -1) const;

  /// The mean cross-entropy of a forward pass.
  double loss(const reference::Values& images, const std::vector<int>& labels,
              const reference::Values& row, const std::vector<float>& mask = {},
              const RandomKey* key = nullptr) const;

  /// Its gradient by central differences, one column of the row at a time; 0 between the tensors.
  reference::Values gradient(const reference::Values& images, const std::vector<int>& labels,
                             const reference::Values& row, const std::vector<float>& mask = {},
                             const RandomKey* key = nullptr) const;

 private:
  struct Walk;
  struct Inputs;
  void walk_through(const std::vector<LayerSpec>& specs, const Inputs& in, Walk& walk,
                    Output& output) const;
  reference::Values tensor(const std::string& name, const reference::Values& row) const;

  Shape input_;
  std::vector<LayerSpec> specs_;
  const ParameterLayout& layout_;
};

}  // namespace redoubt::test
