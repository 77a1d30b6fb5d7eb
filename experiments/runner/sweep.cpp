#include "experiments/runner/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <thread>

#include "engine/atomic_file.h"
#include "experiments/runner/child_run.h"
#include "experiments/runner/commands.h"
#include "experiments/runner/console.h"
#include "experiments/runner/run_folder.h"
#include "experiments/runner/spec.h"
#include "experiments/runner/sweep_points.h"
#include "experiments/runner/sweep_results.h"
#include "kernels/check.h"
#include "kernels/parallel.h"

namespace redoubt::runner {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What is set for all points may not be what tells them apart.
void check_overrides(const std::vector<std::string>& overrides,
                     const std::vector<SweepPoint>& points) {
  for (const std::string& override : overrides) {
    for (const SweepPoint& point : points) {
      for (const std::string& own : point.overrides) {
        if (!contradicts(own, override)) continue;
        throw InputError("--set " + override + ": the sweep sets " + own + " (point " + point.name +
                         ")");
      }
    }
  }
}

/// Every point as an experiment: all of them are checked before the first runs.
std::vector<Experiment> read_points(const fs::path& file, const std::vector<std::string>& overrides,
                                    const std::vector<SweepPoint>& points) {
  check_overrides(overrides, points);
  std::vector<Experiment> experiments;
  for (const SweepPoint& point : points) {
    std::vector<std::string> all = point.overrides;
    all.insert(all.end(), overrides.begin(), overrides.end());
    try {
      experiments.push_back(read_experiment(file, all));
    } catch (const InputError& error) {
      throw InputError(std::string(error.what()) + " (point " + point.name + ")");
    }
  }
  return experiments;
}

/// Lines of metrics.jsonl that are rounds.
int rounds_done(const fs::path& folder) {
  int rounds = 0;
  std::ifstream stream(folder / "metrics.jsonl");
  for (std::string line; std::getline(stream, line);) {
    if (line.find("round\",\"round\":") != std::string::npos) ++rounds;
  }
  return rounds;
}

std::string last_line(const fs::path& file) {
  std::string last;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

class Sweep {
 public:
  Sweep(const SweepOptions& options, std::vector<SweepPoint> points)
      : options_(options), points_(std::move(points)) {
    const std::vector<Experiment> experiments =
        read_points(options.file, options.overrides, points_);
    Experiment first = experiments.front();
    resolve_surroundings(first);
    folder_ = fs::absolute(first.output.directory / first.name);
    const int threads = first.threads.value_or(available_threads());
    const int most = std::min<int>(static_cast<int>(points_.size()),
                                   first.device.starts_with("cuda") ? 1 : threads);
    jobs_ = options.jobs > 0 ? options.jobs : most;
    threads_ = std::max(1, threads / jobs_);
    terminal_ = isatty(STDOUT_FILENO) == 1 && !options.quiet;
    done_.resize(points_.size());
    take_up(experiments);
  }

  int run(const std::atomic<bool>& stop) {
    fs::create_directories(folder_ / "printed");
    if (finished_ > 0) write_results();
    while (!(running_.empty() && (next_ == points_.size() || stopping_))) {
      if (stop && !stopping_) {
        stopping_ = true;
        for (Job& job : running_) job.child->stop();
      }
      if (!stopping_) start_next();
      draw();
      std::this_thread::sleep_for(kPollInterval);
      collect();
    }
    clear();
    say(fmt::format("{} of {} points are done, {} failed; {}", finished_ - failed_, points_.size(),
                    failed_, (folder_ / "results.csv").string()));
    if (stopping_) return 130;
    return failed_ == 0 ? 0 : 1;
  }

 private:
  struct Job {
    std::size_t point;
    std::unique_ptr<ChildRun> child;
    Clock::time_point start;
  };

  fs::path folder_of(const SweepPoint& point) const { return folder_ / point.name; }
  fs::path printed_of(const SweepPoint& point) const {
    return folder_ / "printed" / (point.name + ".txt");
  }

  /// Points that an earlier sweep went through are done. One whose folder holds a run of other
  /// settings ends the sweep before anything is written: its results stay as they are.
  void take_up(const std::vector<Experiment>& experiments) {
    for (std::size_t i = 0; i < points_.size(); ++i) {
      Experiment experiment = experiments[i];
      resolve_surroundings(experiment);
      experiment.output.directory = folder_;
      experiment.name = points_[i].name;
      if (RunFolder(experiment, Existing::resume).finished()) add_finished(i);
    }
  }

  void start_next() {
    for (; next_ < points_.size() && done_[next_]; ++next_) tell(points_[next_], *done_[next_], 0);
    if (next_ == points_.size() || static_cast<int>(running_.size()) >= jobs_) return;
    if (!running_.empty() && !memory_for_one_more()) return;
    const SweepPoint& point = points_[next_];
    std::vector<std::string> arguments = {
        "run", options_.file.string(), "--point", point.name, "--resume", "--quiet"};
    const auto set = [&](const std::string& override) {
      arguments.insert(arguments.end(), {"--set", override});
    };
    for (const std::string& override : options_.overrides) set(override);
    set("threads=" + std::to_string(threads_));
    arguments.insert(arguments.end(), {"--output", folder_.string(), "--name", point.name});
    running_.push_back({.point = next_,
                        .child = std::make_unique<ChildRun>(arguments, printed_of(point)),
                        .start = Clock::now()});
    ++next_;
  }

  bool memory_for_one_more() {
    for (const Job& job : running_) peak_ = std::max(peak_, job.child->peak_megabytes());
    const double free = static_cast<double>(memory_size(Device()).free) / (1 << 20);
    return free > 1.25 * peak_;
  }

  void collect() {
    for (std::size_t i = 0; i < running_.size();) {
      if (!running_[i].child->ended()) {
        ++i;
        continue;
      }
      finish(running_[i]);
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }

  void finish(const Job& job) {
    const SweepPoint& point = points_[job.point];
    const int code = job.child->exit_code();
    if (code == 130 && stopping_) return;
    if (code == 0) {
      add_finished(job.point);
      ++ran_;
      seconds_ += seconds_since(job.start);
    } else {
      done_[job.point] = {.point = &point, .summary = nullptr};
      ++finished_;
      ++failed_;
    }
    tell(point, *done_[job.point], code);
    write_results();
  }

  void add_finished(std::size_t i) {
    std::ifstream stream(folder_of(points_[i]) / "summary.json");
    done_[i] = {.point = &points_[i], .summary = Json::parse(stream)};
    ++finished_;
  }

  void write_results() const {
    std::vector<SweepResult> results;
    for (const auto& done : done_) {
      if (done) results.push_back(*done);
    }
    write_file_atomically(folder_ / "results.csv", results_csv(results));
  }

  void tell(const SweepPoint& point, const SweepResult& result, int code) {
    clear();
    if (code != 0) {
      say(fmt::format("{}  FAILED ({}): {}", point.name, code, last_line(printed_of(point))));
      return;
    }
    const Json& stages = result.summary["stages"];
    const auto percent = [&](const char* key) {
      const Json last = stages.empty() ? Json::object() : stages.back();
      return last.contains(key) && last[key].is_number()
                 ? fmt::format("{:5.1f} %", 100 * last[key].get<double>())
                 : std::string("      -");
    };
    say(fmt::format("{}  accuracy {}  attack success {}  {}", point.name, percent("accuracy"),
                    percent("attack_success_rate"),
                    clock_text(result.summary["seconds"].get<double>())));
  }

  void say(const std::string& text) const {
    if (options_.quiet) return;
    fmt::print("{}\n", text);
    std::fflush(stdout);
  }

  // The block at the bottom of a terminal: what runs, and how long all will take.

  void draw() {
    if (!terminal_ || seconds_since(drawn_) < 0.5) return;
    clear();
    drawn_ = Clock::now();
    const std::size_t left = points_.size() - static_cast<std::size_t>(finished_);
    std::string text =
        fmt::format("{} of {} points, {} failed", finished_, points_.size(), failed_);
    if (ran_ > 0) {
      const double each = seconds_ / ran_;
      text += fmt::format(", {} left", clock_text(each * static_cast<double>(left) / jobs_));
    }
    fmt::print("{}{}\n", text, stopping_ ? ", stopping" : "");
    for (const Job& job : running_) {
      const SweepPoint& point = points_[job.point];
      fmt::print("  {}  round {}  {}\n", point.name, rounds_done(folder_of(point)),
                 clock_text(seconds_since(job.start)));
    }
    std::fflush(stdout);
    drawn_lines_ = 1 + static_cast<int>(running_.size());
  }
  void clear() {
    if (drawn_lines_ > 0) fmt::print("\033[{}A\033[J", drawn_lines_);
    drawn_lines_ = 0;
    drawn_ = {};
  }

  const SweepOptions& options_;
  std::vector<SweepPoint> points_;
  fs::path folder_;
  int jobs_ = 1;
  int threads_ = 1;  ///< of each point
  bool terminal_ = false;
  bool stopping_ = false;
  std::size_t next_ = 0;
  std::vector<Job> running_;
  std::vector<std::optional<SweepResult>> done_;  ///< [points]
  int finished_ = 0;                              ///< failed ones included
  int failed_ = 0;
  int ran_ = 0;         ///< points that were run now, to the end
  double seconds_ = 0;  ///< of these
  double peak_ = 0;     ///< megabytes of the largest point so far
  int drawn_lines_ = 0;
  Clock::time_point drawn_;
};

}  // namespace

int sweep_command(const SweepOptions& options, const std::atomic<bool>& stop) {
  std::vector<SweepPoint> points = sweep_points(options.file);
  if (points.empty()) {
    throw InputError(options.file.string() +
                     ": has no `sweep` block; `redoubt run` runs a single experiment");
  }
  return Sweep(options, std::move(points)).run(stop);
}

int check_sweep_command(const fs::path& file, const std::vector<std::string>& overrides) {
  const std::vector<SweepPoint> points = sweep_points(file);
  read_points(file, overrides, points);
  for (const SweepPoint& point : points) fmt::print("{}\n", point.name);
  return 0;
}

}  // namespace redoubt::runner
