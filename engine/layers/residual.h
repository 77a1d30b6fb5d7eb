// A residual connection: He et al. 2016.
#pragma once

#include <vector>

namespace redoubt {

struct LayerSpec;
class NetworkBuilder;

/// output = body(input) + shortcut(input); no layer of its own but layers in two branches, and
/// their sum.
struct Residual {
  static constexpr const char* kName = "residual";
  static constexpr const char* kDescription = "output = body(input) + shortcut(input)";
  struct Settings {
    std::vector<LayerSpec> body;
    std::vector<LayerSpec> shortcut;  ///< empty: the input itself
    bool operator==(const Settings& other) const;

    template <class V, class S>
    static void keys(V& v, S& s) {
      v.required("body", s.body, "layers whose output is added to the shortcut's");
      v.field("shortcut", s.shortcut, "layers beside the body; empty: the input itself");
    }
  };

  /// Throws InputError if the body is empty or the branches' shapes differ.
  static void append(const Settings& settings, NetworkBuilder& network);
};

}  // namespace redoubt
