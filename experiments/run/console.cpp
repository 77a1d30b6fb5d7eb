#include "experiments/run/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace redoubt::experiments {

using Json = nlohmann::ordered_json;

namespace {

constexpr int kBarWidth = 24;

double number_of(const Record& record, const std::string& name) {
  const RecordValue* value = record.find(name);
  if (value == nullptr) return NAN;
  if (const auto* whole = std::get_if<std::int64_t>(value)) return static_cast<double>(*whole);
  const auto* real = std::get_if<double>(value);
  return real == nullptr ? NAN : *real;
}

std::string percent(double rate) {
  return std::isnan(rate) ? "-" : fmt::format("{:.1f} %", 100 * rate);
}

double rate_of(const Json& line, const char* name) {
  return line.contains(name) && line[name].is_number() ? line[name].get<double>() : NAN;
}

/// What a stage did, in a few words.
std::string note_of(const Json& line) {
  if (line.contains("pruned_channels")) {
    return fmt::format("{} of {} channels of {} pruned", line["pruned_channels"].get<int>(),
                       line["order"].size(), line["layer"].get<std::string>());
  }
  if (line.contains("zeroed_weights")) {
    const std::string delta = line.contains("delta")
                                  ? fmt::format("beyond {} deviations", line["delta"].get<double>())
                                  : "as the first step already cost too much";
    return fmt::format("{} weights of {} zeroed, {}", line["zeroed_weights"].get<std::int64_t>(),
                       line["layer"].get<std::string>(), delta);
  }
  if (line.contains("highest_input")) {
    if (!line.contains("margin")) return "inputs as before, the first step already cost too much";
    return fmt::format("inputs limited to bytes {} to {}", line["lowest_input"].get<int>(),
                       line["highest_input"].get<int>());
  }
  if (line.contains("rounds")) return fmt::format("{} rounds", line["rounds"].get<int>());
  if (line.contains("validation_accuracy")) {
    return fmt::format("round {}, the best on the server's images", line["round"].get<int>());
  }
  if (line.contains("round")) return fmt::format("{} rounds", line["round"].get<int>());
  return "";
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
  const double round = number_of(record, "round");
  const std::string rates =
      fmt::format("accuracy {:>7}  attack success {:>7}", percent(number_of(record, "accuracy")),
                  percent(number_of(record, "attack_success_rate")));
  if (std::isnan(round)) {
    fmt::print("{:<14}  {}\n", record.stage, rates);
  } else {
    rounds_done_ = static_cast<int>(round);
    const double rejected = number_of(record, "rejected_updates");
    const std::string news =
        record.find("accuracy") == nullptr
            ? fmt::format("not tested  training loss {:.3f}", number_of(record, "training_loss"))
            : fmt::format("{}  loss {:.3f}", rates, number_of(record, "loss"));
    fmt::print("round {:>3} / {:<3} {}{}\n", rounds_done_, total_rounds_, news,
               rejected > 0 ? fmt::format("  {} updates rejected: not finite", rejected) : "");
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

std::vector<Json> stage_lines(const std::vector<Json>& metrics) {
  std::vector<Json> stages;
  const Json* last_round = nullptr;
  for (const Json& line : metrics) {
    const std::string stage = line["stage"].get<std::string>();
    if (stage == "round" || stage == "best_round") last_round = &line;
    if (!stage.ends_with("round")) stages.push_back(line);
  }
  if (last_round != nullptr) stages.insert(stages.begin(), *last_round);
  return stages;
}

std::string stage_table_text(const std::vector<Json>& stages) {
  std::string text =
      fmt::format("{:<16}{:>10}{:>17}   {}\n", "stage", "accuracy", "attack success", "");
  text += std::string(78, '-') + "\n";
  std::string last_pipeline;
  for (const Json& line : stages) {
    std::string name = line["stage"].get<std::string>();
    if (name.ends_with("round")) name = "training";
    if (line.contains("pipeline")) {
      const auto pipeline = line["pipeline"].get<std::string>();
      if (pipeline != last_pipeline) text += pipeline + "\n";
      last_pipeline = pipeline;
      name = "  " + name;
    }
    text += fmt::format("{:<16}{:>10}{:>17}   {}\n", name, percent(rate_of(line, "accuracy")),
                        percent(rate_of(line, "attack_success_rate")), note_of(line));
  }
  return text;
}

}  // namespace redoubt::experiments
