// `after_training`: a list of stages, or a map from names to such lists.
#pragma once

#include "defense/settings.h"
#include "experiments/file/reader.h"
#include "experiments/file/writer.h"

namespace redoubt::experiments {

template <>
void read(const YamlValue& value, std::vector<Pipeline>& to, const Limits& limits);
template <>
void Writer::write(const std::vector<Pipeline>& pipelines);

}  // namespace redoubt::experiments
