// The update times a negative number.
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

struct SignFlipSettings {
  double factor = 1;
  bool operator==(const SignFlipSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("factor", s.factor, "the update is sent times minus this factor", above(0));
  }
};

/// Sends its update times -factor.
class FlipSign : public Attack {
 public:
  static constexpr const char* kName = "sign-flip";
  static constexpr const char* kDescription = "the update times a negative number";
  using Settings = SignFlipSettings;

  explicit FlipSign(const SignFlipSettings& settings) : settings_(settings) {}
  void edit_update(const ClientRound& round, UpdateRow& update) override;

 private:
  SignFlipSettings settings_;
};

}  // namespace redoubt
