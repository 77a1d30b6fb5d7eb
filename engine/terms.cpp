#include "engine/terms.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/rows.h"

namespace redoubt {

void Term::after_backward(const TermStep& /*step*/, const TrainedRows& /*rows*/) const {}
void Term::after_update(const TermStep& /*step*/, const TrainedRows& /*rows*/) const {}

const Terms::List& Terms::list() const {
  static const List none;
  return terms_ ? *terms_ : none;
}

void Terms::after_backward(const TermStep& step, const TrainedRows& rows) const {
  for (const auto& term : list()) term->after_backward(step, rows);
}

void Terms::after_update(const TermStep& step, const TrainedRows& rows) const {
  for (const auto& term : list()) term->after_update(step, rows);
}

bool Terms::operator==(const Terms& other) const {
  return std::equal(list().begin(), list().end(), other.list().begin(), other.list().end(),
                    [](const auto& a, const auto& b) { return a == b || a->equals(*b); });
}

void L2Penalty::after_backward(const TermStep& step, const TrainedRows& rows) const {
  kernels::axpy_rows(step.context, {.rows = step.rows.replicas, .columns = size}, 2 * lambda,
                     rows.values.offset(offset), rows.gradients.offset(offset));
}

void SquaredDistance::after_backward(const TermStep& step, const TrainedRows& rows) const {
  kernels::mix_squared_distance(step.context, step.rows, distance, rows.values, rows.gradients);
}

void CosineDistance::after_backward(const TermStep& step, const TrainedRows& rows) const {
  kernels::mix_cosine_distance(step.context, step.rows, distance, rows.values, rows.gradients);
}

void GradientMask::after_backward(const TermStep& step, const TrainedRows& rows) const {
  kernels::mask_gradients(step.context, step.rows, mask, rows.gradients);
}

void Projection::after_update(const TermStep& step, const TrainedRows& rows) const {
  check(step.steps_before != nullptr, "a projection counts the steps");
  kernels::project_onto_ball(step.context, step.rows, ball, step.steps_before, rows.values);
}

ClipToDeviations::ClipToDeviations(const ParameterLayout& layout, const std::string& layer,
                                   double deviations)
    : delta(deviations) {
  const ChannelSpan& span = layout.conv_channels(layer);
  const ParameterSpan& weight = *layout.find(span.name + ".weight");
  offset = weight.offset;
  mask_offset = span.offset;
  channels = span.channels;
  per_channel = weight.size / span.channels;
}

void ClipToDeviations::after_update(const TermStep& step, const TrainedRows& rows) const {
  kernels::clip_to_deviations(
      step.context, step.rows, {.channels = channels, .per_channel = per_channel}, delta,
      step.masks ? step.masks.offset(mask_offset) : step.masks, rows.values.offset(offset));
}

}  // namespace redoubt
