// Labelled images as bytes, and where to find them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/keys.h"
#include "engine/shape.h"

namespace redoubt {

/// Images [count][C][H][W] and one label an image.
struct Split {
  std::vector<std::uint8_t> images;
  std::vector<std::uint8_t> labels;

  int count() const { return static_cast<int>(labels.size()); }
};

/// value = (byte / 255 - mean[c]) / deviation[c].
struct Normalization {
  std::vector<float> mean;
  std::vector<float> deviation;
  bool operator==(const Normalization&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("mean", s.mean, "a mean for each colour channel, of byte / 255");
    v.field("std", s.deviation, "a deviation for each colour channel, of byte / 255", above(0));
  }
};

/// "mean 0.28604, deviation 0.353024", a number a channel.
std::string to_string(const Normalization& normalization);

struct Dataset {
  std::string name;
  Shape shape;
  int classes = 10;
  Split train;
  Split test;
  /// For a user's eyes: where the files were found, or "procedural".
  std::string origin;
  /// Of a training split that is a part of the data set's: the place there of each image,
  /// ascending; empty: it is all of it.
  std::vector<int> kept = {};
  /// Of the whole training split, whatever part of it is kept; absent: of `train`.
  std::optional<Normalization> standard = {};

  /// [C][H][W] of an image of the training split or, after those, of the test split; and its label.
  std::span<const std::uint8_t> image(int index) const;
  std::uint8_t label(int index) const;
};

/// How bytes become numbers.
struct NormalizationSettings {
  enum class Kind : std::uint8_t {
    standard,  ///< the whole training split's mean and deviation a channel
    unit,      ///< byte / 255
    given,     ///< mean and deviation below
  };
  Kind kind = Kind::standard;
  Normalization given;
  bool operator==(const NormalizationSettings&) const = default;

  template <class V, class S>
  static void forms(V& v, S& s) {
    v.word(s.kind, Kind::standard, "standard");
    v.word(s.kind, Kind::unit, "unit");
    v.map(s.kind, Kind::given, [&](auto& map) { Normalization::keys(map, s.given); });
  }
};

/// What `data.dataset` names.
struct DatasetName {
  std::string name = {};

  static constexpr const char* what = "a data set";
  static std::vector<std::string> names();
  bool operator==(const DatasetName&) const = default;
};

struct DatasetSettings {
  DatasetName name = {"fashion-mnist"};
  /// Absent: $REDOUBT_DATA/<name>, then the system's place for it.
  std::optional<std::filesystem::path> directory;
  /// Absent: all. Else that many training images, drawn with equal counts a class as far as there
  /// are.
  std::optional<int> train_samples;
};

/// A data set that is not loaded.
struct DatasetEntry {
  std::string name;
  std::string description;  ///< one line for `redoubt list`
  Shape shape;
  int classes;
  Dataset (*load)(const DatasetSettings& settings, std::uint64_t seed);
};

/// The list of data sets is in dataset.cpp: a new one is a pair of files and a name there.
std::span<const DatasetEntry> dataset_table();

/// The row of that name. Throws InputError, suggesting the nearest.
const DatasetEntry& dataset_entry(const std::string& name);

/// Loads a data set by its name in the table. Throws InputError for an unknown name (suggesting the
/// nearest), a missing folder (saying how to get the data) or a damaged file (saying which, and
/// how).
Dataset load_dataset(const DatasetSettings& settings, std::uint64_t seed);

/// Throws InputError, naming the key, if given values do not fit the channels, a mean is none of
/// byte / 255, or a deviation is not above 0.
void check_normalization(const NormalizationSettings& settings, const std::string& dataset,
                         int channels);

/// The normalisation that the settings mean for this data set. `standard` is computed from the
/// whole training split, in double. Throws as check_normalization() does.
Normalization normalization(const NormalizationSettings& settings, const Dataset& dataset);

}  // namespace redoubt
