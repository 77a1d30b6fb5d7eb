// Plain poisoning: attackers who want the model to be bad rather than to know their trigger. A new
// one is a pair of files beside this one and its name in this list.
#pragma once

#include "fl/attack/flip_labels.h"
#include "fl/attack/flip_sign.h"
#include "fl/attack/little_is_enough.h"
#include "fl/attack/manipulate_inner_product.h"
#include "fl/attack/send_noise.h"

namespace redoubt {

struct Untargeted
    : ListOf<FlipLabels, FlipSign, SendNoise, LittleIsEnough, ManipulateInnerProduct> {
  static constexpr const char* what = "an untargeted attack";
};
using UntargetedSettings = Untargeted::Settings;

template <>
struct KindOf<UntargetedSettings> {
  using type = Untargeted;
};

}  // namespace redoubt
