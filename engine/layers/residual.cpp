#include "engine/layers/residual.h"

#include "base/check.h"
#include "engine/network_builder.h"

namespace redoubt {

bool Residual::Settings::operator==(const Settings& other) const {
  return body == other.body && shortcut == other.shortcut;
}

void Residual::append(const Settings& settings, NetworkBuilder& network) {
  NetworkBuilder::Point start = network.end();
  start.owner = {};  // two branches read it: a ReLU at the head of one silences nobody's channels
  const auto branch = [&](const std::vector<LayerSpec>& layers) {
    network.go_on_from(start);
    network.append(layers);
    return network.end();
  };
  const NetworkBuilder::Point body = branch(settings.body);
  const NetworkBuilder::Point shortcut = branch(settings.shortcut);
  if (body.activation == start.activation) throw InputError("residual: its body has no layers");
  if (body.shape != shortcut.shape) {
    throw InputError("residual: its body gives " + to_string(body.shape) + ", its shortcut " +
                     to_string(shortcut.shape));
  }
  network.append_sum(body, shortcut);
}

}  // namespace redoubt
