#include "experiments/file/writer.h"

#include <fmt/format.h>

namespace redoubt::experiments {

void Writer::write_number(double value, bool single) {
  // The shortest text that reads back to the same number.
  emitter_ << (single ? fmt::format("{}", static_cast<float>(value)) : fmt::format("{}", value));
}

}  // namespace redoubt::experiments
