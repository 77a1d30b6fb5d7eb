// Where each parameter sits in a model's flat row, and each channel in its mask row.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace redoubt {

/// Spans and rows start on multiples of this many floats (128 bytes: a line of a GPU's cache).
constexpr std::int64_t kRowAlignment = 32;

constexpr std::int64_t round_up_to_row(std::int64_t floats) {
  return (floats + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
}

/// One tensor of a model, named and laid out as in PyTorch.
struct ParameterSpan {
  enum class Role : std::uint8_t {
    weight,
    bias,
    statistic,  ///< averaged between clients, but not stepped
  };
  std::string name;  ///< "conv1.weight"
  std::vector<int> shape;
  Role role = Role::weight;
  int fan_in = 1;
  int fan_out = 1;
  std::optional<float> start = {};  ///< what every number starts as; absent: drawn
  std::optional<float> least = {};  ///< no number may be below it, as a variance is never below 0
  std::int64_t offset = 0;          ///< floats from the row's start
  std::int64_t size = 0;            ///< floats
};

/// Columns of a row.
struct ColumnRange {
  std::int64_t offset = 0;
  std::int64_t size = 0;
  bool operator==(const ColumnRange&) const = default;
};

/// The channels that one ReLU can silence: those of the conv or dense layer before it.
struct ChannelSpan {
  std::string name;  ///< that layer's: "conv1"
  std::string norm;  ///< the batch norm's between the two, or empty: "bn1"
  int layer = 0;     ///< place of the masking layer in the network
  int channels = 0;
  std::int64_t offset = 0;  ///< floats from the mask row's start
};

class ParameterLayout {
 public:
  /// Appends a tensor and returns its index. Throws InputError if there is one of its name.
  int add(ParameterSpan span);
  /// Appends a group of channels and returns its offset in the mask row.
  std::int64_t add_channels(ChannelSpan span);

  const std::vector<ParameterSpan>& spans() const { return spans_; }
  const ParameterSpan& span(int index) const { return spans_[index]; }
  /// The tensor of that name, or nullptr.
  const ParameterSpan* find(const std::string& name) const;
  /// Floats of a row, padding between spans included; a multiple of kRowAlignment.
  std::int64_t row_size() const { return row_size_; }
  /// Whether any tensor is averaged but not stepped.
  bool has_statistics() const;
  /// Numbers that training changes by gradients: all but statistics.
  std::int64_t parameter_count() const;
  /// The columns that an optimizer steps, in ascending order: all but statistics. Padding within a
  /// range is counted in, so that there are few.
  std::vector<ColumnRange> trained_ranges() const;
  /// All other columns: statistics, which are averaged and not stepped.
  std::vector<ColumnRange> statistic_ranges() const;
  /// The same without padding: a range a tensor.
  std::vector<ColumnRange> trained_tensors() const;
  /// A conv layer whose output is added to another, so that no ReLU can silence it; "last" then
  /// means one before it.
  void add_joined(const std::string& conv) { joined_.push_back(conv); }

  const std::vector<ChannelSpan>& channels() const { return channels_; }
  /// Floats of a mask row; a multiple of kRowAlignment.
  std::int64_t mask_size() const { return mask_size_; }
  /// The conv layer of that name whose channels can be silenced, or the last one for "last". Throws
  /// InputError that lists the names.
  const ChannelSpan& conv_channels(const std::string& name) const;
  /// The same, named by a key of the experiment, which the error then starts with.
  const ChannelSpan& conv_channels_of(const std::string& key, const std::string& name) const;
  /// The weight of the conv layer of that name, or of the "last" or the "middle" one: of c layers
  /// the one at c / 2, counted from 0 and without 1x1 kernels where there are larger ones. Throws
  /// InputError that lists the names.
  const ParameterSpan& conv_weight(const std::string& name) const;

 private:
  std::vector<ColumnRange> ranges_of(bool statistics) const;

  std::vector<ParameterSpan> spans_;
  std::vector<ChannelSpan> channels_;
  std::vector<std::string> joined_;
  std::int64_t row_size_ = 0;
  std::int64_t mask_size_ = 0;
};

/// Sets the weights and biases of silenced channels (mask [mask row] is 0) to 0 in a row, and those
/// of the batch norm after them: the row is silent there without a mask, too, in any program. ReLU
/// of 0 is 0, which is what the mask gives.
void zero_silenced(const ParameterLayout& layout, std::span<const float> mask,
                   std::span<float> row);

}  // namespace redoubt
