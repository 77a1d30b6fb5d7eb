// Fragments: the small pieces that ARIBA cuts client updates into, so that there are many points of
// few dimensions where there were few updates of very many.
#pragma once

#include <cstdint>
#include <vector>

#include "base/keys.h"
#include "engine/parameter_layout.h"
#include "fl/aggregation.h"

namespace redoubt {

/// How a conv layer's weights [out][in][height][width] are cut.
struct FragmentSettings {
  enum class Kind : std::uint8_t {
    kernel,  ///< one [height][width] kernel for each pair of an out and an in channel
    filter,  ///< one [in][height][width] filter for each out channel
    block,   ///< so many numbers in the order of memory; a last shorter piece is left out
  };
  friend constexpr Names<Kind, 3> names_of(Kind) {
    return {{{"kernel", Kind::kernel}, {"filter", Kind::filter}, {"block", Kind::block}}};
  }
  Kind kind = Kind::kernel;
  int block = 9;  ///< numbers of a block
  bool operator==(const FragmentSettings&) const = default;
  static auto& shorthand(auto& s) { return s.kind; }

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("kind", s.kind,
            "what a layer's weights are cut into: single kernels, whole filters of an output "
            "channel, or blocks of so many numbers");
    v.when("kind", s.kind, FragmentSettings::Kind::block)
        .field("block", s.block, "numbers of a block, in the order of memory", at_least(1));
  }
};

/// The fragments of all clients in one layer, each number less its mean over the clients.
struct Fragments {
  int clients = 0;
  std::int64_t per_client = 0;
  int size = 0;               ///< numbers of a fragment
  std::vector<float> values;  ///< [size][clients · per_client]; a client's lie side by side

  std::int64_t count() const { return clients * per_client; }
  const float* component(int i) const { return values.data() + i * count(); }
  float* component(int i) { return values.data() + i * count(); }
};

/// Numbers of a fragment. Throws InputError if the layer has no whole fragment.
int fragment_size(const ParameterSpan& weight, const FragmentSettings& settings);

/// The fragments of a conv layer's weight in the updates, brought to the host. The mean is taken in
/// double.
Fragments cut_fragments(Context& context, const UpdateMatrix& updates, const ParameterSpan& weight,
                        const FragmentSettings& settings);

}  // namespace redoubt
