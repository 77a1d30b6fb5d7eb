// What a run leaves as JSON, read back: metrics.jsonl and summary.json are refused with a message,
// or told of on the screen and in a table.
#include <cstddef>
#include <cstdint>

#include "experiments/file/experiment_file.h"
#include "experiments/run/console.h"
#include "experiments/run/outcome_warnings.h"
#include "experiments/run/record_line.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace redoubt;
  using namespace redoubt::experiments;
  static const Experiment experiment =
      parse_experiment("{model: wu-fashion, attack: {}}", "fuzz.yaml");
  const fuzz::InputFile input(data, size);
  count_rounds(input.path());
  fuzz::refused_or_done([&] { training_lines(input.path()); });
  fuzz::refused_or_done([&] { stage_table_text(read_summary(input.path()).stages); });
  fuzz::refused_or_done([&] {
    const std::vector<RecordLine> records = read_records(input.path());
    stage_table_text(stage_lines(records));
    outcome_warnings(experiment, records);
  });
  return 0;
}
