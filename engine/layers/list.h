// The layers that a network can be made of. A new one is a pair of files beside this one and a name
// in this list.
#pragma once

#include "base/keys.h"
#include "engine/layers/batch_norm.h"
#include "engine/layers/conv.h"
#include "engine/layers/dense.h"
#include "engine/layers/dropout.h"
#include "engine/layers/pool.h"
#include "engine/layers/relu.h"
#include "engine/layers/residual.h"

namespace redoubt {

struct Layers : ListOf<Conv, BatchNorm, Relu, MaxPool, AveragePool, GlobalAveragePool, Dropout,
                       Dense, Residual> {
  static constexpr const char* what = "a layer";
};
template <>
struct KindOf<Layers::Settings> {
  using type = Layers;
};

}  // namespace redoubt
