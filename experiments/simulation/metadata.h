// What checkpoints and model files say beside their tensors.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "engine/parameter_layout.h"
#include "engine/safetensors.h"
#include "kernels/gather.h"

namespace redoubt::experiments {

/// A whole number from a file's metadata, in [low, high]. Throws InputError that names the origin.
int whole_number(const TensorFile& file, const std::string& key, int low, int high,
                 const std::string& origin);

/// What the file's model hears of an image; all of it if the file does not say.
kernels::ByteRange input_range_of(const TensorFile& file, const std::string& origin);
/// Says so in the file unless it is all.
void add_input_range(const kernels::ByteRange& range, TensorFile& file);

/// [mask row] 0: a channel that the file says is pruned; 1: any other. Throws InputError that names
/// the origin if there is no such channel.
std::vector<float> mask_of(const ParameterLayout& layout, const TensorFile& file,
                           const std::string& origin);
/// Lists the channels that a mask silences, layer by layer.
void add_mask(const ParameterLayout& layout, std::span<const float> mask, TensorFile& file);

/// Columns of a row: the weights that the file says were set to 0 and are to stay so. Throws
/// InputError that names the origin if there is no such weight, or if it is not 0 there.
std::vector<std::int64_t> zeroed_in(const ParameterLayout& layout, const TensorFile& file,
                                    const std::string& origin);
/// Lists the weights that `kept` [row] holds 0 for, tensor by tensor.
void add_zeroed(const ParameterLayout& layout, std::span<const float> kept, TensorFile& file);

/// What the images were normalised by that a model was trained on; absent from a file that does not
/// say, as another program's. Throws InputError naming `origin` for what is none.
std::optional<Normalization> normalization_of(const TensorFile& file, const std::string& origin);
void add_normalization(const Normalization& normalization, TensorFile& file);

}  // namespace redoubt::experiments
