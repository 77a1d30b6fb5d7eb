#include "experiments/file/experiment_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <fstream>
#include <sstream>

#include "base/check.h"
#include "experiments/file/pipelines.h"
#include "experiments/file/reader.h"
#include "experiments/file/writer.h"
#include "experiments/simulation/checks.h"

namespace redoubt::experiments {

namespace {

YAML::Node load_document(const std::string& text, const std::string& origin) {
  YAML::Node root;
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.size() > 1) {
      throw InputError(origin + ": found " + std::to_string(documents.size()) +
                       " YAML documents; an experiment is one");
    }
    if (!documents.empty()) root = documents.front();
  } catch (const YAML::ParserException& error) {
    throw InputError(origin + ":" + std::to_string(error.mark.line + 1) +
                     ": no valid YAML: " + error.msg);
  }
  if (!root.IsMap()) {
    throw InputError(origin + ": found " + describe_node(root) +
                     "; an experiment is a map of keys");
  }
  return root;
}

std::string text_of(const std::filesystem::path& file) {
  std::ifstream stream(file);
  std::ostringstream text;
  if (stream) text << stream.rdbuf();
  if (!stream || std::filesystem::is_directory(file)) {
    throw InputError(file.string() + ": cannot read the experiment file");
  }
  return text.str();
}

/// What a distributed trigger's parts are where the file is silent depends on the images.
void settle_parts(Experiment& experiment) {
  if (!experiment.attack) return;
  auto* trigger = std::get_if<DistributedTriggerSettings>(&experiment.attack->trigger);
  if (trigger == nullptr) return;
  trigger->parts = DistributedTrigger::parts_of(
      *trigger, dataset_entry(experiment.data.dataset.name.name).shape);
}

}  // namespace

YAML::Node load_experiment_file(const std::filesystem::path& file) {
  return load_document(text_of(file), file.string());
}

bool has_name(const std::filesystem::path& file) {
  return load_experiment_file(file)["name"].IsDefined();
}

Experiment parse_experiment(const std::string& text, const std::string& origin,
                            const std::vector<std::string>& overrides) {
  SpecSource source = {.name = origin, .overrides = {}};
  YAML::Node root = load_document(text, origin);
  // What surrounds an experiment: the points around it, and what a paper says of it.
  for (const char* key : {"sweep", "paper"}) root.remove(key);
  for (const std::string& override : overrides) apply_override(root, override, source);

  Experiment experiment;
  experiment.name = std::filesystem::path(origin).stem().string();
  read({root, "", source}, experiment, {});
  try {
    check_experiment(experiment);
  } catch (const InputError& error) {
    throw InputError(origin + ": " + error.what());
  }
  settle_parts(experiment);
  return experiment;
}

Experiment read_experiment(const std::filesystem::path& file,
                           const std::vector<std::string>& overrides) {
  return parse_experiment(text_of(file), file.string(), overrides);
}

namespace {

/// Eight hexadecimal digits. Throws InputError if the file cannot be read.
std::string checksum_of(const std::filesystem::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::vector<char> bytes(std::size_t{1} << 20);
  uLong checksum = crc32(0, nullptr, 0);
  do {
    stream.read(bytes.data(), std::ssize(bytes));
    checksum = crc32(checksum, reinterpret_cast<const Bytef*>(bytes.data()),
                     static_cast<uInt>(stream.gcount()));
  } while (stream);
  if (!stream.eof()) throw InputError(file.string() + ": cannot be read");
  return fmt::format("{:08x}", checksum);
}

/// Notes which file training starts from. One that is not there is missed by who needs it: a run
/// that is finished does not.
void resolve_initial(ModelSettings& model) {
  if (!model.initial || !std::filesystem::exists(*model.initial)) return;
  const std::string checksum = checksum_of(*model.initial);
  if (model.initial_checksum.value_or(checksum) != checksum) {
    throw InputError(fmt::format("model.initial_checksum is {}; that of {} is {} (null: any)",
                                 *model.initial_checksum, model.initial->string(), checksum));
  }
  model.initial_checksum = checksum;
}

}  // namespace

void resolve_surroundings(Experiment& experiment) {
  experiment.device = to_string(parse_device(experiment.device));
  const auto absolute = [](std::optional<std::filesystem::path>& path) {
    if (path) path = std::filesystem::absolute(*path);
  };
  absolute(experiment.model.initial);
  absolute(experiment.data.dataset.directory);
  resolve_initial(experiment.model);
}

std::string resolved_yaml(const Experiment& experiment) { return yaml_text(experiment) + "\n"; }

}  // namespace redoubt::experiments
