// An attacker that keeps its update short (Bagdasaryan et al. 2020, section 4.3; Mi et al.).
#pragma once

#include "fl/attack/method.h"

namespace redoubt {

/// `project: 2`
struct ProjectSettings {
  double norm = 1;  ///< longest update that is sent, L2
  bool operator==(const ProjectSettings&) const = default;

  template <class V, class S>
  static void forms(V& v, S& s) {
    v.value(s.norm, above(0));
  }
};

/// Scales the update down to length `norm` if it is longer, after everything else.
class ProjectUpdate : public Attack {
 public:
  static constexpr const char* kName = "project";
  static constexpr const char* kDescription =
      "longest update (L2 norm) that is sent, longer ones are scaled down; null: any";
  using Settings = ProjectSettings;

  explicit ProjectUpdate(const ProjectSettings& settings) : settings_(settings) {}
  void edit_update(const ClientRound& round, UpdateRow& update) override;

 private:
  ProjectSettings settings_;
};

}  // namespace redoubt
