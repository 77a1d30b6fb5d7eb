#include "fl/record.h"

namespace redoubt {

void Record::add(std::string name, RecordValue value) {
  values.emplace_back(std::move(name), std::move(value));
}

const RecordValue* Record::find(const std::string& name) const {
  for (const auto& [key, value] : values) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace redoubt
