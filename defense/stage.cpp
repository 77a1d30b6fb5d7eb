#include "defense/stage.h"

#include "base/check.h"

namespace redoubt {

void StageConditions::need_judge(const std::string& stage, Judge judge, const StopRule& stop) {
  const bool by_server = validation_samples > 0 && judge != Judge::clients;
  if (judge == Judge::validation && !by_server) {
    throw InputError(stage + ".judge is validation, but data.validation_samples is 0");
  }
  if (stop.loss_rise && !by_server) {
    throw InputError(stage + ".stop.loss_rise needs the server's validation images");
  }
  if (by_server) judged_by_server.push_back(stage);
}

}  // namespace redoubt
