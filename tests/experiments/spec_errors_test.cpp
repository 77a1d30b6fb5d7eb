// Wrong experiment files: one message with file, line and key, what was found and what is allowed.
#include <yaml-cpp/yaml.h>

#include <fstream>

#include "experiments/file/experiment_file.h"
#include "tests/support/expect_message.h"
#include "tests/support/temporary_folder.h"

namespace redoubt::experiments {

using test::input_error;
using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace {

std::string error(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return input_error([&] { parse_experiment(text, "bad.yaml", overrides); });
}

/// The message for one override on a file that is right.
std::string override_error(const std::string& override) {
  return error(
      "model: wu-fashion\n"
      "federation: {local: {optimizer: {kind: sgd}}}\n"
      "data: {partition: {kind: k-label}}\n"
      "attack: {}\n",
      {override});
}

/// The paths of all keys of a resolved experiment, maps of maps included.
void collect_paths(const YAML::Node& node, const std::string& path, std::vector<std::string>& to) {
  if (!node.IsMap()) return;
  for (const auto& pair : node) {
    const std::string key = (path.empty() ? "" : path + ".") + pair.first.Scalar();
    to.push_back(key);
    collect_paths(pair.second, key, to);
  }
}

/// Two files that between them have every key outside of lists.
const std::vector<std::string>& base_files() {
  static const std::vector<std::string> files = {
      "model: wu-fashion\nattack: {}\ndata: {partition: {kind: k-label}}\n",
      "model: {layers: [{conv: {channels: 2, kernel: 3}}, relu, {dense: 10}]}\n"
      "attack: {victim: all, clients: [1]}\n"
      "data: {partition: {kind: dirichlet}, normalize: {mean: [0.5], std: [0.5]}}\n"
      "federation: {clients_per_round: 3, wave: 2, local: {optimizer: {kind: adam}}}\n"};
  return files;
}

template <class Visit>
void for_each_key(const Visit& visit) {
  int keys = 0;
  for (const std::string& file : base_files()) {
    const std::string resolved = resolved_yaml(parse_experiment(file, "base.yaml"));
    std::vector<std::string> paths;
    collect_paths(YAML::Load(resolved), "", paths);
    for (const std::string& path : paths) visit(resolved, path);
    keys += static_cast<int>(paths.size());
  }
  EXPECT_GT(keys, 80);
}

struct Range {
  const char* key;
  std::vector<const char*> allowed;
  std::vector<const char*> refused;
};

}  // namespace

TEST(BadExperiment, EveryKeyRefusesAValueOfAnotherType) {
  for_each_key([](const std::string& file, const std::string& path) {
    // No key takes a list of lists of maps.
    const std::string message = error(file, {path + "=[[{a: 1}]]"});
    EXPECT_THAT(message, StartsWith("--set " + path + "=[[{a: 1}]]: " + path)) << path;
    EXPECT_THAT(message, HasSubstr("must be")) << path;
  });
}

TEST(BadExperiment, EveryMisspeltKeySuggestsTheRightOne) {
  for_each_key([](const std::string& file, const std::string& path) {
    const std::string key = path.substr(path.rfind('.') + 1);
    const std::string message = error(file, {path + "q=1"});
    EXPECT_THAT(message, AllOf(StartsWith("--set " + path + "q=1: " + path + "q: unknown key"),
                               HasSubstr("did you mean \"" + key + "\"?")));
  });
}

TEST(BadExperiment, NumbersHaveRanges) {
  const std::vector<Range> ranges = {
      {"seed", {"0", "9007199254740992"}, {"-1", "1.5", "9007199254740994", "x", "''"}},
      {"threads", {"1", "null", "4096"}, {"0", "4097", "two"}},
      {"data.train_samples", {"1", "null"}, {"0", "-5", "3000000000", "1.5"}},
      {"data.validation_samples", {"0"}, {"-1", "null"}},
      {"data.shuffle", {"true", "false"}, {"yes", "1", "null"}},
      {"data.partition.labels", {"1"}, {"0", "2.5"}},
      {"federation.clients", {"1", "1000000"}, {"0", "1000001", "1e7"}},
      {"federation.clients_per_round", {"1", "10", "all"}, {"0", "11", "some"}},
      {"federation.rounds", {"0", "1000000"}, {"-1", "1000001", "nan", "inf"}},
      {"federation.server_lr", {"0.01", "5"}, {"0", "-1", "1e300", "1e-60"}},
      {"federation.lr_decay", {"1e-3", "1"}, {"0", "-0.1", "1.01"}},
      {"federation.wave", {"1", "null"}, {"0"}},
      {"federation.local.epochs", {"1"}, {"0", "0.5"}},
      {"federation.local.batch", {"1", "65536"}, {"0", "65537"}},
      {"federation.local.last_conv_l2", {"0", "0.1"}, {"-0.1"}},
      {"federation.local.optimizer.lr", {"1e-6"}, {"0", "-0.1", "1e39", "fast"}},
      {"federation.local.optimizer.momentum", {"0", "0.999"}, {"-0.1", "1", "1.5"}},
      {"federation.local.optimizer.weight_decay", {"0"}, {"-1"}},
      {"attack.clients", {"1", "10", "[0, 9]"}, {"-1", "0", "[]", "11", "[10]", "[3, 3]", "1.5"}},
      {"attack.trigger.pixels", {"1", "3", "9"}, {"0", "2", "10"}},
      {"attack.trigger.row", {"0", "27"}, {"-1"}},
      {"attack.trigger.column", {"0", "27"}, {"-1"}},
      {"attack.trigger.value", {"0", "255"}, {"-1", "256"}},
      {"attack.victim", {"0", "8", "all"}, {"-1", "10", "none"}},
      {"attack.target", {"0", "8"}, {"-1", "10", "all"}},
      {"attack.poison.copies", {"1"}, {"0", "-1"}},
      {"attack.scale", {"0.5", "full"}, {"0", "-3", "half"}},
      {"attack.from_round", {"1"}, {"0"}},
      {"attack.to_round", {"1", "null"}, {"0"}},
      {"output.checkpoint_every", {"0"}, {"-1", "x"}},
  };
  for (const auto& [key, allowed, refused] : ranges) {
    const std::string set = std::string(key) + "=";
    for (const char* value : allowed) {
      EXPECT_NO_THROW(parse_experiment("{model: wu-fashion, attack: {}}", "ok.yaml",
                                       {"data.partition.kind=k-label", set + value}))
          << set << value;
    }
    for (const char* value : refused) {
      EXPECT_THAT(override_error(set + value), HasSubstr(key)) << set << value;
    }
  }
}

TEST(BadExperiment, MomentsMustDecay) {
  // With a decay of 1, Adam's bias correction divides by zero.
  for (const char* key : {"beta1", "beta2"}) {
    const std::string path = std::string("federation.local.optimizer.") + key;
    const std::string set = path + "=1";
    EXPECT_THAT(error("{model: wu-fashion, federation: {local: {optimizer: {kind: adam}}}}", {set}),
                StartsWith("--set " + set + ": " + path +
                           ": found \"1\"; it must be a number from 0 to below 1"));
  }
}

TEST(BadExperiment, AnEngineMustBeInTheBuild) {
  const auto read = [] {
    return parse_experiment("{model: wu-fashion}", "bad.yaml", {"conv_engine=cudnn"});
  };
  if (is_built(ConvEngine::cudnn)) {
    EXPECT_EQ(read().arithmetic.conv_engine, ConvEngine::cudnn);
    return;
  }
  EXPECT_THAT(error("{model: wu-fashion}", {"conv_engine=cudnn"}),
              AllOf(StartsWith("--set conv_engine=cudnn: "), HasSubstr("this build has no cuDNN"),
                    HasSubstr("automatic, columns or implicit")));
}

TEST(BadExperiment, ChoicesListWhatIsAllowed) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"precision=fp64", "fp32, tf32 or bf16"},
      {"conv_engine=fft", "automatic, columns, implicit or cudnn"},
      {"device=gpu", "auto, cpu, cuda"},
      {"data.partition.kind=random", "iid, k-label or dirichlet"},
      {"data.normalize=zscore", "standard, unit"},
      {"data.dataset=mnits", "did you mean \"mnist\"?"},
      {"model=wu-mnits", "did you mean \"wu-mnist\"?"},
      {"model.layers=[{convv: 3}]", "did you mean \"conv\"?"},
      {"federation.keep=first", "last or best"},
      {"federation.local.optimizer.kind=rmsprop", "sgd or adam"},
      {"attack.trigger.kind=words", "pixels"},
      {"defense.rule=fedavgg", "did you mean \"fedavg\"?"},
      {"defense.rule={fedavgg: {}}", "did you mean \"fedavg\"?"},
      {"defense.rule={fedavg: {mean: 1}}", "unknown key"},
      {"defense.rule=[fedavg]", "an aggregation rule: its name"},
      {"defense.after_training=[{prun: {}}]", "did you mean \"prune\"?"},
      {"defense.after_training=[{prune: {vote: all}}]", "ranking or majority"},
      {"defense.after_training=[{prune: {judge: me}}]", "automatic, validation or clients"},
      {"defense.after_training=[{prune: {layer: conv9}}]", "conv3"},
  };
  for (const auto& [override, allowed] : cases) {
    const std::string base = std::string(override).starts_with("model.")
                                 ? "data: {dataset: fashion-mnist}"
                                 : "model: wu-fashion\nattack: {}";
    EXPECT_THAT(error(base, {override}), HasSubstr(allowed)) << override;
  }
}

TEST(BadExperiment, NamesFileAndLine) {
  EXPECT_THAT(error("name: a\nmodel: wu-fashion\nfederation:\n  rounds: 3\n  round: 4\n"),
              AllOf(StartsWith("bad.yaml:5: federation.round: unknown key"),
                    HasSubstr("did you mean \"rounds\"?")));
  EXPECT_THAT(error("model: wu-fashion\nfederation:\n  local:\n    batch: many\n"),
              AllOf(StartsWith("bad.yaml:4: federation.local.batch: found \"many\""),
                    HasSubstr("a whole number from 1 to 65536")));
  EXPECT_THAT(error("model: wu-fashion\ndata: [1, 2]\n"),
              StartsWith("bad.yaml:2: data: found a list; it must be a map"));
  EXPECT_THAT(error("model: wu-fashion\n\n\nseed:\n"),
              StartsWith("bad.yaml:4: seed: found nothing"));
}

TEST(BadExperiment, NamesThePlaceOfAnUnknownName) {
  EXPECT_THAT(
      error("model: wu-fashion\ndata:\n  dataset: mnits\n"),
      StartsWith("bad.yaml:3: data.dataset: found \"mnits\", which is not a data set; did you "
                 "mean \"mnist\"?"));
  EXPECT_THAT(error("model: wu-mnits\n"),
              StartsWith("bad.yaml:1: model: found \"wu-mnits\", which is not a model preset"));
  EXPECT_THAT(error("model: {preset: wu-mnits}\n"),
              StartsWith("bad.yaml:1: model.preset: found \"wu-mnits\""));
}

TEST(BadExperiment, NamesItemsOfLists) {
  EXPECT_THAT(error("model:\n  layers:\n    - relu\n    - {conv: {channels: 4}}\n"),
              AllOf(StartsWith("bad.yaml:4: model.layers[1]"),
                    HasSubstr("conv: found no kernel, which has to be given")));
  EXPECT_THAT(error("model:\n  layers:\n    - {conv: {channels: 4, kernel: 3, paddin: 1}}\n"),
              AllOf(StartsWith("bad.yaml:3: model.layers[0]"),
                    HasSubstr("conv.paddin: unknown key; did you mean \"padding\"?")));
  EXPECT_THAT(
      error("model:\n  layers:\n    - {dense: 1.5}\n"),
      AllOf(StartsWith("bad.yaml:3: model.layers[0]"),
            HasSubstr("dense: found \"1.5\"; it must be a whole number from 1 to 1048576")));
  EXPECT_THAT(
      error("model:\n  layers:\n    - {relu: 3}\n"),
      AllOf(StartsWith("bad.yaml:3: model.layers[0].relu"), HasSubstr("it must be a map of keys")));
  const std::string stages = "model: wu-fashion\ndefense:\n  after_training:\n    - prune: {}\n";
  EXPECT_THAT(error(stages + "    - fine_tune: {round: 3}\n"),
              StartsWith("bad.yaml:5: defense.after_training[1].fine_tune.round: unknown key; did "
                         "you mean \"rounds\"?"));
  EXPECT_THAT(error(stages + "    - prunes\n"),
              StartsWith("bad.yaml:5: defense.after_training[1]: found \"prunes\""));
  EXPECT_THAT(error(stages + "    - adjust_weights: {from: 2, to: 3}\n"),
              AllOf(StartsWith("bad.yaml:5: defense.after_training[1].adjust_weights"),
                    HasSubstr("downward")));
  EXPECT_THAT(
      error(stages + "    - limit_inputs: {from: 30, to: 20}\n"),
      AllOf(StartsWith("bad.yaml:5: defense.after_training[1].limit_inputs"), HasSubstr("upward")));
  EXPECT_THAT(error(stages + "    - limit_inputs: {margin: 128}\n"),
              AllOf(StartsWith("bad.yaml:5: defense.after_training[1].limit_inputs.margin"),
                    HasSubstr("127")));
  EXPECT_THAT(error(stages + "    - adjust_weights: {stop: {}}\n"),
              AllOf(StartsWith("bad.yaml:5: defense.after_training[1].adjust_weights.stop"),
                    HasSubstr("at least one")));
}

TEST(BadExperiment, RefusesKeysThatAreThereTwice) {
  EXPECT_THAT(error("model: wu-fashion\nseed: 1\nseed: 2\n"),
              StartsWith("bad.yaml:3: seed: the key is there twice"));
  EXPECT_THAT(error("model: wu-fashion\ndata:\n  shuffle: true\n  shuffle: false\n"),
              StartsWith("bad.yaml:4: data.shuffle: the key is there twice"));
}

TEST(BadExperiment, RefusesWhatIsNoYamlOrNoMap) {
  EXPECT_THAT(error("name: a\nmodel: [wu\n"),
              AllOf(StartsWith("bad.yaml:"), HasSubstr("no valid YAML")));
  EXPECT_THAT(error("name: a\n\tmodel: b\n"),
              AllOf(StartsWith("bad.yaml:2: "), HasSubstr("no valid YAML")));
  EXPECT_THAT(error("a: *nowhere\n"), AllOf(StartsWith("bad.yaml:1: "), HasSubstr("YAML")));
  EXPECT_THAT(error(""), StartsWith("bad.yaml: found nothing"));
  EXPECT_THAT(error("name: a\n---\nname: b\n"),
              StartsWith("bad.yaml: found several YAML documents"));
  EXPECT_THAT(error("- 1\n- 2\n"), StartsWith("bad.yaml: found a list"));
  EXPECT_THAT(error("{[1, 2]: 3}\n"), StartsWith("bad.yaml:1: "));
}

TEST(BadExperiment, RefusesSettingsThatContradictOneAnother) {
  const std::vector<std::pair<std::vector<std::string>, const char*>> cases = {
      {{"attack.victim=1", "attack.target=1"}, "attack.victim and attack.target are both 1"},
      {{"attack.trigger.row=28"}, "attack.trigger: the pixel at row 28"},
      {{"attack.trigger.pixels=3", "attack.trigger.column=0"}, "column -1"},
      {{"attack.from_round=5", "attack.to_round=4"}, "attack.to_round is 4"},
      {{"attack.trigger={kind: semantic, images: [3], test_images: [5]}", "data.train_samples=100"},
       "data.train_samples keeps a part only"},
      {{"federation.clients=4", "federation.clients_per_round=5"},
       "federation.clients_per_round is 5"},
      {{"federation.keep=best", "data.validation_samples=0"}, "data.validation_samples"},
      {{"name=a/b"}, "name is \"a/b\""},
      {{"name=.."}, "name is \"..\""},
      {{"name=" + std::string(201, 'x')}, "fit as a folder's name"},
      {{"model={layers: []}"}, "a preset or layers"},
      {{"model={layers: [relu], preset: wu-mnist}"}, "a preset or layers"},
      {{"model={layers: [{dense: 9}]}"}, "9"},
      {{"model={layers: [{conv: {channels: 2, kernel: 29}}, {dense: 10}]}"}, "29"},
      {{"model={layers: [{dense: 10}]}", "federation.local.last_conv_l2=0.1"},
       "federation.local.last_conv_l2: layer \"last\""},
      {{"defense.after_training=[{prune: {layer: conv9}}]"}, "prune.layer: layer \"conv9\""},
      {{"attack.self_clip={layer: conv9}"}, "attack.self_clip.layer: layer \"conv9\""},
      {{"defense.after_training=[{prune: {judge: validation}}]", "data.validation_samples=0"},
       "data.validation_samples is 0"},
      {{"defense.after_training=[{limit_inputs: {judge: validation}}]",
        "data.validation_samples=0"},
       "data.validation_samples is 0"},
      {{"defense.after_training=[{prune: {judge: clients, stop: {loss_rise: 1}}}]"}, "loss_rise"},
      {{"defense.after_training=[{prune: {channels: 64}}]"}, "prune.channels is 64"},
      {{"defense.after_training=[{prune: {channels: 40}}, {prune: {channels: 24}}]"},
       "prune.channels is 24 after 40 others"},
      {{"attack={untargeted: little-is-enough}"}, "attack.clients 1"},
      {{"federation.clients=10", "attack={untargeted: little-is-enough, clients: 2}"},
       "2 of 10 clients can hide no shift that does harm (z is 0.00)"},
      {{"attack.trigger={kind: distributed}", "attack.clients=3"},
       "distributed in 4 parts, but attack.clients is 3"},
      {{"federation.clients=3",
        "attack={untargeted: {inner-product: {omniscient: true}}, clients: 3}"},
       "nobody honest"},
      {{"federation.rounds=1", "attack.evade={metric: cosine}", "defense.after_training=[]"},
       "attack.evade.metric is cosine, and the attack is over after round 1"},
      {{"attack.to_round=1", "attack.evade={metric: cosine}"}, "the attack is over after round 1"},
      {{"federation.rounds=9", "attack.to_round=9", "attack.protect_channels=true",
        "defense.after_training=[prune]"},
       "lies to prune, which asks after round 9, and attack.to_round is 9"},
      {{"federation.rounds=9", "attack.to_round=10", "attack.protect_channels=true",
        "defense.after_training=[{fine_tune: {rounds: 8}}, prune]"},
       "which asks after round 17, and attack.to_round is 10"},
      {{"model={preset: wu-fashion, initial_checksum: 12345678}"},
       "model.initial_checksum is of no file"},
      {{"defense.rule={ariba: {suspects: 2, export: {round: 31}}}", "federation.rounds=30",
        "defense.after_training=[]"},
       "export.round is 31; there are 30 rounds"},
      {{"defense.rule={ariba: {suspects: 2, export: {round: 1, clients: [3, 77]}}}"},
       "export.clients lists 77"},
      {{"attack.clients=0"}, "attack.clients names nobody"},
      {{"federation.clients_per_round=2", "attack={clients: 3, redraw: true}"},
       "attack.clients is 3, drawn anew of those in a round"},
      {{"federation.rounds=0", "defense.after_training=[prune]"}, "nobody has trained"},
      {{"model={layers: [{dense: 8}, batch_norm, relu, {dense: 10}]}", "federation.local.batch=1"},
       "federation.local.batch is 1, and a batch_norm layer has one value"},
      {{"model={layers: [{dense: 8}, batch_norm, relu, {dense: 10}]}", "attack.local.batch=1"},
       "attack.local.batch is 1, and a batch_norm layer has one value"},
      {{"data.normalize={mean: [127.5], std: [0.3]}"},
       "data.normalize.mean has 127.5; a mean is of byte / 255, so from 0 to 1: of bytes as they "
       "are, 127.5 would be 0.5000"},
      {{"attack.amplify_statistics=true"}, "attack.scale amplifies nothing"},
      {{"attack.amplify_statistics=true", "attack.scale=3"}, "no batch norm"},
      {{"attack={untargeted: {label-flip: {target: 3}}}"}, "found a key that goes with victim"},
  };
  for (const auto& [overrides, expected] : cases) {
    const std::string message = error("{model: wu-fashion, attack: {}}", overrides);
    EXPECT_THAT(message,
                AllOf(AnyOf(StartsWith("bad.yaml: "), StartsWith("--set ")), HasSubstr(expected)));
  }
}

TEST(BadExperiment, RefusesKeysThatAreNoWordsAnywhere) {
  for (const char* text : {"model: toy4\n? [a]\n: 1\n", "model: toy4\ndata:\n  : {kind: iid}\n",
                           "model: toy4\nsweep:\n  ? {a: b}\n  : [1]\n",
                           "model: toy4\ndefense: {after_training: [{[1]: 2}]}\n"}) {
    EXPECT_THAT(error(text), AllOf(StartsWith("bad.yaml:"), HasSubstr("a key must be a word")));
  }
}

/// A few lines of aliases that stand for 10^10 values.
TEST(BadExperiment, IsNotReadForEver) {
  std::string text = "model: toy4\nx-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "x-" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 1; j < 10; ++j) text += ", " + before;
    text += "]\n";
  }
  EXPECT_THAT(error(text), HasSubstr("more than 20000000 values, each alias counted"));
  EXPECT_THAT(error("model: toy4\nx-a: &a {b: [*a]}\n"), HasSubstr("hold themselves by an alias"));
  // In which yaml-cpp finds documents without end.
  EXPECT_THAT(error("# a comment\n!, roe a\n"), StartsWith("bad.yaml:"));
}

TEST(BadExperiment, QuotesWhatItFoundOnOneShortLine) {
  const std::string message = error("model: wu-fashion\nseed: \"one\\ntwo\"\n");
  EXPECT_THAT(message, HasSubstr("bad.yaml:2: seed: found \"one\\ntwo\"; it must be"));
  const std::string large = error("model: wu-fashion\nseed: " + std::string(5000, 'x') + "\n");
  EXPECT_LT(large.size(), 300U);
  EXPECT_THAT(large, HasSubstr("xxx\"...; it must be"));
}

/// YAML's merge key, and keys that are there to be referred to.
TEST(Experiment, MayMergeMaps) {
  const Experiment merged = parse_experiment(
      "x-common: &c {clients: 7, rounds: 3}\n"
      "x-more: &m {rounds: 4, server_lr: 0.5}\n"
      "model: wu-fashion\n"
      "federation:\n"
      "  <<: [*c, *m]\n"
      "  clients: 6\n"
      "  local: {<<: {epochs: 2, batch: 5}, batch: 9}\n",
      "merge.yaml");
  EXPECT_EQ(merged.federation.clients, 6) << "the map's own key";
  EXPECT_EQ(merged.federation.rounds, 3) << "of the first that has it";
  EXPECT_EQ(merged.federation.server_lr, 0.5F);
  EXPECT_EQ(merged.federation.local.epochs, 2);
  EXPECT_EQ(merged.federation.local.batch, 9);
  EXPECT_THAT(error("model: wu-fashion\nfederation: {<<: 3}\n"),
              HasSubstr("bad.yaml:2: federation.<<: found \"3\"; it must be a map"));
  EXPECT_THAT(error("model: wu-fashion\nfederation:\n  <<: {clints: 3}\n"),
              HasSubstr("bad.yaml:3: federation.clints: unknown key; did you mean \"clients\"?"));
}

/// What contradicts another key, or the images, stands somewhere in the file all the same.
TEST(BadExperiment, NamesTheLineOfAContradiction) {
  EXPECT_THAT(error("model: wu-fashion\nattack:\n  victim: 1\n  target: 1\n"),
              StartsWith("bad.yaml:3: attack.victim and attack.target are both 1"));
  EXPECT_THAT(error("model: wu-fashion\nattack:\n  target: 3\n", {"attack.victim=3"}),
              StartsWith("--set attack.victim=3: attack.victim and"));
  const test::TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "own.yaml";
  std::ofstream(file) << "model: wu-fashion\ndata:\n  validation_samples: 100\n";
  const auto told = [&](const char* message, const std::vector<std::string>& overrides = {}) {
    return input_error([&] { fail_in(file, overrides, InputError(message)); });
  };
  EXPECT_EQ(told("data.validation_samples is 100; ..."),
            file.string() + ":3: data.validation_samples is 100; ...");
  EXPECT_EQ(told("data.partition: too few"), file.string() + ":2: data.partition: too few");
  EXPECT_EQ(told("data.partition: too few", {"data.partition=iid"}),
            "--set data.partition=iid: data.partition: too few");
  EXPECT_EQ(told("attack: nothing to poison"), file.string() + ": attack: nothing to poison");
  EXPECT_EQ(told("/data/images: truncated"), "/data/images: truncated");
}

TEST(BadExperiment, RefusesKeysOfABackdoorBesideAnUntargetedAttack) {
  // Also with the value that they have where the file is silent.
  for (const char* key : {"trigger: {kind: pixels}", "victim: 9", "target: 1",
                          "poison: {copies: 1}", "protect_channels: false"}) {
    const std::string name = std::string(key).substr(0, std::string(key).find(':'));
    EXPECT_THAT(
        error("{model: wu-fashion, attack: {untargeted: label-flip, " + std::string(key) + "}}",
              {}),
        HasSubstr("attack." + name + ": contradicts attack.untargeted"));
  }
}

TEST(BadOverride, SaysWhichOneAndWhatItShouldLookLike) {
  const std::string base = "{model: wu-fashion, seed: 3}";
  for (const char* text : {"seed", "=3", "", "federation..rounds=3", ".seed=1", "seed.=1"}) {
    EXPECT_THAT(error(base, {text}),
                AllOf(StartsWith(std::string("--set ") + text + ":"), HasSubstr("key.path=value")));
  }
  EXPECT_THAT(error(base, {"seed.low=3"}),
              AllOf(StartsWith("--set seed.low=3: seed is \"3\""), HasSubstr("no map")));
  EXPECT_THAT(error(base, {"seed=[1"}), StartsWith("--set seed=[1: no YAML value"));
  EXPECT_THAT(error(base, {"federation.rounds=x"}),
              StartsWith("--set federation.rounds=x: federation.rounds: found \"x\""));
}

TEST(BadOverride, BlamesTheLastOneOfAKey) {
  EXPECT_THAT(error("model: wu-fashion", {"seed=3", "seed=x"}), StartsWith("--set seed=x: "));
}

TEST(BadOverride, IsNotBlamedForTheFilesFaults) {
  EXPECT_THAT(error("model: wu-fashion\nfederation: {round: 3}\n", {"federation.rounds=4"}),
              AllOf(StartsWith("bad.yaml:2: federation.round:"), Not(HasSubstr("--set"))));
}

TEST(BadExperiment, HasToNameItsModel) {
  EXPECT_THAT(error("seed: 3\n"), AllOf(StartsWith("bad.yaml:1: "),
                                        HasSubstr("found no model, which has to be given")));
}

TEST(BadExperiment, MustBeAReadableFile) {
  const test::TemporaryFolder folder;
  const auto absent = folder.path() / "absent.yaml";
  for (const auto& path : {absent, folder.path()}) {
    EXPECT_THAT(input_error([&] { read_experiment(path); }),
                AllOf(StartsWith(path.string() + ": "), HasSubstr("cannot read")));
  }
}

}  // namespace redoubt::experiments
