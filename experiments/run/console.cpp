#include "experiments/run/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "experiments/simulation/round_kinds.h"
#include "fl/metrics.h"

namespace redoubt::experiments {

namespace {

constexpr int kBarWidth = 24;

std::string percent(double rate) {
  return std::isnan(rate) ? "-" : fmt::format("{:.1f} %", 100 * rate);
}

/// Calls see(metric) for what each test measures, shares first.
template <class See>
void for_each_measured(const See& see) {
  for (const bool share : {true, false}) {
    for (const Metric& metric : metrics()) {
      if (metric.measured != nullptr && metric.share == share) see(metric);
    }
  }
}

bool has(const RecordLine& line, const Metric& metric) {
  return !std::isnan(line.metric(metric.name)) || line.is_null(metric.name);
}

/// "accuracy  97.1 %  attack success   0.4 %", of a round with the loss, too.
std::string figures_text(const RecordLine& line) {
  std::string text;
  for_each_measured([&](const Metric& metric) {
    if (!has(line, metric) || (!metric.share && !line.round())) return;
    const double value = line.metric(metric.name);
    text += fmt::format(
        "{}{} {}", text.empty() ? "" : "  ", metric.label,
        metric.share ? fmt::format("{:>7}", percent(value)) : fmt::format("{:.3f}", value));
  });
  return text;
}

std::string collapse_text(const RecordLine& line) {
  const auto label = line.count(kCollapsedClass);
  return label ? fmt::format("  calls nearly all images class {}", *label) : "";
}

/// What a stage did, or how long training was, in a few words.
std::string note_of(const RecordLine& line) {
  return line.stage() == kRound ? fmt::format("{} rounds", *line.round()) : line.note();
}

}  // namespace

std::string clock_text(double seconds) {
  const auto whole = static_cast<long long>(std::llround(std::max(0.0, seconds)));
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  }
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::string grouped(std::int64_t number) {
  std::string text = std::to_string(number);
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > (number < 0 ? 1 : 0); at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

Console::Console(bool quiet, int total_rounds, int rounds_done)
    : quiet_(quiet),
      terminal_(isatty(STDOUT_FILENO) == 1),
      total_rounds_(total_rounds),
      first_round_(rounds_done),
      rounds_done_(rounds_done),
      start_(std::chrono::steady_clock::now()) {}

void Console::clear_bar() {
  if (terminal_ && !quiet_) fmt::print("\r\033[K");
}

void Console::message(const std::string& text) {
  if (quiet_) return;
  clear_bar();
  fmt::print("{}\n", text);
  std::fflush(stdout);
}

void Console::record(const Record& record, double images_per_second) {
  if (quiet_) return;
  clear_bar();
  const RecordLine line(record);
  if (!line.round()) {
    fmt::print("{:<14}  {}{}\n", line.stage(), figures_text(line), collapse_text(line));
  } else {
    rounds_done_ = *line.round();
    const double rejected = line.metric("rejected_updates");
    fmt::print("round {:>3} / {:<3} {}{}\n", rounds_done_, total_rounds_,
               has(line, *find_metric("accuracy"))
                   ? figures_text(line)
                   : fmt::format("not tested  training loss {:.3f}", line.metric("training_loss")),
               (rejected > 0 ? fmt::format("  {} updates rejected: not finite", rejected) : "") +
                   collapse_text(line));
    draw_bar(images_per_second);
  }
  std::fflush(stdout);
}

void Console::draw_bar(double images_per_second) {
  if (!terminal_ || rounds_done_ <= first_round_ || rounds_done_ >= total_rounds_) return;
  const int filled = kBarWidth * rounds_done_ / total_rounds_;
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start_;
  const double left =
      seconds.count() / (rounds_done_ - first_round_) * (total_rounds_ - rounds_done_);
  fmt::print("[{}{}] {} images/s, {} left", std::string(static_cast<std::size_t>(filled), '='),
             std::string(static_cast<std::size_t>(kBarWidth - filled), ' '),
             grouped(std::llround(images_per_second)), clock_text(left));
}

std::vector<RecordLine> stage_lines(const std::vector<RecordLine>& metrics) {
  std::vector<RecordLine> stages;
  const RecordLine* last_of_training = nullptr;
  for (const RecordLine& line : metrics) {
    if (is_of_training(line.stage())) last_of_training = &line;
    if (!is_round(line.stage())) stages.push_back(line);
  }
  if (last_of_training != nullptr) stages.insert(stages.begin(), *last_of_training);
  return stages;
}

std::string stage_title(const RecordLine& line) {
  return is_of_training(line.stage()) ? kTraining : line.stage();
}

std::string stage_table_text(const std::vector<RecordLine>& stages) {
  std::vector<const Metric*> columns;
  for_each_measured([&](const Metric& metric) {
    const bool known = std::any_of(stages.begin(), stages.end(),
                                   [&](const RecordLine& line) { return has(line, metric); });
    if (metric.share && known) columns.push_back(&metric);
  });
  const auto row = [&](const std::string& name, const auto& cell, const std::string& note) {
    std::string text = fmt::format("{:<16}", name);
    for (const Metric* metric : columns) {
      const std::size_t gap = metric == columns.front() ? 2 : 3;
      text += fmt::format("{:>{}}", cell(*metric), metric->label.size() + gap);
    }
    return text + (note.empty() ? "" : "   " + note) + "\n";
  };
  std::string text = row(
      "stage", [](const Metric& metric) { return metric.label; }, "");
  text += std::string(78, '-') + "\n";
  std::string last_pipeline;
  for (const RecordLine& line : stages) {
    std::string name = stage_title(line);
    const std::string pipeline = line.pipeline();
    if (!pipeline.empty()) {
      if (pipeline != last_pipeline) text += pipeline + "\n";
      last_pipeline = pipeline;
      name = "  " + name;
    }
    text += row(
        name, [&](const Metric& metric) { return percent(line.metric(metric.name)); },
        note_of(line));
  }
  const auto images = stages.empty() ? std::nullopt : stages.front().count(kAttackImages);
  if (!images) return text;
  const bool beside = std::any_of(stages.begin(), stages.end(), [](const RecordLine& line) {
    return has(line, *find_metric("attack_success_baseline"));
  });
  text += fmt::format("attack success {} of {} images\n", beside ? "and its baseline are" : "is",
                      grouped(*images));
  return text;
}

}  // namespace redoubt::experiments
