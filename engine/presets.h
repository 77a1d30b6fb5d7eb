// Networks of the literature, by name.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/initialize.h"
#include "engine/layer_spec.h"
#include "engine/shape.h"

namespace redoubt {

struct Preset {
  std::string name;
  std::string description;  ///< one line for `redoubt list`
  Shape input;              ///< the images it was made for; others of fitting size work, too
  Initialization initialization;
  std::vector<LayerSpec> layers;
};

/// pfl-cifar, resnet18, resnet8, toy4, wu-mnist, wu-mnist-small, wu-fashion, wu-cifar.
std::span<const Preset> preset_table();

/// Throws InputError, suggesting the nearest name.
const Preset& preset(const std::string& name);

/// What `model.preset` names; empty: none.
struct ModelPreset {
  std::string name = {};

  static constexpr const char* what = "a model preset";
  static std::vector<std::string> names();
  bool operator==(const ModelPreset&) const = default;
};

}  // namespace redoubt
