// A method: one of the things that attackers do, under a key of the attack block that is its name.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/check.h"
#include "base/keys.h"
#include "engine/network.h"
#include "fl/attack/attack.h"

namespace redoubt {

struct AttackSettings;

/// What a method may use. All of it outlives the attack.
struct AttackEnvironment {
  const Network& network;
  Device device = {};
  std::uint64_t seed = 0;
  bool amplify_statistics = false;  ///< AttackSettings's
};

/// What is known of an experiment before it starts.
struct AttackConditions {
  const AttackSettings& attack;
  Shape images;                   ///< of the data set
  const ParameterLayout& layout;  ///< of the model
  int classes = 10;
  int clients = 1;
  std::optional<int> clients_per_round = {};  ///< absent: all
  int batch = 64;                             ///< everybody's
  int last_round = 1;                         ///< of training, and of the longest pipeline after it
  bool subset = false;                        ///< whether a part of the training images is drawn
  std::uint64_t seed = 0;

  /// A stage that asks clients which channels are dormant, and the round after which it does.
  struct Question {
    std::string stage;
    int after_round = 0;
  };
  std::vector<Question> questions = {};

  /// Throws InputError, naming the key, if there is no such class.
  void need_class(const std::string& key, int label) const;
  /// Of keys that start alike: the victim is a class, and another than the target.
  void need_goal(const std::string& keys, const std::optional<int>& victim, int target) const;
};

/// The methods of an attack, in the order in which they act, each an Attack made from its Settings
/// or from them and the environment. `static constexpr bool kAlways = true` is a method whose
/// settings have a value that changes nothing; the others are there if their key is. A method may
/// have `static void check(const Settings&, const AttackConditions&)`, which throws InputError
/// naming the key for what would do nothing or cannot be.
template <class... Methods>
struct MethodsOf {
  template <class Method>
  static constexpr bool always = requires {
    Method::kAlways;
  };
  template <class Method>
  using Member = std::conditional_t<always<Method>, typename Method::Settings,
                                    std::optional<typename Method::Settings>>;

  struct Settings {
    std::tuple<Member<Methods>...> members;
    bool operator==(const Settings&) const = default;

    template <class Method>
    Member<Method>& of() {
      return std::get<Member<Method>>(members);
    }
    template <class Method>
    const Member<Method>& of() const {
      return std::get<Member<Method>>(members);
    }
    template <class V, class S>
    static void keys(V& v, S& s) {
      (v.field(Methods::kName, std::get<Member<Methods>>(s.members), Methods::kDescription), ...);
    }
  };

  /// Calls body.operator()<Method>(its settings) for each that is there.
  template <class Body>
  static void for_each(const Settings& settings, const Body& body) {
    const auto visit = [&]<class Method>(const Member<Method>& member) {
      if constexpr (always<Method>) {
        body.template operator()<Method>(member);
      } else if (member) {
        body.template operator()<Method>(*member);
      }
    };
    (visit.template operator()<Methods>(settings.template of<Methods>()), ...);
  }
};

}  // namespace redoubt
