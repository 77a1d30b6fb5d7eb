// A layer of a network as an experiment file or a preset gives it.
#pragma once

#include <concepts>
#include <string>
#include <utility>
#include <vector>

#include "engine/layers/list.h"

namespace redoubt {

/// The settings of one of the layers, e.g. Conv::Settings{.channels = 20, .kernel = 5}.
struct LayerSpec {
  Layers::Settings layer;
  std::string name;  ///< of its tensors; empty: made by counting, "conv1"

  LayerSpec() = default;
  template <class S>
  requires(!std::same_as<S, LayerSpec> && std::constructible_from<Layers::Settings, S>)
      LayerSpec(S settings, std::string own_name = {})
      : layer(std::move(settings)), name(std::move(own_name)) {}
  bool operator==(const LayerSpec& other) const = default;

  /// What stands in a file beside the settings, whichever layer they are of.
  static auto& alternative(auto& spec) { return spec.layer; }
  static bool has_keys_beside(const LayerSpec& spec) { return !spec.name.empty(); }
  template <class V, class S>
  static void keys(V& v, S& s) {
    v.given("name", s.name,
            "name of the layer and its tensors; left out: made by counting, e.g. conv1");
  }
};

}  // namespace redoubt
