#include "engine/train_step.h"

#include "kernels/norm.h"

namespace redoubt {

namespace {

/// Running statistics lie between the ranges: they are not stepped.
void update(const Pass& pass, const ColumnRange& range, const TrainedRows& all,
            const StepSettings& settings) {
  const auto columns = [&](kernels::Replicas<float> matrix) {
    return matrix ? matrix.offset(range.offset) : matrix;
  };
  take_step(settings.optimizer, {.context = pass.context,
                                 .replicas = pass.replicas,
                                 .size = range.size,
                                 .gradients = columns(all.gradients),
                                 .values = columns(all.values),
                                 .first_state = columns(all.first_state),
                                 .second_state = columns(all.second_state),
                                 .step = settings.step,
                                 .active = settings.active});
}

}  // namespace

void train_step(const Network& network, Workspace& workspace, Pass pass,
                const kernels::ImageSource& source,
                kernels::Replicas<const kernels::Sample> samples, const TrainedRows& rows,
                const StepSettings& settings, kernels::LossTotals* totals) {
  pass.training = true;
  pass.parameters = rows.values;
  pass.gradients = rows.gradients;
  kernels::gather(pass.context, source, pass.replicas, pass.batch, samples, workspace.activation(0),
                  workspace.labels());
  if (network.normalizes()) {
    kernels::count_valid(pass.context, pass.replicas, pass.batch, workspace.labels(),
                         workspace.valid());
    pass.valid = workspace.valid();
    pass.statistics = rows.values;
  }
  network.forward(pass, workspace);
  (*settings.loss)(pass.context,
                   {.replicas = pass.replicas, .classes = network.classes(), .batch = pass.batch},
                   workspace.logits(), workspace.labels(), workspace.logit_gradient(), totals);
  network.backward(pass, workspace);
  const TermStep step = {.context = pass.context,
                         .rows = {.replicas = pass.replicas,
                                  .size = network.layout().row_size(),
                                  .active = settings.active},
                         .masks = pass.masks,
                         .steps_before = settings.step};
  settings.terms.after_backward(step, rows);
  for (const ColumnRange& range : network.trained_ranges()) update(pass, range, rows, settings);
  settings.terms.after_update(step, rows);
}

}  // namespace redoubt
