#include "engine/initialize.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/random.h"

namespace redoubt {

namespace {

/// One number of a tensor, drawn from its stream.
double draw(const ParameterSpan& span, Initialization initialization, RandomStream& stream) {
  const double fan_in = span.fan_in;
  const double fan_out = span.fan_out;
  if (initialization == Initialization::uniform_fan_in) {
    // kaiming_uniform with a = √5 is ±√(6 / ((1 + a²) fan_in)) = ±1/√fan_in, for weights and
    // biases.
    const double bound = 1 / std::sqrt(fan_in);
    return stream.uniform(-bound, bound);
  }
  if (span.role == ParameterSpan::Role::bias) return 0;
  if (initialization == Initialization::he) return stream.normal() * std::sqrt(2 / fan_in);
  const double bound = std::sqrt(6 / (fan_in + fan_out));
  return stream.uniform(-bound, bound);
}

}  // namespace

void initialize(const ParameterLayout& layout, Initialization initialization, std::uint64_t seed,
                std::span<float> row) {
  check(std::ssize(row) == layout.row_size(), "a row has the layout's size");
  std::fill(row.begin(), row.end(), 0.0F);
  std::uint32_t index = 0;
  for (const ParameterSpan& span : layout.spans()) {
    RandomStream stream({.seed = seed, .purpose = Purpose::initialization, .client = index++});
    for (std::int64_t i = 0; i < span.size; ++i) {
      row[span.offset + i] =
          span.start.value_or(static_cast<float>(draw(span, initialization, stream)));
    }
  }
}

}  // namespace redoubt
