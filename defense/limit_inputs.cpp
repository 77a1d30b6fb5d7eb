#include "defense/limit_inputs.h"

#include <algorithm>

#include "defense/judge.h"

namespace redoubt {

std::vector<int> margin_levels(const LimitInputsSettings& settings) {
  if (settings.margin) return {*settings.margin};
  std::vector<int> margins;
  for (int margin = settings.from; margin <= settings.to; margin += settings.step) {
    margins.push_back(margin);
  }
  return margins;
}

kernels::ByteRange limited(const kernels::ByteRange& range, LimitInputsSettings::Ends ends,
                           int margin) {
  using Ends = LimitInputsSettings::Ends;
  const int lowest = ends == Ends::bright ? 0 : margin;
  const int highest = ends == Ends::dark ? 255 : 255 - margin;
  // One byte at least is left, also of a range that another program wrote.
  const auto within = [&](int byte) {
    return static_cast<std::uint8_t>(std::clamp<int>(byte, range.lowest, range.highest));
  };
  return {.lowest = within(lowest), .highest = within(highest)};
}

void LimitInputs::check(const LimitInputsSettings& settings, StageConditions& conditions) {
  if (!settings.margin) conditions.need_judge("limit_inputs", settings.judge, settings.stop);
}

std::optional<Record> LimitInputs::run(Server& server, const StageProgress& /*progress*/) const {
  GlobalModel& model = server.model();

  // Level 0 is the model as it comes; level i hears the i-th margin's range.
  const std::vector<int> margins = margin_levels(settings_);
  ModelVariants variants = model.variant();
  variants.count = static_cast<int>(margins.size()) + 1;
  for (const int margin : margins) {
    variants.inputs.push_back(limited(model.inputs, settings_.ends, margin));
  }
  const std::optional<int> given = settings_.margin ? std::optional(1) : std::nullopt;
  const LevelChoice levels = choose_level(server, variants, given, settings_.judge, settings_.stop);
  const int chosen = levels.chosen;
  model.inputs = variants.inputs_of(chosen);

  Record record = {.stage = name(), .values = {}};
  add_test_result(record, levels.result());
  if (chosen > 0) {
    record.add("margin", std::int64_t{margins[chosen - 1]});
  }
  record.add("ends", name_of(settings_.ends));
  record.add("lowest_input", std::int64_t{model.inputs.lowest});
  record.add("highest_input", std::int64_t{model.inputs.highest});
  std::vector<double> numbers = {0};  // bytes nearer than 0 to an end: none
  numbers.insert(numbers.end(), margins.begin(), margins.end());
  add_curve(record, levels, "margin", std::move(numbers));
  record.note = chosen > 0 ? "inputs limited to bytes " + std::to_string(model.inputs.lowest) +
                                 " to " + std::to_string(model.inputs.highest)
                           : "inputs as before, the first step already cost too much";
  return record;
}

}  // namespace redoubt
