// What each kind of backdoor asks of a data set.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/random.h"
#include "fl/attack/backdoor.h"

namespace redoubt {

using kernels::Sample;

std::vector<PixelBlock> distributed_parts(const Shape& shape) {
  const bool large = shape.height >= 32;
  const int width = large ? 6 : 4;
  std::vector<PixelBlock> parts;
  for (const int row : {0, large ? 4 : 3}) {
    for (const int column : {0, large ? 9 : 6}) {
      parts.push_back({.row = row, .column = column, .height = 1, .width = width});
    }
  }
  return parts;
}

namespace {

/// Fills in a backdoor whose goal's victim and target are known.
class Planner {
 public:
  Planner(const Dataset& dataset, TriggerTable& triggers, std::uint64_t seed, Backdoor& backdoor)
      : dataset_(dataset), triggers_(triggers), seed_(seed), backdoor_(backdoor) {}

  void operator()(const PixelTriggerSettings& settings) {
    stamp_one(pixel_trigger(settings, dataset_.shape));
  }

  void operator()(const PatternTriggerSettings& settings) {
    stamp_one(block_trigger({&settings.block, 1}, settings.value, dataset_.shape));
  }

  void operator()(const DistributedTriggerSettings& settings) {
    const auto parts = settings.parts.empty() ? distributed_parts(dataset_.shape) : settings.parts;
    backdoor_.goal.trigger = triggers_.add(block_trigger(parts, settings.value, dataset_.shape));
    for (const PixelBlock& part : parts) {
      const Trigger own = block_trigger({&part, 1}, settings.value, dataset_.shape);
      backdoor_.stamps.push_back(triggers_.add(own));
    }
    measure_on_stamped_test_images();
  }

  void operator()(const SemanticTriggerSettings& settings) {
    backdoor_.goal.trigger = -1;
    const bool listed = !settings.images.empty() || !settings.test_images.empty();
    backdoor_.images = listed ? checked(settings.images, "images", dataset_.train)
                              : with_feature(settings, dataset_.train);
    std::vector<int> test = listed ? checked(settings.test_images, "test_images", dataset_.test)
                                   : with_feature(settings, dataset_.test);
    std::erase_if(test, [&](int i) {
      return dataset_.test.labels[static_cast<std::size_t>(i)] == backdoor_.goal.target;
    });
    if (backdoor_.images.empty() || test.empty()) {
      throw InputError(fmt::format(
          "attack.trigger: {} training and {} test images have the feature; there must be some of "
          "both{}",
          backdoor_.images.size(), test.size(),
          listed ? "" : "; a smaller share or margin finds more"));
    }
    for (const int i : test) measure_on(dataset_.train.count() + i);
  }

  void operator()(const TargetedTriggerSettings& settings) {
    backdoor_.goal.trigger = -1;
    std::vector<int> victims;
    for (int i = 0; i < dataset_.train.count(); ++i) {
      const int label = dataset_.train.labels[static_cast<std::size_t>(i)];
      if (backdoor_.goal.is_victim(label)) victims.push_back(i);
    }
    if (std::ssize(victims) < settings.samples) {
      throw InputError(
          fmt::format("attack.trigger.samples is {}; there are {} training images of the victim",
                      settings.samples, victims.size()));
    }
    RandomStream stream({.seed = seed_, .purpose = Purpose::poison});
    stream.shuffle(std::span(victims));
    victims.resize(static_cast<std::size_t>(settings.samples));
    std::sort(victims.begin(), victims.end());
    backdoor_.images = victims;
    for (const int i : victims) measure_on(i);
  }

 private:
  void stamp_one(const Trigger& trigger) {
    backdoor_.goal.trigger = triggers_.add(trigger);
    backdoor_.stamps = {backdoor_.goal.trigger};
    measure_on_stamped_test_images();
  }

  void measure_on_stamped_test_images() {
    backdoor_.evaluation =
        stamped_test_samples(dataset_.test.labels, dataset_.train.count(), backdoor_.goal);
  }

  void measure_on(int image) {
    backdoor_.evaluation.push_back(
        {.image = image, .label = static_cast<std::int16_t>(backdoor_.goal.target)});
  }

  static std::vector<int> checked(std::vector<int> images, const char* key, const Split& split) {
    std::sort(images.begin(), images.end());
    const auto twice = std::adjacent_find(images.begin(), images.end());
    if (twice != images.end()) {
      throw InputError(fmt::format("attack.trigger.{} lists {} twice", key, *twice));
    }
    if (!images.empty() && (images.front() < 0 || images.back() >= split.count())) {
      throw InputError(fmt::format("attack.trigger.{} lists {}; images go from 0 to {}", key,
                                   images.front() < 0 ? images.front() : images.back(),
                                   split.count() - 1));
    }
    return images;
  }

  /// The split's images of the victim class that are mostly of the settings' colour.
  std::vector<int> with_feature(const SemanticTriggerSettings& settings, const Split& split) const {
    if (dataset_.shape.channels != 3) {
      throw InputError("attack.trigger.kind is semantic, which chooses by colour; the images of " +
                       dataset_.name + " have none: list them by index in images and test_images");
    }
    const auto positions = static_cast<std::size_t>(dataset_.shape.positions());
    const auto channel = static_cast<std::size_t>(settings.channel);
    std::vector<int> found;
    for (int i = 0; i < split.count(); ++i) {
      if (!backdoor_.goal.is_victim(split.labels[static_cast<std::size_t>(i)])) continue;
      const std::uint8_t* image = split.images.data() + static_cast<std::size_t>(i) * 3 * positions;
      std::size_t of_colour = 0;
      for (std::size_t p = 0; p < positions; ++p) {
        const std::array<int, 3> bytes = {image[p], image[positions + p], image[2 * positions + p]};
        const int others = std::max(bytes[(channel + 1) % 3], bytes[(channel + 2) % 3]);
        if (bytes[channel] >= others + settings.margin) ++of_colour;
      }
      if (static_cast<double>(of_colour) >= settings.share * static_cast<double>(positions)) {
        found.push_back(i);
      }
    }
    return found;
  }

  const Dataset& dataset_;
  TriggerTable& triggers_;
  std::uint64_t seed_;
  Backdoor& backdoor_;
};

}  // namespace

Backdoor plan_backdoor(const AttackSettings& settings, const Dataset& dataset,
                       TriggerTable& triggers, std::uint64_t seed) {
  Backdoor backdoor = {.goal = {.victim = settings.victim, .target = settings.target}};
  std::visit(Planner(dataset, triggers, seed, backdoor), settings.trigger);
  return backdoor;
}

}  // namespace redoubt
