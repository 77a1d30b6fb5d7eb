#include "experiments/file/experiment_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <fstream>
#include <sstream>

#include "base/check.h"
#include "defense/rule.h"
#include "defense/stage.h"
#include "experiments/file/keys.h"
#include "experiments/simulation/checks.h"

namespace redoubt::experiments {

void Description<NormalizationSettings>::shorthand(const YamlValue& value,
                                                   NormalizationSettings& to) {
  const std::string text = read_text(value);
  if (text != "standard" && text != "unit") {
    value.fail("found \"" + text + "\"; it may be standard, unit or a map with mean and std");
  }
  to.kind =
      text == "unit" ? NormalizationSettings::Kind::unit : NormalizationSettings::Kind::standard;
}

void Description<NormalizationSettings>::write(YAML::Emitter& emitter,
                                               const NormalizationSettings& settings) {
  if (settings.kind != NormalizationSettings::Kind::given) {
    emitter << (settings.kind == NormalizationSettings::Kind::unit ? "unit" : "standard");
    return;
  }
  Writer writer(emitter);
  NormalizationSettings copy = settings;
  emitter << YAML::BeginMap;
  visit(writer, copy);
  emitter << YAML::EndMap;
}

void Description<ModelSettings>::shorthand(const YamlValue& value, ModelSettings& to) {
  to.preset = read_word(value, preset_names(), "a model preset");
}

namespace {

template <class Entry>
std::vector<std::string> names_of(std::span<const Entry> table) {
  std::vector<std::string> names;
  for (const Entry& entry : table) names.push_back(entry.name);
  return names;
}

template <class Entry>
std::vector<Alternative> alternatives_of(std::span<const Entry> table) {
  std::vector<Alternative> alternatives;
  for (const Entry& entry : table) alternatives.push_back({entry.name, entry.description});
  return alternatives;
}

/// Turns what the layer table says is wrong into a message with a place.
LayerSpec completed(const YamlValue& value, const LayerSpec& spec) {
  try {
    return complete(spec);
  } catch (const InputError& error) {
    value.fail(error.what());
  }
}

const LayerEntry& layer_entry_at(const YamlValue& value, const std::string& kind) {
  try {
    return layer_entry(kind);
  } catch (const InputError& error) {
    value.fail(error.what());
  }
}

}  // namespace

void Description<LayerSpec>::shorthand(const YamlValue& value, LayerSpec& to) {
  to = completed(value, {.kind = read_text(value), .arguments = {}});
}

void Description<LayerSpec>::write(YAML::Emitter& emitter, const LayerSpec& spec) {
  Writer writer(emitter);
  if (spec.kind == kResidual) {
    emitter << YAML::BeginMap << YAML::Key << spec.kind << YAML::Value << YAML::BeginMap;
    writer.field("body", spec.body, "");
    writer.field("shortcut", spec.shortcut, "");
    emitter << YAML::EndMap << YAML::EndMap;
    return;
  }
  if (spec.arguments.empty() && spec.name.empty()) {
    emitter << spec.kind;
    return;
  }
  emitter << YAML::Flow << YAML::BeginMap << YAML::Key << spec.kind << YAML::Value
          << YAML::BeginMap;
  if (!spec.name.empty()) writer.field("name", spec.name, "");
  for (const auto& [name, value] : spec.arguments) writer.field(name.c_str(), value, "");
  emitter << YAML::EndMap << YAML::EndMap;
}

/// Reads `{kind: number}` or `{kind: {argument: number, ...}}`.
template <>
void read(const YamlValue& value, LayerSpec& to, const Limits& /*limits*/) {
  if (value.node.IsScalar()) {
    Description<LayerSpec>::shorthand(value, to);
    return;
  }
  const auto [kind, arguments] =
      value.only_entry("a layer: its name, or its name over its arguments");
  LayerSpec spec = {.kind = kind, .arguments = {}};
  if (kind == kResidual) {
    Reader reader(arguments);
    reader.field("body", spec.body, "");
    reader.field("shortcut", spec.shortcut, "");
    reader.finish();
    if (spec.body.empty()) arguments.fail("a residual needs a body, a list of layers");
    to = spec;
    return;
  }
  if (arguments.node.IsMap()) {
    const Reader keys(arguments);  // finds keys that are there twice
    for (const auto& pair : arguments.node) {
      const std::string name = pair.first.Scalar();
      if (name == "name") {
        spec.name = read_text(arguments.child(name));
        continue;
      }
      spec.arguments[name] = read_number(arguments.child(name), {}, false);
    }
  } else {
    // `max_pool: 2` gives the first argument.
    const auto& known = layer_entry_at(value, kind).arguments;
    if (known.empty()) arguments.fail("layer " + kind + " has no arguments");
    spec.arguments[known.front().name] = read_number(arguments, {}, false);
  }
  to = completed(value, spec);
}

template <>
void read(const YamlValue& value, AttackerChoice& to, const Limits& /*limits*/) {
  if (value.node.IsSequence()) {
    read(value, to.emplace<std::vector<int>>(), at_least(0));
  } else if (value.node.IsScalar()) {
    read(value, to.emplace<int>(), at_least(0));
  } else {
    value.fail_type("a number of clients or a list of their ids");
  }
}

void Description<AttackerChoice>::write(YAML::Emitter& emitter, const AttackerChoice& choice) {
  std::visit([&](const auto& value) { Writer(emitter).write(value); }, choice);
}

std::vector<std::string> dataset_names() { return names_of(dataset_table()); }
std::vector<std::string> preset_names() { return names_of(preset_table()); }

std::vector<Alternative> AlternativeNames<RuleSettings>::table() {
  return alternatives_of(rule_table());
}

std::vector<Alternative> AlternativeNames<StageSettings>::table() {
  return alternatives_of(stage_table());
}

std::string untargeted_name(const UntargetedSettings& attack) {
  return alternative_names<UntargetedSettings>()[attack.index()];
}

std::string trigger_name(const TriggerSettings& trigger) {
  return alternative_names<TriggerSettings>()[trigger.index()];
}

template <>
void read(const YamlValue& value, std::vector<Pipeline>& to, const Limits& /*limits*/) {
  to.clear();
  if (!value.node.IsMap()) {
    Pipeline only;
    read(value, only.stages, {});
    if (!only.stages.empty()) to.push_back(std::move(only));
    return;
  }
  const Reader keys(value);  // finds keys that are there twice
  for (const auto& pair : value.node) {
    const std::string name = pair.first.Scalar();
    if (name.empty() || name.front() == '.' || name.find('/') != std::string::npos) {
      value.fail("found the pipeline \"" + name + "\"; it must fit as a folder's name");
    }
    read(value.child(name), to.emplace_back(Pipeline{.name = name, .stages = {}}).stages, {});
  }
}

void Description<std::vector<Pipeline>>::write(YAML::Emitter& emitter,
                                               const std::vector<Pipeline>& pipelines) {
  Writer writer(emitter);
  if (pipelines.empty()) {
    writer.write(std::vector<StageSettings>());
    return;
  }
  if (pipelines.front().name.empty()) {
    writer.write(pipelines.front().stages);
    return;
  }
  emitter << YAML::BeginMap;
  for (const Pipeline& pipeline : pipelines) {
    writer.field(pipeline.name.c_str(), pipeline.stages, "");
  }
  emitter << YAML::EndMap;
}

void Description<ModelReplacementSettings>::shorthand(const YamlValue& value,
                                                      ModelReplacementSettings& to) {
  to = {};
  if (value.node.IsScalar() && value.node.Scalar() == "full") {
    to.scale.reset();
  } else if (value.node.IsScalar()) {
    read(value, to.scale.emplace(), above(0));
  } else {
    value.fail_type("full, a number, or {shared: a number}");
  }
}

void Description<ModelReplacementSettings>::write(YAML::Emitter& emitter,
                                                  const ModelReplacementSettings& settings) {
  if (!settings.scale) {
    emitter << "full";
  } else if (settings.shared) {
    emitter << YAML::Flow << YAML::BeginMap << YAML::Key << "shared" << YAML::Value;
    Writer(emitter).write(*settings.scale);
    emitter << YAML::EndMap;
  } else {
    Writer(emitter).write(*settings.scale);
  }
}

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

}  // namespace

namespace {

/// What a distributed trigger's parts are where the file is silent depends on the images.
void settle_parts(Experiment& experiment) {
  if (!experiment.attack) return;
  auto* trigger = std::get_if<DistributedTriggerSettings>(&experiment.attack->trigger);
  if (trigger == nullptr || !trigger->parts.empty()) return;
  trigger->parts = distributed_parts(dataset_entry(experiment.data.dataset.name).shape);
}

}  // namespace

YAML::Node load_experiment_file(const std::filesystem::path& file) {
  return load_document(text_of(file), file.string());
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
  experiment.federation.shuffle = experiment.data.shuffle;
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

std::string resolved_yaml(const Experiment& experiment) {
  YAML::Emitter emitter;
  emitter.SetNullFormat(YAML::LowerNull);
  Writer(emitter).write(experiment);
  return std::string(emitter.c_str()) + "\n";
}

}  // namespace redoubt::experiments
