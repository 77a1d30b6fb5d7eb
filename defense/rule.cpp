#include "defense/rule.h"

namespace redoubt {

void RuleConditions::need_clients(const std::string& key, int malicious, int least) const {
  if (participants >= least) return;
  throw InputError("defense.rule: " + key + " is " + std::to_string(malicious) +
                   ", which takes a round of at least " + std::to_string(least) +
                   " clients; there are " + std::to_string(participants));
}

void RuleConditions::need_validation(const std::string& rule) const {
  if (validation_samples > 0) return;
  throw InputError("defense.rule: " + rule +
                   " needs the server's validation images; set data.validation_samples");
}

}  // namespace redoubt
