#include "fl/state.h"

namespace redoubt {

void append_state(const std::string& prefix, std::vector<NamedTensor> own,
                  std::vector<NamedTensor>& all) {
  for (NamedTensor& tensor : own) {
    tensor.name = prefix + tensor.name;
    all.push_back(std::move(tensor));
  }
}

std::vector<NamedTensor> part_of_state(const std::string& prefix,
                                       const std::vector<NamedTensor>& all) {
  std::vector<NamedTensor> part;
  for (const NamedTensor& tensor : all) {
    if (!tensor.name.starts_with(prefix)) continue;
    part.push_back(tensor);
    part.back().name.erase(0, prefix.size());
  }
  return part;
}

}  // namespace redoubt
