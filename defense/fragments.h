// Fragments: the small pieces that ARIBA cuts client updates into, so that there are many points of
// few dimensions where there were few updates of very many.
#pragma once

#include <cstdint>
#include <vector>

#include "defense/settings.h"
#include "engine/parameter_layout.h"
#include "fl/aggregation.h"

namespace redoubt {

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
Fragments cut_fragments(Context& context, const ClientUpdates& updates, const ParameterSpan& weight,
                        const FragmentSettings& settings);

}  // namespace redoubt
