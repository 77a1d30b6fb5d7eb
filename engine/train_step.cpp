#include "engine/train_step.h"

#include "kernels/evasion.h"
#include "kernels/norm.h"
#include "kernels/rows.h"

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

void add_metric(const Pass& pass, std::int64_t size, const TrainedRows& rows,
                const StepSettings& settings) {
  const Evasion& e = settings.evasion;
  if (e.metric == Evasion::Metric::squared_distance) {
    kernels::mix_squared_distance(pass.context, pass.replicas, size, e.rho, e.anchor, rows.values,
                                  rows.gradients, settings.active);
  } else if (e.metric == Evasion::Metric::cosine_distance) {
    kernels::mix_cosine_distance(pass.context, pass.replicas, size, e.rho, e.anchor, e.direction,
                                 e.counted, rows.values, rows.gradients, settings.active);
  }
}

void clip_weights(const Pass& pass, const TrainedRows& rows, const StepSettings& settings) {
  const Evasion& e = settings.evasion;
  if (e.clip_delta == 0) return;
  kernels::clip_to_deviations(
      pass.context, pass.replicas, {.channels = e.clip_channels, .per_channel = e.clip_per_channel},
      e.clip_delta, pass.masks ? pass.masks.offset(e.clip_mask_offset) : pass.masks,
      rows.values.offset(e.clip_offset), settings.active);
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
  kernels::softmax_cross_entropy(
      pass.context, {.replicas = pass.replicas, .classes = network.classes(), .batch = pass.batch},
      workspace.logits(), workspace.labels(), workspace.logit_gradient(), totals);
  network.backward(pass, workspace);
  if (settings.penalty.lambda != 0) {
    const std::int64_t at = settings.penalty.offset;
    kernels::axpy_rows(pass.context, {.rows = pass.replicas, .columns = settings.penalty.size},
                       2 * settings.penalty.lambda, rows.values.offset(at),
                       rows.gradients.offset(at));
  }
  const std::int64_t size = network.layout().row_size();
  add_metric(pass, size, rows, settings);
  for (const ColumnRange& range : network.trained_ranges()) update(pass, range, rows, settings);
  clip_weights(pass, rows, settings);
}

}  // namespace redoubt
