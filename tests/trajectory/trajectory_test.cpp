// Twenty training steps of each preset, against the numbers PyTorch gave in float64
// (make_trajectories.py). Weights and images come from the integer hash that hashed_data.py
// describes.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/fleet.h"
#include "engine/network.h"
#include "engine/presets.h"
#include "engine/train_step.h"
#include "fl/image_store.h"

namespace redoubt {
namespace {

using kernels::LossTotals;
using kernels::Sample;
using nlohmann::json;

constexpr int kClasses = 10;
constexpr double kLargestLossGap = 5e-5;   // of the loss, at every step
constexpr double kSmallNorm = 0.02;        // of tensors that start as 0 and have hardly moved
constexpr double kLargestModelGap = 1e-4;  // of a tensor's norm, and of the largest logit

std::uint32_t mix(std::uint32_t x) {
  x ^= x >> 16;
  x *= 0x85ebca6bU;
  x ^= x >> 13;
  x *= 0xc2b2ae35U;
  return x ^ (x >> 16);
}

/// Number i of a stream.
std::uint32_t hashed(std::uint32_t stream, std::int64_t i) {
  return mix(static_cast<std::uint32_t>(i) * 0x9e3779b9U + mix(stream));
}

std::uint8_t label_of(int image) { return static_cast<std::uint8_t>(hashed(3, image) % kClasses); }

Dataset make_images(int count, const Shape& shape) {
  Dataset dataset = {.name = "hashed", .shape = shape, .train = {}, .test = {}, .origin = ""};
  const std::int64_t size = shape.size();
  for (int image = 0; image < count; ++image) {
    const std::uint8_t label = label_of(image);
    for (std::int64_t i = 0; i < size; ++i) {
      const std::uint32_t pattern = hashed(1, label * size + i) >> 24;
      const std::uint32_t noise = hashed(2, image * size + i) >> 24;
      dataset.train.images.push_back(static_cast<std::uint8_t>((3 * pattern + noise) / 4));
    }
    dataset.train.labels.push_back(label);
  }
  return dataset;
}

std::vector<float> make_weights(const ParameterLayout& layout) {
  std::vector<float> row(layout.row_size());
  std::uint32_t stream = 100;
  for (const ParameterSpan& span : layout.spans()) {
    for (std::int64_t i = 0; i < span.size; ++i) {
      const double number = static_cast<double>(hashed(stream, i)) * 0x1p-31 - 1;
      row[span.offset + i] = span.start.value_or(
          static_cast<float>(number / std::sqrt(static_cast<double>(span.fan_in))));
    }
    ++stream;
  }
  return row;
}

OptimizerSettings optimizer_of(const json& settings) {
  const auto number = [&](const char* key) { return settings.at(key).get<float>(); };
  if (settings.at("kind") == Adam::kName) {
    return Adam::Settings{.learning_rate = number("lr"), .weight_decay = number("weight_decay")};
  }
  return Sgd::Settings{.learning_rate = number("lr"),
                       .momentum = number("momentum"),
                       .weight_decay = number("weight_decay")};
}

const json& trajectories() {
  static const json file = json::parse(std::ifstream(REDOUBT_TRAJECTORIES));
  return file;
}

/// One model under training as a case says, on the CPU.
class Training {
 public:
  explicit Training(const json& wanted)
      : wanted_(wanted),
        batch_(wanted.at("batch")),
        images_(wanted.at("images")),
        network_(preset_.input, kClasses, preset_.layers),
        optimizer_(optimizer_of(wanted.at("optimizer"))),
        store_(make_images(image_count_, preset_.input),
               {.mean = std::vector<float>(static_cast<std::size_t>(preset_.input.channels), 0.5F),
                .deviation =
                    std::vector<float>(static_cast<std::size_t>(preset_.input.channels), 0.25F)},
               {}, device_),
        workspace_(network_, device_, 1, batch_, true),
        fleet_(network_.layout(), 1, state_rows_of(optimizer_), device_) {
    const std::vector<float> row = make_weights(network_.layout());
    context_.copy_to_device(fleet_.values()[0], row.data(), row.size() * sizeof(float));
    const json& key = trajectories().at("dropout_key");
    key_ = {.seed = key.at("seed"),
            .purpose = Purpose::dropout,
            .client = key.at("client"),
            .round = key.at("round")};
    if (wanted.at("last_conv_l2") != 0.0) {
      const ParameterLayout& layout = network_.layout();
      const ParameterSpan* weight = layout.find(layout.conv_channels("last").name + ".weight");
      terms_ = Terms::of(L2Penalty(*weight, wanted.at("last_conv_l2").get<float>()));
    }
  }

  /// Takes step `step` (from 0) and returns the loss before it.
  double step(int step) {
    std::vector<Sample> samples(batch_);
    for (int n = 0; n < images_; ++n) {
      samples[n] = sample((step * images_ + n) % image_count_);
    }
    key_.step = static_cast<std::uint32_t>(step);
    LossTotals totals;
    const std::int32_t before = step;
    train_step(network_, workspace_, {.context = context_, .batch = batch_, .keys = &key_},
               store_.source(), {samples.data(), batch_},
               {.values = fleet_.values(),
                .gradients = fleet_.gradients(),
                .first_state = fleet_.state(0),
                .second_state = fleet_.state(1)},
               {.optimizer = optimizer_, .terms = terms_, .step = &before}, &totals);
    EXPECT_EQ(totals.count, images_);
    return totals.mean_loss();
  }

  /// [classes][batch], of the first images.
  std::vector<float> logits() {
    std::vector<Sample> samples(batch_);
    for (int n = 0; n < batch_; ++n) samples[n] = sample(n);
    kernels::gather(context_, store_.source(), 1, batch_, {samples.data(), batch_},
                    workspace_.activation(0), workspace_.labels());
    network_.forward({.context = context_, .batch = batch_, .parameters = fleet_.values()},
                     workspace_);
    const float* first = workspace_.logits()[0];
    return {first, first + kClasses * batch_};
  }

  double norm(const std::string& tensor) {
    const ParameterSpan* span = network_.layout().find(tensor);
    if (span == nullptr) return std::nan("");
    double squares = 0;
    for (std::int64_t i = 0; i < span->size; ++i) {
      const double value = static_cast<double>(fleet_.values()[0][span->offset + i]);
      squares += value * value;
    }
    return std::sqrt(squares);
  }

  int batch() const { return batch_; }

 private:
  static Sample sample(int image) { return {.image = image, .label = label_of(image)}; }

  const json& wanted_;
  const Preset& preset_ = preset(wanted_.at("preset"));
  int image_count_ = trajectories().at("image_count");
  int batch_;
  int images_;
  Device device_;
  Context context_ = Context(device_);
  Network network_;
  OptimizerSettings optimizer_;
  Terms terms_;
  ImageStore store_;
  Workspace workspace_;
  Fleet fleet_;
  RandomKey key_;
};

class Trajectory : public testing::TestWithParam<std::size_t> {};

TEST_P(Trajectory, IsThatOfPyTorch) {
  const json& wanted = trajectories().at("cases").at(GetParam());
  Training training(wanted);
  const json& losses = wanted.at("losses");
  ASSERT_EQ(losses.size(), wanted.value("steps", 20U));
  for (int step = 0; step < static_cast<int>(losses.size()); ++step) {
    const double loss = losses.at(static_cast<std::size_t>(step));
    ASSERT_NEAR(training.step(step), loss, kLargestLossGap * loss) << "at step " << step;
  }
  for (const auto& [tensor, norm] : wanted.at("norms").items()) {
    const double scale = std::max(norm.get<double>(), kSmallNorm);
    EXPECT_NEAR(training.norm(tensor), norm.get<double>(), kLargestModelGap * scale) << tensor;
  }

  const std::vector<float> logits = training.logits();
  double largest = 0;
  for (const json& image : wanted.at("logits")) {
    for (const double logit : image) largest = std::max(largest, std::abs(logit));
  }
  for (std::size_t n = 0; n < wanted.at("logits").size(); ++n) {
    for (std::size_t c = 0; c < kClasses; ++c) {
      const float logit = logits[c * static_cast<std::size_t>(training.batch()) + n];
      EXPECT_NEAR(logit, wanted.at("logits").at(n).at(c).get<double>(), kLargestModelGap * largest)
          << "class " << c << " of image " << n;
    }
  }
}

std::string case_name(const testing::TestParamInfo<std::size_t>& parameter) {
  const json& wanted = trajectories().at("cases").at(parameter.param);
  std::string name = wanted.at("preset").get<std::string>() + "_" +
                     wanted.at("optimizer").at("kind").get<std::string>();
  for (char& letter : name) letter = letter == '-' ? '_' : letter;
  return name;
}

INSTANTIATE_TEST_SUITE_P(Cases, Trajectory,
                         testing::Range(std::size_t{0}, trajectories().at("cases").size()),
                         case_name);

TEST(Trajectories, CoverEveryPreset) {
  for (const Preset& entry : preset_table()) {
    bool covered = false;
    for (const json& wanted : trajectories().at("cases")) {
      covered = covered || wanted.at("preset") == entry.name;
    }
    EXPECT_TRUE(covered) << entry.name;
  }
}

}  // namespace
}  // namespace redoubt
