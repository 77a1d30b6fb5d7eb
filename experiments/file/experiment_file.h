// An experiment, as one YAML file describes it.
#pragma once

#include <yaml-cpp/yaml.h>

#include <filesystem>
#include <string>
#include <vector>

#include "base/check.h"
#include "experiments/simulation/experiment.h"

namespace redoubt::experiments {

/// Reads and checks an experiment file, with `--set key.path=value` overrides applied in order.
/// Throws InputError with file, line, key, what was found and what is allowed; an unknown key
/// suggests the nearest known one. Settings that contradict one another (a victim equal to the
/// target, more clients a round than there are, a trigger outside the image) are found here, too.
/// The blocks `sweep` and `paper` are passed over: sweep_points.h and paper.h read them.
Experiment read_experiment(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides = {});
/// Whether the file names its experiment, which else is called as the file is. Throws InputError.
bool has_name(const std::filesystem::path& file);
/// The file's top-level map as it stands. Throws InputError if it is none.
YAML::Node load_experiment_file(const std::filesystem::path& file);
/// The same as read_experiment() from text; `origin` stands for the file in messages.
Experiment parse_experiment(const std::string& text, const std::string& origin,
                            const std::vector<std::string>& overrides = {});

/// Throws the error of settings that contradict one another or the images, which starts with a
/// key's path, as read_experiment() would: with the file and the line where the key stands, or the
/// override that set it. An error that starts otherwise stays as it is.
[[noreturn]] void fail_in(const std::filesystem::path& file,
                          const std::vector<std::string>& overrides, const InputError& error);

/// Settles what depends on where the program runs, the device and relative paths, so that the file
/// in the run's folder means the same elsewhere.
void resolve_surroundings(Experiment& experiment);

/// Every setting written out, as YAML that reads back to an equal experiment.
std::string resolved_yaml(const Experiment& experiment);

}  // namespace redoubt::experiments
