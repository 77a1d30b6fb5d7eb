// What a user sees of a run: a line a round, a progress bar on a terminal, a table at the end.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "experiments/run/record_line.h"
#include "fl/record.h"

namespace redoubt::experiments {

class Console {
 public:
  /// `quiet`: nothing but the table. A progress bar is drawn only on a terminal.
  Console(bool quiet, int total_rounds, int rounds_done);

  void message(const std::string& text);
  void record(const Record& record, double images_per_second);

 private:
  void draw_bar(double images_per_second);
  void clear_bar();

  bool quiet_;
  bool terminal_;
  int total_rounds_;
  int first_round_;
  int rounds_done_;
  std::chrono::steady_clock::time_point start_;
};

/// The records that a table shows: the last round of training, then every stage.
std::vector<RecordLine> stage_lines(const std::vector<RecordLine>& metrics);

/// What tables call a record's stage: all ends of training alike.
std::string stage_title(const RecordLine& line);

/// What was measured after each stage, and its note, as text.
std::string stage_table_text(const std::vector<RecordLine>& stages);

/// "3:05" or "1:02:03"
std::string clock_text(double seconds);

/// 60123 -> "60,123"
std::string grouped(std::int64_t number);

}  // namespace redoubt::experiments
