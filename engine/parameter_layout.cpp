#include "engine/parameter_layout.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace redoubt {

namespace {

/// Weight [out channels][in channels][kernel height][kernel width].
bool is_conv(const ParameterSpan& span) { return span.shape.size() == 4; }

}  // namespace

int ParameterLayout::add(ParameterSpan span) {
  if (find(span.name) != nullptr) throw InputError("two tensors are called " + span.name);
  span.offset = row_size_;
  span.size =
      std::accumulate(span.shape.begin(), span.shape.end(), std::int64_t{1}, std::multiplies<>());
  row_size_ += round_up_to_row(span.size);
  spans_.push_back(std::move(span));
  return static_cast<int>(spans_.size()) - 1;
}

std::int64_t ParameterLayout::add_channels(ChannelSpan span) {
  span.offset = mask_size_;
  mask_size_ += round_up_to_row(span.channels);
  channels_.push_back(std::move(span));
  return channels_.back().offset;
}

const ParameterSpan* ParameterLayout::find(const std::string& name) const {
  for (const ParameterSpan& span : spans_) {
    if (span.name == name) return &span;
  }
  return nullptr;
}

bool ParameterLayout::has_statistics() const {
  return std::any_of(spans_.begin(), spans_.end(), [](const ParameterSpan& span) {
    return span.role == ParameterSpan::Role::statistic;
  });
}

std::int64_t ParameterLayout::parameter_count() const {
  std::int64_t count = 0;
  for (const ParameterSpan& span : spans_) {
    if (span.role != ParameterSpan::Role::statistic) count += span.size;
  }
  return count;
}

std::vector<ColumnRange> ParameterLayout::trained_ranges() const { return ranges_of(false); }

std::vector<ColumnRange> ParameterLayout::statistic_ranges() const { return ranges_of(true); }

/// Neighbours of a kind are one range, padding between them counted in.
std::vector<ColumnRange> ParameterLayout::ranges_of(bool statistics) const {
  std::vector<ColumnRange> ranges;
  bool open = false;
  for (const ParameterSpan& span : spans_) {
    const std::int64_t size = round_up_to_row(span.size);
    const bool counts = (span.role == ParameterSpan::Role::statistic) == statistics;
    if (counts && open) {
      ranges.back().size += size;
    } else if (counts) {
      ranges.push_back({.offset = span.offset, .size = size});
    }
    open = counts;
  }
  return ranges;
}

std::vector<ColumnRange> ParameterLayout::trained_tensors() const {
  std::vector<ColumnRange> ranges;
  for (const ParameterSpan& span : spans_) {
    if (span.role == ParameterSpan::Role::statistic) continue;
    ranges.push_back({.offset = span.offset, .size = span.size});
  }
  return ranges;
}

const ChannelSpan& ParameterLayout::conv_channels(const std::string& name) const {
  // The last conv layer of all, which may be one that cannot be silenced: then none is meant.
  std::string wanted = name;
  for (const ParameterSpan& span : spans_) {
    const std::string layer = span.name.substr(0, span.name.rfind('.'));
    const bool joined = std::find(joined_.begin(), joined_.end(), layer) != joined_.end();
    if (name == "last" && is_conv(span) && !joined) wanted = layer;
  }
  const ChannelSpan* found = nullptr;
  std::string names;
  for (const ChannelSpan& span : channels_) {
    if (const auto* weight = find(span.name + ".weight"); !weight || !is_conv(*weight)) continue;
    if (span.name == wanted) found = &span;
    names += (names.empty() ? "" : ", ") + span.name;
  }
  if (found != nullptr) return *found;
  throw InputError("layer \"" + name + "\"" + (wanted == name ? "" : ", which is " + wanted + ",") +
                   " is no conv layer followed by a ReLU; the model has " +
                   (names.empty() ? "none" : names));
}

const ChannelSpan& ParameterLayout::conv_channels_of(const std::string& key,
                                                     const std::string& name) const {
  try {
    return conv_channels(name);
  } catch (const InputError& error) {
    throw InputError(key + ": " + error.what());
  }
}

const ParameterSpan& ParameterLayout::conv_weight(const std::string& name) const {
  std::vector<const ParameterSpan*> all;
  std::vector<const ParameterSpan*> spatial;
  std::string names;
  for (const ParameterSpan& span : spans_) {
    if (!is_conv(span)) continue;
    const std::string layer = span.name.substr(0, span.name.rfind('.'));
    if (layer == name) return span;
    names += (names.empty() ? "" : ", ") + layer;
    all.push_back(&span);
    if (span.shape[2] * span.shape[3] > 1) spatial.push_back(&span);
  }
  const auto& choice = spatial.empty() ? all : spatial;
  if (!choice.empty() && name == "last") return *choice.back();
  if (!choice.empty() && name == "middle") return *choice[choice.size() / 2];
  throw InputError("layer \"" + name + "\" is no conv layer; the model has " +
                   (names.empty() ? "none" : names));
}

void zero_silenced(const ParameterLayout& layout, std::span<const float> mask,
                   std::span<float> row) {
  for (const ChannelSpan& channels : layout.channels()) {
    for (const std::string& layer : {channels.name, channels.norm}) {
      for (const char* part : {".weight", ".bias"}) {
        const ParameterSpan* span = layout.find(layer + part);
        if (span == nullptr) continue;  // no batch norm, or a conv layer without bias
        const std::int64_t size = span->size / channels.channels;
        for (int c = 0; c < channels.channels; ++c) {
          if (mask[channels.offset + c] != 0) continue;
          std::fill_n(row.begin() + span->offset + c * size, size, 0.0F);
        }
      }
    }
  }
}

}  // namespace redoubt
