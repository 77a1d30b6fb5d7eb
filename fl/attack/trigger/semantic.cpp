#include "fl/attack/trigger/semantic.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace redoubt {

namespace {

constexpr std::ptrdiff_t kMostNamed = 8;

std::vector<int> checked(std::vector<int> images, const char* key, const Split& split,
                         const BackdoorGoal& goal) {
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
  std::vector<std::string> others;
  for (const int image : images) {
    if (goal.is_victim(split.labels[image])) continue;
    others.push_back(fmt::format("{} of class {}", image, split.labels[image]));
  }
  if (!others.empty()) {
    throw InputError(fmt::format(
        "attack.trigger.{} lists {}{}, and {}; are the places those of this copy of the data set?",
        key,
        fmt::join(others.begin(), others.begin() + std::min(kMostNamed, std::ssize(others)), ", "),
        std::ssize(others) > kMostNamed
            ? fmt::format(" and {} more", std::ssize(others) - kMostNamed)
            : "",
        goal.victim ? fmt::format("attack.victim is {}", *goal.victim)
                    : fmt::format("that is the target, attack.target {}", goal.target)));
  }
  return images;
}

/// The split's images of the victim class that are mostly of the settings' colour.
std::vector<int> with_feature(const SemanticTriggerSettings& settings, const Dataset& dataset,
                              const Split& split, const BackdoorGoal& goal) {
  if (dataset.shape.channels != 3) {
    throw InputError("attack.trigger.kind is semantic, which chooses by colour; the images of " +
                     dataset.name + " have none: list them by index in images and test_images");
  }
  const auto positions = static_cast<std::size_t>(dataset.shape.positions());
  const auto channel = static_cast<std::size_t>(settings.channel);
  std::vector<int> found;
  for (int i = 0; i < split.count(); ++i) {
    if (!goal.is_victim(split.labels[i])) continue;
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

}  // namespace

/// A subset of the training images is drawn anew for each seed: places in the file mean others
/// there.
void SemanticTrigger::check(const Settings& settings, const AttackConditions& conditions) {
  if (settings.images.empty() || !conditions.subset) return;
  throw InputError(
      "attack.trigger.images lists training images by their place in the data set, of which "
      "data.train_samples keeps a part only; leave one of the two out");
}

void SemanticTrigger::plan(const Settings& settings, BackdoorPlanning& planning) {
  const Dataset& dataset = planning.dataset;
  Backdoor& backdoor = planning.backdoor;
  backdoor.goal.trigger = -1;
  const bool listed = !settings.images.empty() || !settings.test_images.empty();
  backdoor.images = listed ? checked(settings.images, "images", dataset.train, backdoor.goal)
                           : with_feature(settings, dataset, dataset.train, backdoor.goal);
  std::vector<int> test =
      listed ? checked(settings.test_images, "test_images", dataset.test, backdoor.goal)
             : with_feature(settings, dataset, dataset.test, backdoor.goal);
  if (backdoor.images.empty() || test.empty()) {
    throw InputError(fmt::format(
        "attack.trigger: {} training and {} test images have the feature; there must be some of "
        "both{}",
        backdoor.images.size(), test.size(),
        listed ? "" : "; a smaller share or margin finds more"));
  }
  for (const int i : test) planning.measure_on(dataset.train.count() + i);
}

}  // namespace redoubt
