// Networks by name.
#include <string>
#include <vector>

#include "engine/layer_spec.h"
#include "kernels/check.h"
#include "kernels/nearest_name.h"

namespace redoubt {

namespace {

LayerSpec conv(int channels, int kernel, int padding = 0) {
  return complete({"conv",
                   {{"channels", static_cast<double>(channels)},
                    {"kernel", static_cast<double>(kernel)},
                    {"padding", static_cast<double>(padding)}}});
}
LayerSpec relu() { return {"relu", {}}; }
LayerSpec max_pool(int window) {
  return complete({"max_pool", {{"window", static_cast<double>(window)}}});
}
LayerSpec dense(int units) { return complete({"dense", {{"units", static_cast<double>(units)}}}); }
LayerSpec dropout(double rate) { return complete({"dropout", {{"rate", rate}}}); }

constexpr Shape kGray = {1, 28, 28};
constexpr Shape kColor = {3, 32, 32};

}  // namespace

std::span<const Preset> preset_table() {
  static const std::vector<Preset> table = {
      {.name = "pfl-cifar",
       .description = "the CIFAR-10 network of pfl-research's benchmark: 2 conv, 2 dense, dropout",
       .input = kColor,
       .initialization = Initialization::xavier,
       .layers = {conv(32, 3), relu(), conv(64, 3), relu(), max_pool(2), dropout(0.25), dense(128),
                  relu(), dropout(0.5), dense(10)}},
      {.name = "toy4",
       .description = "Mi et al.'s small network: conv 16 and 32 of 3x3, dense 64 and 10 (sizes ours)",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(16, 3), relu(), max_pool(2), conv(32, 3), relu(), max_pool(2), dense(64),
                  relu(), dense(10)}},
      {.name = "wu-mnist",
       .description = "Wu et al. 2020 for MNIST: conv 20 and 50 of 5x5, dense 500 and 10",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(20, 5), relu(), max_pool(2), conv(50, 5), relu(), max_pool(2), dense(500),
                  relu(), dense(10)}},
      {.name = "wu-mnist-small",
       .description = "Wu et al. 2020, the small network: conv 8 and 16 of 5x5, dense 500 and 10",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(8, 5), relu(), max_pool(2), conv(16, 5), relu(), max_pool(2), dense(500),
                  relu(), dense(10)}},
      {.name = "wu-fashion",
       .description = "Wu et al. 2020 for Fashion-MNIST: 3 conv, 2 dense (sizes are ours)",
       .input = kGray,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(16, 3), relu(), max_pool(2), conv(32, 3), relu(), max_pool(2), conv(64, 3),
                  relu(), max_pool(2), dense(128), relu(), dense(10)}},
      {.name = "wu-cifar",
       .description = "Wu et al. 2020 for CIFAR-10: 4 conv, 3 dense (sizes are ours)",
       .input = kColor,
       .initialization = Initialization::uniform_fan_in,
       .layers = {conv(32, 3, 1), relu(), conv(32, 3, 1), relu(), max_pool(2), conv(64, 3, 1),
                  relu(), conv(64, 3, 1), relu(), max_pool(2), dense(256), relu(), dense(128),
                  relu(), dense(10)}},
  };
  return table;
}

const Preset& preset(const std::string& name) {
  std::vector<std::string> names;
  for (const Preset& entry : preset_table()) {
    if (entry.name == name) return entry;
    names.push_back(entry.name);
  }
  throw InputError("unknown model preset \"" + name + "\"" + suggestion(name, names));
}

}  // namespace redoubt
