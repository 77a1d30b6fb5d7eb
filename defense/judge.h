// Sweeps: a stage proposes levels of ever stronger treatment, a judge finds the last that is
// tolerable.
#pragma once

#include <vector>

#include "defense/settings.h"
#include "fl/record.h"
#include "fl/server.h"

namespace redoubt {

/// The variants' evaluations by whom the settings name. Throws InputError if the server is to judge
/// and holds no validation images, or if the clients are to judge a loss.
std::vector<Evaluation> judge(Server& server, const ModelVariants& variants, Judge who,
                              const StopRule& stop);

/// Level 0 is the untreated model. The last level before the first that loses more than the rule
/// allows against level 0; the last of all if none does.
int last_tolerable(const std::vector<Evaluation>& levels, const StopRule& stop);

/// Adds each level's test accuracy and attack success rate, and its judged accuracy, as lists.
void add_curve(Record& record, const std::vector<Evaluation>& judged,
               const std::vector<TestResult>& tested);

/// Adds accuracy, loss and attack_success_rate of one model.
void add_test_result(Record& record, const TestResult& result);

}  // namespace redoubt
