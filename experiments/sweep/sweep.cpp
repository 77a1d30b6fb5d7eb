#include "experiments/sweep/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <set>
#include <thread>

#include "base/atomic_file.h"
#include "base/check.h"
#include "base/parallel.h"
#include "experiments/file/experiment_file.h"
#include "experiments/run/console.h"
#include "experiments/run/folder_lock.h"
#include "experiments/sweep/child_run.h"
#include "experiments/sweep/sweep_plan.h"
#include "experiments/sweep/sweep_points.h"
#include "experiments/sweep/sweep_results.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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

/// By a signal that asks to stop, before or after the point could save.
bool was_stopped(int code) {
  return code == 130 || code == 128 + SIGTERM || code == 128 + SIGINT || code == 128 + SIGHUP;
}

std::string last_line(const fs::path& file) {
  std::string last;
  std::ifstream stream(file);
  for (std::string line; std::getline(stream, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

/// A training that several points share is done once: the first of them to start does it, the
/// others wait for its end and go on from there.
class Sweep {
 public:
  Sweep(const SweepOptions& options, std::vector<SweepPoint> points)
      : options_(options), points_(std::move(points)) {
    const std::vector<Experiment> experiments =
        read_points(options.file, options.overrides, points_);
    Experiment first = experiments.front();
    resolve_surroundings(first);
    folder_ = fs::absolute(first.output.directory / first.name);
    check_axes(folder_, points_);
    check_folders(folder_, points_, experiments);
    trainings_ = number_trainings(experiments);
    threads_ = first.threads.value_or(available_threads());
    const int most = std::min<int>(static_cast<int>(points_.size()),
                                   first.device.starts_with("cuda") ? 1 : threads_);
    jobs_ = options.jobs > 0 ? options.jobs : most;
    terminal_ = isatty(STDOUT_FILENO) == 1 && !options.quiet;
    done_.resize(points_.size());
    for (const SweepPoint& point : points_) waiting_.push_back(is_chosen(point, options.only));
  }

  int run(const std::atomic<bool>& stop) {
    open_folder();
    take_up_finished();
    if (finished_ > 0) write_results();
    while (!(running_.empty() && (left() == 0 || stopping_))) {
      if (!stopping_) start_next();
      draw();
      std::this_thread::sleep_for(kPollInterval);
      if (stop && !stopping_) {
        stopping_ = true;
        for (Job& job : running_) job.child->stop();
      }
      collect();
    }
    clear();
    say(fmt::format("{} of {} points are done, {} failed; {}", finished_ - failed_, points_.size(),
                    failed_, (folder_ / "results.csv").string()));
    if (stopping_) return 130;
    return failed_ == 0 ? 0 : 1;
  }

 private:
  /// What is needed to run the sweep again lies in its folder: the file and what was set beside it.
  void open_folder() {
    std::error_code error;
    fs::create_directories(folder_ / "printed", error);
    if (error) {
      throw InputError(folder_.string() + ": cannot make the folder: " + error.message());
    }
    lock_.emplace(folder_);
    std::ifstream stream(options_.file, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    write_file_atomically(folder_ / "sweep.yaml", text);
    // A sweep without a name is called as its file is, but the copy has another name.
    Json overrides = Json::array();
    if (!load_experiment_file(options_.file)["name"])
      overrides.push_back("name=" + folder_.filename().string());
    for (const std::string& override : options_.overrides) {
      if (!override.starts_with("output.")) overrides.push_back(override);
    }
    write_file_atomically(folder_ / "overrides.json", overrides.dump() + "\n");
  }

  struct Job {
    std::size_t point;
    std::unique_ptr<ChildRun> child;
    Clock::time_point start;
  };

  /// Points that an earlier sweep finished count as they are.
  void take_up_finished() {
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (!fs::exists(folder_of(points_[i]) / "summary.json")) continue;
      add_finished(i);
      waiting_[i] = 0;
      tell(points_[i], *done_[i], 0);
    }
  }
  std::size_t left() const {
    return static_cast<std::size_t>(std::count(waiting_.begin(), waiting_.end(), 1));
  }

  fs::path folder_of(const SweepPoint& point) const { return folder_ / point.name; }
  /// Whether the training is over and others can take it.
  bool is_trained(const SweepPoint& point) const {
    return fs::exists(folder_of(point) / "checkpoint" / "trained.safetensors");
  }
  fs::path printed_of(const SweepPoint& point) const {
    return folder_ / "printed" / (point.name + ".txt");
  }

  /// What a point would do about its training: do it itself, take another's, or wait for that.
  struct Training {
    bool wait = false;
    std::optional<std::size_t> of;  ///< the point to take it from
  };
  Training training_of(std::size_t point) const {
    for (const Job& job : running_) {
      if (trainings_[job.point] != trainings_[point]) continue;
      if (!is_trained(points_[job.point])) return {.wait = true, .of = std::nullopt};
      return {.wait = false, .of = job.point};
    }
    for (std::size_t other = 0; other < points_.size(); ++other) {
      const bool same = trainings_[other] == trainings_[point];
      if (same && done_[other] && !done_[other]->summary.is_null() && is_trained(points_[other])) {
        return {.wait = false, .of = other};
      }
    }
    return {};
  }

  void start_next() {
    if (static_cast<int>(running_.size()) >= jobs_) return;
    std::vector<std::size_t> ready;
    std::set<int> trainings;  // of those that would train: one each
    for (std::size_t point = 0; point < points_.size(); ++point) {
      // A point of a sweep that was killed may still end its round.
      if (waiting_[point] == 0 || FolderLock::is_held(folder_of(points_[point]))) continue;
      const Training training = training_of(point);
      if (training.wait) continue;
      if (training.of || trainings.insert(trainings_[point]).second) ready.push_back(point);
    }
    if (ready.empty() || (!running_.empty() && !memory_for_one_more())) return;
    const int side_by_side = std::min(jobs_, static_cast<int>(running_.size() + ready.size()));
    start(ready.front(), std::max(1, threads_ / side_by_side));
  }

  void start(std::size_t index, int threads) {
    const SweepPoint& point = points_[index];
    std::vector<std::string> arguments = {
        "run", options_.file.string(), "--point", point.name, "--resume", "--quiet"};
    const auto set = [&](const std::string& override) {
      arguments.insert(arguments.end(), {"--set", override});
    };
    for (const std::string& override : options_.overrides) set(override);
    set("threads=" + std::to_string(threads));
    arguments.insert(arguments.end(), {"--output", folder_.string(), "--name", point.name});
    if (const auto source = training_of(index).of) {
      arguments.insert(arguments.end(), {"--training-of", folder_of(points_[*source]).string()});
    }
    running_.push_back({.point = index,
                        .child = std::make_unique<ChildRun>(arguments, printed_of(point)),
                        .start = Clock::now()});
    waiting_[index] = 0;
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
    if (was_stopped(code) && stopping_) return;
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
      const std::string reason = was_stopped(code) ? "it was stopped"
                                 : code == 128 + SIGKILL
                                     ? "it was killed; if memory ran out, fewer --jobs need less"
                                 : code > 128 ? fmt::format("ended by signal {}", code - 128)
                                              : last_line(printed_of(point));
      say(fmt::format("{}  FAILED ({}): {}", point.name, code, reason));
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
    std::string text =
        fmt::format("{} of {} points, {} failed", finished_, points_.size(), failed_);
    if (ran_ > 0) {
      const auto remaining = static_cast<double>(left() + running_.size());
      text += fmt::format(", {} left", clock_text(seconds_ / ran_ * remaining / jobs_));
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
  std::optional<FolderLock> lock_;
  int jobs_ = 1;
  int threads_ = 1;  ///< of all points together
  bool terminal_ = false;
  bool stopping_ = false;
  std::vector<int> trainings_;  ///< [points] points of the same number share their training
  std::vector<char> waiting_;   ///< [points] 1: still to be started
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
  check_only(points, options.only);
  return Sweep(options, std::move(points)).run(stop);
}

int check_sweep_command(const fs::path& file, const std::vector<std::string>& overrides) {
  const std::vector<SweepPoint> points = sweep_points(file);
  read_points(file, overrides, points);
  for (const SweepPoint& point : points) fmt::print("{}\n", point.name);
  return 0;
}

}  // namespace redoubt::experiments
