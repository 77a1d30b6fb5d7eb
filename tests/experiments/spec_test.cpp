// Experiment files: every key lands where it should, and the resolved file is the same experiment.
#include "experiments/file/experiment_file.h"

#include "tests/support/expect_message.h"
#include "tests/support/temporary_folder.h"

namespace redoubt::experiments {

namespace {

/// A file in which every key differs from its default.
constexpr const char* kFull = R"(
name: everything
seed: 42
device: cpu
precision: bf16
threads: 3
data:
  dataset: cifar10
  directory: some/where
  train_samples: 4000
  validation_samples: 77
  normalize: {mean: [0.5, 0.4, 0.25], std: [0.2, 0.3, 0.1]}
  shuffle: false
  partition: {kind: dirichlet, alpha: 0.7}
model:
  layers:
    - {conv: {channels: 6, kernel: 3, stride: 2, padding: 1}}
    - relu
    - {max_pool: {window: 3, stride: 2}}
    - conv: {channels: 8, kernel: 2}
    - relu
    - {average_pool: 2}
    - dropout: 0.25
    - {dense: 10}
  initialization: he
  initial: start.safetensors
federation:
  clients: 12
  clients_per_round: 5
  rounds: 17
  server_lr: 0.5
  lr_decay: 0.9
  keep: best
  evaluate_every: 3
  wave: 4
  local:
    epochs: 2
    batch: 48
    optimizer: {kind: adam, lr: 0.002, beta1: 0.8, beta2: 0.99, epsilon: 1.0e-7,
                weight_decay: 0.001}
    last_conv_l2: 0.0625
attack:
  clients: [7, 3]
  trigger: {kind: pixels, pixels: 5, row: 20, column: 11, value: 128}
  victim: 4
  target: 6
  poison: {copies: 3}
  scale: 2.5
  from_round: 2
  to_round: 15
defense:
  rule: fedavg
  after_training:
    - prune: {vote: majority, rate: 0.3, ties: index, layer: conv1, judge: clients,
              stop: {accuracy_drop: 0.04}}
    - prune: {channels: 2}
    - fine_tune: {rounds: 3, lr: 0.004}
    - adjust_weights: {layer: conv2, from: 4, to: 2, step: 0.5, judge: validation,
                       stop: {loss_rise: 0.2}}
    - adjust_weights: {delta: 3}
    - limit_inputs: {ends: dark, from: 5, to: 50, step: 15, judge: clients,
                     stop: {accuracy_drop: 0.03}}
    - limit_inputs: {ends: both, margin: 40}
output: {directory: out/runs, checkpoint_every: 2}
)";

Experiment parse(const std::string& text, const std::vector<std::string>& overrides = {}) {
  return parse_experiment(text, "test.yaml", overrides);
}

void expect_full_data(const DataSettings& data) {
  EXPECT_EQ(data.dataset.name.name, "cifar10");
  EXPECT_EQ(data.dataset.directory, "some/where");
  EXPECT_EQ(data.dataset.train_samples, 4000);
  EXPECT_EQ(data.validation_samples, 77);
  EXPECT_EQ(data.normalize.kind, NormalizationSettings::Kind::given);
  EXPECT_EQ(data.normalize.given.mean, (std::vector<float>{0.5F, 0.4F, 0.25F}));
  EXPECT_EQ(data.normalize.given.deviation, (std::vector<float>{0.2F, 0.3F, 0.1F}));
  EXPECT_FALSE(data.shuffle);
  EXPECT_EQ(data.partition, PartitionSettings(Dirichlet::Settings{.alpha = 0.7}));
}

void expect_full_model(const ModelSettings& model) {
  EXPECT_EQ(model.preset.name, "");
  EXPECT_EQ(model.initialization, Initialization::he);
  EXPECT_EQ(model.initial, "start.safetensors");
  const std::vector<LayerSpec> expected = {
      Conv::Settings{.channels = 6, .kernel = 3, .stride = 2, .padding = 1, .bias = 1},
      Relu::Settings(),
      MaxPool::Settings{.window = 3, .stride = 2},
      Conv::Settings{.channels = 8, .kernel = 2, .stride = 1, .padding = 0, .bias = 1},
      Relu::Settings(),
      AveragePool::Settings{.window = 2, .stride = 0},
      Dropout::Settings{.rate = 0.25},
      Dense::Settings{.units = 10}};
  EXPECT_EQ(model.layers, expected);
}

void expect_full_federation(const FederationSettings& federation) {
  EXPECT_EQ(federation.clients, 12);
  EXPECT_EQ(federation.clients_per_round, 5);
  EXPECT_EQ(federation.rounds, 17);
  EXPECT_EQ(federation.server_lr, 0.5F);
  EXPECT_EQ(federation.lr_decay, 0.9);
  EXPECT_EQ(federation.keep, FederationSettings::Keep::best);
  EXPECT_EQ(federation.evaluate_every, 3);
  EXPECT_EQ(federation.wave, 4);
  const LocalTraining& local = federation.local;
  EXPECT_EQ(local.epochs, 2);
  EXPECT_EQ(local.batch, 48);
  EXPECT_EQ(local.last_conv_l2, 0.0625F);
  EXPECT_EQ(local.optimizer, OptimizerSettings(Adam::Settings{.learning_rate = 0.002F,
                                                              .beta1 = 0.8F,
                                                              .beta2 = 0.99F,
                                                              .epsilon = 1e-7F,
                                                              .weight_decay = 0.001F}));
}

void expect_full_attack(const AttackSettings& attack) {
  EXPECT_EQ(std::get<std::vector<int>>(attack.clients), (std::vector<int>{7, 3}));
  EXPECT_EQ(attack.trigger, TriggerSettings(PixelTriggerSettings{5, 20, 11, 128}));
  EXPECT_EQ(attack.victim, 4);
  EXPECT_EQ(attack.target, 6);
  EXPECT_EQ(attack.poison.copies, 3);
  EXPECT_EQ(attack.of<ModelReplacement>(), ModelReplacementSettings{.scale = 2.5});
  EXPECT_EQ(attack.from_round, 2);
  EXPECT_EQ(attack.to_round, 15);
}

void expect_full_defense(const DefenseSettings& defense) {
  EXPECT_EQ(defense.rule, RuleSettings(FedAvgSettings()));
  PruneSettings by_number;
  by_number.channels = 2;
  AdjustWeightsSettings fixed;
  fixed.delta = 3;
  const std::vector<StageSettings> expected = {
      PruneSettings{.vote = PruneSettings::Vote::majority,
                    .rate = 0.3,
                    .ties = PruneSettings::Ties::index,
                    .layer = "conv1",
                    .judge = Judge::clients,
                    .stop = {.accuracy_drop = 0.04, .loss_rise = {}},
                    .channels = {}},
      by_number,
      FineTuneSettings{.rounds = 3, .learning_rate = 0.004F},
      AdjustWeightsSettings{.layer = "conv2",
                            .delta = {},
                            .from = 4,
                            .to = 2,
                            .step = 0.5,
                            .judge = Judge::validation,
                            .stop = {.accuracy_drop = {}, .loss_rise = 0.2}},
      fixed,
      LimitInputsSettings{.ends = LimitInputsSettings::Ends::dark,
                          .margin = {},
                          .from = 5,
                          .to = 50,
                          .step = 15,
                          .judge = Judge::clients,
                          .stop = {.accuracy_drop = 0.03, .loss_rise = {}}},
      LimitInputsSettings{.ends = LimitInputsSettings::Ends::both, .margin = 40}};
  EXPECT_EQ(defense.pipelines.front().stages, expected);
}

void expect_full(const Experiment& experiment) {
  EXPECT_EQ(experiment.name, "everything");
  EXPECT_EQ(experiment.seed, 42U);
  EXPECT_EQ(experiment.device, "cpu");
  EXPECT_EQ(experiment.arithmetic.precision, Precision::bf16);
  EXPECT_EQ(experiment.threads, 3);
  expect_full_data(experiment.data);
  expect_full_model(experiment.model);
  expect_full_federation(experiment.federation);
  ASSERT_TRUE(experiment.attack.has_value());
  expect_full_attack(*experiment.attack);
  expect_full_defense(experiment.defense);
  EXPECT_EQ(experiment.output.directory, "out/runs");
  EXPECT_EQ(experiment.output.checkpoint_every, 2);
}

/// Files that use the other sides of what kFull chooses.
const std::vector<std::string>& other_files() {
  static const std::vector<std::string> files = {
      "model: wu-mnist",
      "model: {preset: wu-fashion}\ndata: {partition: {kind: k-label, labels: 2}}",
      "model: wu-mnist\ndata: {dataset: mnist, normalize: unit, partition: iid}\nattack: {}",
      "model: wu-mnist\nattack: {clients: 2, victim: all, target: 3, scale: full}",
      "model: wu-cifar\ndata: {dataset: synthetic-color}\nname: 'a: b # c'\noutput: {directory: "
      "'with space'}",
      "model: wu-fashion\nname: '123'\nseed: 9007199254740992\nfederation: {server_lr: 1e-30, "
      "local: {optimizer: {lr: 0.1, momentum: 0.333333333333333}}}",
      "model: wu-fashion\ndefense: {after_training: [prune: {stop: {accuracy_drop: 0.1, "
      "loss_rise: 0.3}}, fine_tune: , adjust_weights: ]}"};
  return files;
}

}  // namespace

TEST(ExperimentFile, PutsEveryKeyInItsPlace) { expect_full(parse(kFull)); }

TEST(ExperimentFile, ResolvedReadsBackToTheSameExperiment) {
  const std::string resolved = resolved_yaml(parse(kFull));
  const Experiment again = parse(resolved);
  expect_full(again);
  EXPECT_EQ(resolved_yaml(again), resolved);
}

TEST(ExperimentFile, ResolvedIsAFixedPointWhateverWasChosen) {
  for (const std::string& text : other_files()) {
    const std::string resolved = resolved_yaml(parse(text));
    EXPECT_EQ(resolved_yaml(parse(resolved)), resolved) << text;
  }
}

TEST(ExperimentFile, ResolvedKeepsNamesThatLookLikeOtherThings) {
  const Experiment odd = parse(resolved_yaml(parse(other_files()[4])));
  EXPECT_EQ(odd.name, "a: b # c");
  EXPECT_EQ(odd.output.directory, "with space");
  const Experiment number = parse(resolved_yaml(parse(other_files()[5])));
  EXPECT_EQ(number.name, "123");
  EXPECT_EQ(number.seed, 9007199254740992U);
  EXPECT_EQ(number.federation.server_lr, 1e-30F);
  EXPECT_EQ(std::get<Sgd::Settings>(number.federation.local.optimizer).momentum,
            0.333333333333333F);
}

TEST(ExperimentFile, HasTheDefaultsOfItsDescription) {
  const Experiment experiment = parse_experiment("model: wu-fashion", "folder/short.yaml");
  EXPECT_EQ(experiment.name, "short");
  EXPECT_EQ(experiment.seed, 1U);
  EXPECT_EQ(experiment.device, "auto");
  EXPECT_EQ(experiment.threads, std::nullopt);
  EXPECT_EQ(experiment.data.dataset.name.name, "fashion-mnist");
  EXPECT_EQ(experiment.data.dataset.directory, std::nullopt);
  EXPECT_EQ(experiment.data.validation_samples, 1000);
  EXPECT_EQ(experiment.data.normalize.kind, NormalizationSettings::Kind::standard);
  EXPECT_TRUE(experiment.data.shuffle);
  EXPECT_EQ(experiment.model.preset.name, "wu-fashion");
  EXPECT_EQ(experiment.federation.clients, 10);
  EXPECT_EQ(experiment.federation.clients_per_round, std::nullopt);
  EXPECT_EQ(experiment.federation.server_lr, 1);
  EXPECT_EQ(experiment.federation.lr_decay, 1);
  EXPECT_FALSE(experiment.attack.has_value());
  EXPECT_EQ(experiment.defense.rule, RuleSettings(FedAvgSettings()));
  EXPECT_TRUE(experiment.defense.pipelines.empty());
  EXPECT_EQ(experiment.output.directory, "runs");
}

TEST(ExperimentFile, ReadsShorthands) {
  const Experiment experiment = parse(
      "model: {layers: [{conv: {channels: 4, kernel: 3}}, relu, {max_pool: 2}, {dense: 10}]}\n"
      "data: {partition: iid, normalize: unit}\n"
      "federation: {clients_per_round: all}\n"
      "attack: {victim: all, target: 0, scale: full}");
  EXPECT_EQ(experiment.data.partition, PartitionSettings(Iid::Settings()));
  EXPECT_EQ(experiment.data.normalize.kind, NormalizationSettings::Kind::unit);
  EXPECT_EQ(experiment.federation.clients_per_round, std::nullopt);
  EXPECT_EQ(experiment.attack->victim, std::nullopt);
  EXPECT_EQ(experiment.attack->of<ModelReplacement>().alpha, ModelReplacementSettings::Alpha::full);
  EXPECT_EQ(experiment.model.layers.size(), 4U);
}

TEST(ExperimentFile, PutsTheTriggerWhereItWorks) {
  const auto trigger = [](const std::string& dataset) {
    const std::string text = "{model: wu-mnist, attack: {}, data: {dataset: " + dataset + "}}";
    return std::get<PixelTriggerSettings>(parse(text).attack->trigger);
  };
  EXPECT_EQ(trigger("mnist").row, 24);
  EXPECT_EQ(trigger("mnist").column, 24);
  EXPECT_EQ(trigger("fashion-mnist").row, 2);
}

TEST(Overrides, AreAppliedInOrder) {
  const Experiment experiment =
      parse(kFull, {"federation.rounds=5", "seed=7", "federation.rounds=6", "data.partition=iid",
                    "attack.trigger.row=9", "attack.clients=4", "data.directory=null",
                    "defense.after_training=[{fine_tune: {rounds: 1}}]", "name=x=y"});
  EXPECT_EQ(experiment.federation.rounds, 6);
  EXPECT_EQ(experiment.seed, 7U);
  EXPECT_EQ(experiment.data.partition, PartitionSettings(Iid::Settings()));
  EXPECT_EQ(std::get<PixelTriggerSettings>(experiment.attack->trigger).row, 9);
  EXPECT_EQ(std::get<PixelTriggerSettings>(experiment.attack->trigger).column, 11)
      << "its neighbours stay";
  EXPECT_EQ(std::get<int>(experiment.attack->clients), 4);
  EXPECT_EQ(experiment.data.dataset.directory, std::nullopt);
  EXPECT_EQ(experiment.defense.pipelines.front().stages.size(), 1U);
  EXPECT_EQ(experiment.name, "x=y");
}

TEST(Overrides, MakeThePartsThatAreMissing) {
  const Experiment experiment =
      parse("model: wu-fashion", {"attack.trigger.pixels=3", "federation.local.batch=8"});
  EXPECT_EQ(std::get<PixelTriggerSettings>(experiment.attack->trigger).pixels, 3);
  EXPECT_EQ(experiment.federation.local.batch, 8);
  EXPECT_FALSE(parse(kFull, {"attack=null"}).attack.has_value());
}

TEST(Overrides, LeaveAnAnchorsOtherUsesAlone) {
  // Merely aliased maps share one node in the tree.
  const Experiment experiment = parse(
      "model: wu-fashion\n"
      "defense:\n"
      "  after_training:\n"
      "    - prune: {stop: &stop {accuracy_drop: 0.05}}\n"
      "    - adjust_weights: {stop: *stop}\n",
      {"seed=3"});
  EXPECT_EQ(std::get<AdjustWeightsSettings>(experiment.defense.pipelines.front().stages[1]).stop,
            (StopRule{.accuracy_drop = 0.05, .loss_rise = {}}));
}

TEST(ExperimentFile, OfTheProjectAreInOrder) {
  const std::filesystem::path folder = std::filesystem::path(REDOUBT_SOURCE_FOLDER) / "experiments";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_NO_THROW(read_experiment(entry.path())) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0);
}

}  // namespace redoubt::experiments
