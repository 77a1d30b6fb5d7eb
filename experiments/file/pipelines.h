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

/// The pipelines of a file that holds `after_training` and nothing else; a list is named after the
/// file. Throws InputError if there is none.
std::vector<Pipeline> read_pipelines(const std::filesystem::path& file);
/// Such a file of one pipeline, without its name.
std::string pipeline_yaml(const Pipeline& pipeline);

}  // namespace redoubt::experiments
