// The shape of one image's activation.
#pragma once

#include <cstdint>
#include <string>

namespace redoubt {

struct Shape {
  int channels = 1;
  int height = 1;
  int width = 1;

  constexpr int positions() const { return height * width; }
  constexpr std::int64_t size() const { return std::int64_t{channels} * positions(); }
  bool operator==(const Shape&) const = default;
};

/// "3x32x32"
inline std::string to_string(const Shape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.height) + "x" +
         std::to_string(shape.width);
}

}  // namespace redoubt
