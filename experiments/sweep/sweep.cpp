#include "experiments/sweep/sweep.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
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
#include "experiments/file/sweep_points.h"
#include "experiments/run/console.h"
#include "experiments/run/folder_lock.h"
#include "experiments/run/run_files.h"
#include "experiments/simulation/round_kinds.h"
#include "experiments/sweep/child_run.h"
#include "experiments/sweep/sweep_plan.h"
#include "experiments/sweep/sweep_results.h"
#include "fl/metrics.h"

namespace redoubt::experiments {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(50);

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
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
    files_.folder = fs::absolute(first.output.directory / first.name);
    check_axes(files_.folder, points_);
    check_folders(files_.folder, points_, experiments);
    trainings_ = number_trainings(experiments);
    threads_ = first.threads.value_or(available_threads());
    const int most = std::min<int>(static_cast<int>(points_.size()),
                                   first.device.starts_with("cuda") ? 1 : threads_);
    jobs_ = options.jobs > 0 ? options.jobs : most;
    terminal_ = isatty(STDOUT_FILENO) == 1 && !options.quiet;
    done_.resize(points_.size());
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (is_chosen(points_[i], options.only)) waiting_.insert(i);
    }
  }

  int run(const std::atomic<bool>& stop) {
    open_folder();
    take_up_finished();
    if (finished_ > 0) write_results();
    while (!(running_.empty() && (waiting_.empty() || stopping_))) {
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
                    failed_, files_.results().string()));
    if (stopping_) return 130;
    return failed_ == 0 ? 0 : 1;
  }

 private:
  /// What is needed to run the sweep again lies in its folder: the file and what was set beside it.
  void open_folder() {
    std::error_code error;
    fs::create_directories(files_.printed(), error);
    if (error) {
      throw InputError(files_.folder.string() + ": cannot make the folder: " + error.message());
    }
    lock_.emplace(files_.folder);
    std::ifstream stream(options_.file, std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(stream)), {});
    write_file_atomically(files_.file(), text);
    // A sweep without a name is called as its file is, but the copy has another name.
    Json overrides = Json::array();
    if (!has_name(options_.file)) overrides.push_back("name=" + files_.folder.filename().string());
    for (const std::string& override : options_.overrides) {
      if (!override.starts_with("output.")) overrides.push_back(override);
    }
    write_file_atomically(files_.overrides(), overrides.dump() + "\n");
  }

  struct Job {
    std::size_t point;
    std::unique_ptr<ChildRun> child;
    Clock::time_point start;
  };

  /// Points that an earlier sweep finished count as they are.
  void take_up_finished() {
    for (std::size_t i = 0; i < points_.size(); ++i) {
      if (!fs::exists(files_of(points_[i]).summary())) continue;
      add_finished(i);
      waiting_.erase(i);
      tell(*done_[i]);
    }
  }

  RunFiles files_of(const SweepPoint& point) const { return files_.point(point.name); }
  /// Whether the training is over and others can take it.
  bool is_trained(const SweepPoint& point) const { return fs::exists(files_of(point).trained()); }

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
      if (same && done_[other] && done_[other]->summary && is_trained(points_[other])) {
        return {.wait = false, .of = other};
      }
    }
    return {};
  }

  void start_next() {
    if (static_cast<int>(running_.size()) >= jobs_) return;
    std::vector<std::size_t> ready;
    std::set<int> trainings;  // of those that would train: one each
    for (const std::size_t point : waiting_) {
      // A point of a sweep that was killed may still end its round.
      if (FolderLock::is_held(files_of(points_[point]).folder)) continue;
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
    arguments.insert(arguments.end(), {"--output", files_.folder.string(), "--name", point.name});
    if (const auto source = training_of(index).of) {
      arguments.insert(arguments.end(),
                       {"--training-of", files_of(points_[*source]).folder.string()});
    }
    running_.push_back(
        {.point = index,
         .child = std::make_unique<ChildRun>(arguments, files_.printed_by(point.name)),
         .start = Clock::now()});
    waiting_.erase(index);
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
    const int code = job.child->exit_code();
    if (was_stopped(code) && stopping_) return;
    // A run one of whose pipelines ended early has a summary of the others.
    if (code != 0 && !fs::exists(files_of(points_[job.point]).summary())) {
      fail(job.point, code, reason_of(code, points_[job.point]));
    } else {
      try {
        add_finished(job.point);
        ++ran_;
        seconds_ += seconds_since(job.start);
        tell(*done_[job.point]);
      } catch (const InputError& error) {
        fail(job.point, code, error.what());
      }
    }
    write_results();
  }

  std::string reason_of(int code, const SweepPoint& point) const {
    if (was_stopped(code)) return "it was stopped";
    if (code == 128 + SIGKILL) return "it was killed; if memory ran out, fewer --jobs need less";
    if (code > 128) return fmt::format("ended by signal {}", code - 128);
    return last_line(files_.printed_by(point.name));
  }

  void fail(std::size_t point, int code, const std::string& reason) {
    done_[point] = {.point = &points_[point], .summary = {}};
    ++finished_;
    ++failed_;
    clear();
    say(fmt::format("{}  FAILED ({}): {}", points_[point].name, code, reason));
  }

  void add_finished(std::size_t i) {
    done_[i] = {.point = &points_[i], .summary = read_summary(files_of(points_[i]).summary())};
    ++finished_;
    const std::vector<RecordLine>& stages = done_[i]->summary->stages;
    const auto early = std::find_if(stages.begin(), stages.end(),
                                    [](const RecordLine& line) { return line.stage() == kFailed; });
    if (early == stages.end()) return;
    ++failed_;
    clear();
    say(fmt::format("{}  pipeline {} FAILED: {}", points_[i].name, early->pipeline(),
                    early->note()));
  }

  void write_results() const {
    std::vector<SweepResult> results;
    for (const auto& done : done_) {
      if (done) results.push_back(*done);
    }
    write_file_atomically(files_.results(), results_csv(results));
  }

  void tell(const SweepResult& result) {
    clear();
    const std::vector<RecordLine>& stages = result.summary->stages;
    std::string figures;
    for (const Metric& metric : metrics()) {
      if (metric.measured == nullptr || !metric.share) continue;
      const double share = stages.empty() ? NAN : stages.back().metric(metric.name);
      figures += fmt::format("  {} {}", metric.label,
                             std::isnan(share) ? "      -" : fmt::format("{:5.1f} %", 100 * share));
    }
    say(fmt::format("{}{}  {}", result.point->name, figures, clock_text(result.summary->seconds)));
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
      const auto remaining = static_cast<double>(waiting_.size() + running_.size());
      text += fmt::format(", {} left", clock_text(seconds_ / ran_ * remaining / jobs_));
    }
    fmt::print("{}{}\n", text, stopping_ ? ", stopping" : "");
    for (const Job& job : running_) {
      const SweepPoint& point = points_[job.point];
      fmt::print("  {}  round {}  {}\n", point.name, count_rounds(files_of(point).metrics()),
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
  SweepFiles files_;
  std::optional<FolderLock> lock_;
  int jobs_ = 1;
  int threads_ = 1;  ///< of all points together
  bool terminal_ = false;
  bool stopping_ = false;
  std::vector<int> trainings_;     ///< [points] points of the same number share their training
  std::set<std::size_t> waiting_;  ///< points still to be started
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
