// The semantic backdoor (Bagdasaryan et al. 2020, section 4.1).
#pragma once

#include "fl/attack/trigger/planning.h"

namespace redoubt {

/// The semantic backdoor (Bagdasaryan et al. 2020, section 4.1): a natural feature is the trigger
/// and no pixel changes. Attackers train on the training images that have it, labelled as the
/// target; nobody else holds them. The attack is measured on the test images that have it.
struct SemanticTriggerSettings {
  enum class Channel : std::uint8_t { red, green, blue };
  friend constexpr Names<Channel, 3> names_of(Channel) {
    return {{{"red", Channel::red}, {"green", Channel::green}, {"blue", Channel::blue}}};
  }
  /// The images that have the feature, by index; if both are empty, those of the victim class that
  /// are mostly of one colour.
  std::vector<int> images;
  std::vector<int> test_images;
  Channel channel = Channel::green;
  /// A pixel is of the colour if this channel's byte exceeds both others by so many ...
  int margin = 10;
  /// ... and an image if so large a share of its pixels is.
  double share = 0.3;
  bool operator==(const SemanticTriggerSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("images", s.images,
            "indices of the training images with the feature, held by the attackers alone; empty: "
            "chosen by colour",
            at_least(0));
    v.field("test_images", s.test_images,
            "indices of the test images with the feature, which the attack is measured on",
            at_least(0));
    auto by_colour = v.when_empty("images", s.images).when_empty("test_images", s.test_images);
    by_colour.field("channel", s.channel,
                    "images of the victim class that are mostly of this colour have the feature");
    by_colour.field(
        "margin", s.margin,
        "a pixel is of the colour if its byte exceeds those of both other channels by so many",
        between(1, 255));
    by_colour.field("share", s.share,
                    "an image is of the colour if so large a share of its pixels is",
                    above_to(0, 1));
  }
};

struct SemanticTrigger {
  static constexpr const char* kName = "semantic";
  static constexpr const char* kDescription =
      "a natural feature: images of a colour or by index, no pixel changes";
  using Settings = SemanticTriggerSettings;

  /// Throws InputError, naming the key, for what cannot be stamped on such images.
  static void check(const Settings& settings, const AttackConditions& conditions);
  /// Throws InputError if the images do not allow it.
  static void plan(const Settings& settings, BackdoorPlanning& planning);
};

}  // namespace redoubt
