// What checkpoints and model files say beside their tensors.
#pragma once

#include <string>

#include "engine/safetensors.h"
#include "kernels/gather.h"

namespace redoubt::runner {

/// A whole number from a file's metadata, in [low, high]. Throws InputError that names the origin.
int whole_number(const TensorFile& file, const std::string& key, int low, int high,
                 const std::string& origin);

/// What the file's model hears of an image; all of it if the file does not say.
kernels::ByteRange input_range_of(const TensorFile& file, const std::string& origin);
/// Says so in the file unless it is all.
void add_input_range(const kernels::ByteRange& range, TensorFile& file);

}  // namespace redoubt::runner
