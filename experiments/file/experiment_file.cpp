#include "experiments/file/experiment_file.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/parser.h>
#include <zlib.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "base/check.h"
#include "experiments/file/pipelines.h"
#include "experiments/file/reader.h"
#include "experiments/file/writer.h"
#include "experiments/simulation/checks.h"

namespace redoubt::experiments {

namespace {

/// Hears a document and keeps nothing of it.
struct DeafHandler : YAML::EventHandler {
  using Mark = YAML::Mark;
  void OnDocumentStart(const Mark& /*mark*/) override {}
  void OnDocumentEnd() override {}
  void OnNull(const Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnAlias(const Mark& /*mark*/, YAML::anchor_t /*anchor*/) override {}
  void OnScalar(const Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                const std::string& /*value*/) override {}
  void OnSequenceStart(const Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                       YAML::EmitterStyle::value /*style*/) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const Mark& /*mark*/, const std::string& /*tag*/, YAML::anchor_t /*anchor*/,
                  YAML::EmitterStyle::value /*style*/) override {}
  void OnMapEnd() override {}
};

/// Of a text whose first document is sound. YAML::LoadAll() finds documents without end in some
/// texts of one line.
bool has_several_documents(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DeafHandler deaf;
  return parser.HandleNextDocument(deaf) && parser.HandleNextDocument(deaf);
}

/// Every key is a word, down to the leaves. Counts the values on the way, those of an alias each
/// time that it stands for them: a few lines of aliases of aliases would keep readers busy for
/// ever.
void check_tree(const YAML::Node& node, const std::string& origin, int depth,
                std::int64_t& values) {
  constexpr int kDeepest = 200;
  constexpr std::int64_t kMostValues = 20'000'000;
  if (++values > kMostValues) {
    throw InputError(origin + ": more than " + std::to_string(kMostValues) +
                     " values, each alias counted for what it stands for");
  }
  if (depth > kDeepest) {
    throw InputError(origin + ": values stand more than " + std::to_string(kDeepest) +
                     " deep, or hold themselves by an alias");
  }
  if (node.IsSequence()) {
    for (const auto& item : node) check_tree(item, origin, depth + 1, values);
  } else if (node.IsMap()) {
    for (const auto& pair : node) {
      if (!pair.first.IsScalar()) {
        const int line = std::max(pair.first.Mark().line, node.Mark().line);
        throw InputError(origin + ":" + std::to_string(line + 1) + ": a key must be a word");
      }
      check_tree(pair.second, origin, depth + 1, values);
    }
  }
}

YAML::Node load_document(const std::string& text, const std::string& origin) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
    if (has_several_documents(text)) {
      throw InputError(origin + ": found several YAML documents; an experiment is one");
    }
  } catch (const YAML::ParserException& error) {
    throw InputError(origin + ":" + std::to_string(error.mark.line + 1) +
                     ": no valid YAML: " + error.msg);
  }
  if (!root.IsMap()) {
    throw InputError(origin + ": found " + describe_node(root) +
                     "; an experiment is a map of keys");
  }
  std::int64_t values = 0;
  check_tree(root, origin, 0, values);
  return root;
}

/// Keys that start so hold what other places of the file refer to, and mean nothing themselves.
void remove_definitions(YAML::Node& root) {
  std::vector<std::string> keys;
  for (const auto& pair : root) {
    if (pair.first.IsScalar() && pair.first.Scalar().starts_with("x-")) {
      keys.push_back(pair.first.Scalar());
    }
  }
  for (const std::string& key : keys) root.remove(key);
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

namespace {

/// The key's path that a message starts with: "data.partition" of "data.partition: clients
/// hold...".
std::string leading_path(const std::string& message) {
  std::string path =
      message.substr(0, message.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-."));
  while (!path.empty() && path.back() == '.') path.pop_back();
  return path;
}

/// The line, counted from 0, of the last key of a path that a tree has; -1 if it has none.
int line_of(const YAML::Node& root, const std::string& path) {
  int line = -1;
  YAML::Node node = root;
  std::istringstream keys(path);
  for (std::string key; node.IsMap() && std::getline(keys, key, '.');) {
    YAML::Node next;
    for (const auto& pair : node) {
      if (!pair.first.IsScalar() || pair.first.Scalar() != key) continue;
      line = pair.first.Mark().line;
      next.reset(pair.second);
    }
    node.reset(next);
  }
  return line;
}

/// "file:3: " or "--set key=value: ", whatever gives the key that a message starts with.
std::string place_of(const std::string& message, const YAML::Node& root, const SpecSource& source) {
  const std::string path = leading_path(message);
  for (auto it = source.overrides.rbegin(); it != source.overrides.rend(); ++it) {
    const auto& [set_path, text] = *it;
    if (path == set_path || path.starts_with(set_path + ".")) return "--set " + text + ": ";
  }
  const int line = line_of(root, path);
  return source.name + (line >= 0 ? ":" + std::to_string(line + 1) : "") + ": ";
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
  remove_definitions(root);
  for (const std::string& override : overrides) apply_override(root, override, source);

  Experiment experiment;
  experiment.name = std::filesystem::path(origin).stem().string();
  read({root, "", source}, experiment, {});
  try {
    check_experiment(experiment);
  } catch (const InputError& error) {
    throw InputError(place_of(error.what(), root, source) + error.what());
  }
  settle_parts(experiment);
  return experiment;
}

void fail_in(const std::filesystem::path& file, const std::vector<std::string>& overrides,
             const InputError& error) {
  const std::string message = error.what();
  const std::string path = leading_path(message);
  const std::vector<std::string> blocks = {"data", "model", "federation", "attack", "defense"};
  const bool of_a_key = std::any_of(blocks.begin(), blocks.end(), [&](const std::string& block) {
    return path == block || path.starts_with(block + ".");
  });
  if (!of_a_key) throw InputError(message);
  SpecSource source = {.name = file.string(), .overrides = {}};
  YAML::Node root = load_experiment_file(file);
  for (const std::string& override : overrides) apply_override(root, override, source);
  throw InputError(place_of(message, root, source) + message);
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
