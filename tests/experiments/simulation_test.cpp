// What a simulation is made of: who gets which images, who attacks, and what is warned of.
#include <algorithm>
#include <set>

#include "experiments/run/outcome_warnings.h"
#include "experiments/run/run_folder.h"
#include "experiments/simulation/metadata.h"
#include "experiments/simulation/warnings.h"
#include "fl/client_sampling.h"
#include "tests/experiments/small_simulation.h"

namespace redoubt::experiments {

using test::input_error;
using testing::AllOf;
using testing::Contains;
using testing::ContainsRegex;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

TEST_F(SmallSimulation, NeverGivesValidationImagesToAClient) {
  for (const char* kind : {"iid", "{kind: k-label, labels: 3}", "{kind: dirichlet, alpha: 5}"}) {
    const ExperimentData data = load_data(experiment({std::string("data.partition=") + kind}));
    EXPECT_EQ(data.validation.size(), 30U);
    std::set<int> dealt;
    for (const auto& images : data.partition) dealt.insert(images.begin(), images.end());
    for (const int image : data.validation) EXPECT_FALSE(dealt.contains(image)) << kind;
  }
}

TEST_F(SmallSimulation, GivesAttackersTheVictimLabel) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const ExperimentData data = load_data(experiment({"seed=" + std::to_string(seed)}));
    ASSERT_EQ(data.attackers.size(), 2U);
    for (const int attacker : data.attackers) {
      const auto& images = data.partition[attacker];
      EXPECT_TRUE(std::any_of(images.begin(), images.end(),
                              [&](int image) { return data.dataset.train.labels[image] == 9; }));
    }
  }
}

TEST_F(SmallSimulation, GivesThoseWhoFlipALabelSomeOfIt) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const ExperimentData data = load_data(
        experiment({"seed=" + std::to_string(seed),
                    "attack={clients: 2, untargeted: {label-flip: {victim: 4, target: 1}}}"}));
    for (const int attacker : data.attackers) {
      const auto& images = data.partition[attacker];
      EXPECT_TRUE(std::any_of(images.begin(), images.end(),
                              [&](int image) { return data.dataset.train.labels[image] == 4; }));
    }
  }
}

TEST_F(SmallSimulation, RedrawsAttackersAmongThoseWhoHoldTheVictim) {
  const Experiment redrawn = experiment({"attack.redraw=true"});
  const ExperimentData data = load_data(redrawn);
  // Each label is with three of ten clients.
  EXPECT_EQ(data.candidates.size(), 3U);
  for (const int id : data.candidates) {
    const auto& images = data.partition[id];
    EXPECT_TRUE(std::any_of(images.begin(), images.end(),
                            [&](int image) { return data.dataset.train.labels[image] == 9; }));
  }
  for (int round = 1; round <= 10; ++round) {
    const std::vector<int> attackers =
        redraw_attackers(*redrawn.attack, data.candidates,
                         sample_clients(10, {}, redrawn.seed, round), redrawn.seed, round);
    EXPECT_EQ(attackers.size(), 2U);
    EXPECT_TRUE(std::includes(data.candidates.begin(), data.candidates.end(), attackers.begin(),
                              attackers.end()));
  }
  EXPECT_THAT(input_error([&] {
                load_data(experiment({"attack.redraw=true", "attack.clients=4"}));
              }),
              HasSubstr("attack.clients is 4; 3 clients"));
}

TEST_F(SmallSimulation, RefusesAnAttackerWithNothingToPoison) {
  EXPECT_THAT(input_error([&] {
                load_data(experiment({"data.partition={kind: k-label, labels: 1}",
                                      "attack={clients: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9], "
                                      "victim: all, target: 1}"}));
              }),
              HasSubstr("nothing to poison"));
}

TEST_F(SmallSimulation, KeepsAsManyValidationImagesAsToldBesideTheAttackersOwn) {
  const ExperimentData data =
      load_data(experiment({"data.partition=iid", "attack.trigger={kind: targeted, samples: 9}"}));
  EXPECT_EQ(data.validation.size(), 30U);
  std::vector<int> counts(10);
  for (const int image : data.validation) {
    ++counts[data.dataset.train.labels[image]];
    EXPECT_FALSE(
        std::binary_search(data.backdoor->images.begin(), data.backdoor->images.end(), image));
  }
  EXPECT_THAT(counts, testing::Each(3));
}

TEST_F(SmallSimulation, StartsFromTheInitialFile) {
  Experiment from_file = experiment();
  const Network network = make_network(from_file.model, {1, 28, 28}, 10);
  std::vector<float> row(static_cast<std::size_t>(network.layout().row_size()));
  for (const ParameterSpan& span : network.layout().spans()) {
    for (std::int64_t i = 0; i < span.size; ++i) {
      row[span.offset + i] = static_cast<float>(i) / 64;
    }
  }
  const auto path = folder_.path() / "initial.safetensors";
  TensorFile file = {.metadata = {}, .tensors = tensors_of(network.layout(), row)};
  const auto start = [&] {
    write_safetensors(path, file);
    return initial_model(from_file, network, Device());
  };
  from_file.model.initial = path;
  EXPECT_EQ(start().row.download(), row);
  EXPECT_EQ(start().inputs, kernels::ByteRange());
  // A model that hears less of an image goes on hearing less.
  file.metadata = {{"lowest_input", "20"}, {"highest_input", "200"}};
  EXPECT_EQ(start().inputs, (kernels::ByteRange{20, 200}));
  file.metadata["highest_input"] = "19";
  EXPECT_THAT(input_error(start),
              testing::AllOf(testing::HasSubstr("initial.safetensors"),
                             testing::HasSubstr("highest_input is \"19\"; it must be a whole "
                                                "number from 20 to 255")));
  // And what was pruned stays so: else its zeros would count among the weights of its layer.
  const std::string& name = network.layout().channels().front().name;
  file.metadata = {{"pruned." + name, "1,3"}};
  std::vector<float> mask = start().mask.download();
  mask.resize(4);
  EXPECT_EQ(mask, (std::vector<float>{1, 0, 1, 0}));
  for (const auto& [key, channels] :
       {std::pair("pruned." + name, "1,4"), std::pair("pruned." + name, "x"),
        std::pair(std::string("pruned.elsewhere"), "0"),
        std::pair(std::string("pruned.elsewhere"), "")}) {
    file.metadata = {{key, channels}};
    EXPECT_THAT(input_error(start), AllOf(HasSubstr("initial.safetensors"), HasSubstr(key),
                                          HasSubstr("no such channel")));
  }
  file.metadata = {{"pruned." + name, "0,1,2,3"}};
  EXPECT_THAT(input_error(start), HasSubstr("lists all 4 channels"));
}

TEST_F(SmallSimulation, GoesOnPruningWhereAnEarlierRunEnded) {
  const auto path = folder_.path() / "pruned.safetensors";
  Silent first;
  Simulation pruning(experiment({"defense.after_training=[{prune: {channels: 2}}]"}));
  ASSERT_TRUE(pruning.run(first));
  write_safetensors(path, pruning.model_file());
  const std::vector<std::string> stages = {
      "defense.after_training=[{adjust_weights: {delta: 2}}, {prune: {channels: 1}}]"};
  Silent at_once;
  Simulation whole(
      experiment({"defense.after_training=[{prune: {channels: 2}}, {adjust_weights: {delta: 2}}, "
                  "{prune: {channels: 1}}]"}));
  ASSERT_TRUE(whole.run(at_once));
  Silent in_parts;
  Simulation rest(
      experiment({"model.initial=" + path.string(), "federation.rounds=0", stages.front()}));
  ASSERT_TRUE(rest.run(in_parts));
  EXPECT_EQ(rest.model_file().tensors, whole.model_file().tensors);
  // Where no round is trained, the model is tested as it was given.
  EXPECT_EQ(*in_parts.records.front().find("accuracy"), *first.records.back().find("accuracy"));
  EXPECT_EQ(*in_parts.records[1].find("zeroed_weights"),
            *at_once.records[at_once.records.size() - 2].find("zeroed_weights"));
}

TEST_F(SmallSimulation, CountsAttackersWhereTheyTakePart) {
  Silent observer;
  const Experiment sampled =
      experiment({"federation.clients_per_round=3", "federation.rounds=8", "attack.from_round=2",
                  "attack.to_round=6", "defense.rule={norm-check: {times_median: 0.5}}"});
  Simulation simulation(sampled);
  ASSERT_TRUE(simulation.run(observer));
  const std::vector<int>& all = simulation.data().attackers;
  int attacked = 0;
  for (int round = 1; round <= 8; ++round) {
    const Record& record = observer.records[round - 1];
    std::vector<std::int64_t> expected;
    for (const int id : sample_clients(10, 3, sampled.seed, round)) {
      const bool attacks =
          round >= 2 && round <= 6 && std::binary_search(all.begin(), all.end(), id);
      if (attacks) expected.push_back(id);
    }
    EXPECT_EQ(std::get<std::vector<std::int64_t>>(*record.find("attackers")), expected);
    // A rule that found none where there were none has missed nobody.
    EXPECT_EQ(record.find("removed_attackers") != nullptr, !expected.empty());
    attacked += expected.empty() ? 0 : 1;
  }
  EXPECT_EQ(attacked_rounds(sampled, simulation.data()), attacked);
  EXPECT_GT(attacked, 0);
  EXPECT_LT(attacked, 5);
}

TEST_F(SmallSimulation, DoesNotCallAttacksOnAModelThatDivergedAFailure) {
  const auto outcome = [&](const Experiment& own, Silent& observer) {
    Simulation simulation(own);
    EXPECT_TRUE(simulation.run(observer));
    std::vector<RecordLine> lines;
    for (const Record& record : observer.records) lines.emplace_back(record);
    return outcome_warnings(own, lines);
  };
  Silent sound;
  EXPECT_THAT(outcome(experiment(), sound), IsEmpty());
  EXPECT_NE(sound.records.back().find("attack_success_rate"), nullptr);

  Silent diverged;
  EXPECT_THAT(outcome(experiment({"attack.scale=1e30"}), diverged),
              Contains(HasSubstr("the model has diverged: after round 1 its loss is no number")));
  EXPECT_EQ(diverged.records.back().find("attack_success_rate"), nullptr);

  Silent idle;
  EXPECT_THAT(outcome(experiment({"defense.rule={norm-check: {norm: 1e-20}}"}), idle),
              ElementsAre("in 3 of 3 rounds no update was used and the model stayed as it was"));

  Silent early;
  EXPECT_THAT(outcome(experiment({"federation.keep=best", "attack.from_round=3"}), early),
              ElementsAre(HasSubstr("before attack.from_round, 3: nobody had attacked")));
}

TEST_F(SmallSimulation, WarnsOfWhatMayNotBeMeant) {
  const auto warnings = [&](const std::vector<std::string>& overrides) {
    const Experiment own = experiment(overrides);
    std::vector<std::string> all = warnings_of(own, load_data(own));
    // Of so small a data set, each measure is of too few images.
    std::erase_if(all, [](const std::string& text) {
      return text.find("one standard error") != std::string::npos;
    });
    return all;
  };
  const std::string iid = "data.partition=iid";
  const std::string all_classes = "attack.victim=all";
  EXPECT_THAT(warnings({iid, all_classes}), IsEmpty());
  // Of 200 images, 17 are nines, and ten clients share them.
  EXPECT_THAT(
      warnings({iid, "attack.clients=[4]"}),
      ElementsAre(ContainsRegex("attack: client 4 can poison only [1-9] of its 17 images")));
  EXPECT_THAT(warnings({iid, "attack.redraw=true"}),
              ElementsAre(ContainsRegex("of the [0-9]+ clients who may be drawn, [0-9]+ hold")));
  EXPECT_THAT(
      warnings({iid, all_classes, "attack.from_round=3"}),
      ElementsAre("attack.from_round is 3, federation.rounds 2: nobody attacks in training"));
  EXPECT_THAT(warnings({iid, all_classes, "federation.clients_per_round=1", "attack.clients=[4]"}),
              ElementsAre(HasSubstr("no attacker takes part in the rounds from 1 to 2")));
  // Seven clients hold 21 labels, so one of the ten is with three; nobody has more of any other.
  EXPECT_THAT(
      warnings({all_classes, "federation.clients=7"}),
      Contains("data.partition: clients hold 105 of 170 images; for all to hold equally many, "
               "the label that most clients share says how many there are of each"));
}

TEST_F(SmallSimulation, WarnsOfWhatIsMeasuredOnTooFewImages) {
  const auto warnings = [&](const std::vector<std::string>& overrides) {
    const Experiment own = experiment(overrides);
    return warnings_of(own, load_data(own));
  };
  const std::string judged = "defense.after_training=[{prune: {}}]";
  EXPECT_THAT(warnings({}), AllOf(Contains("the test split holds 20 images: a share of so few is "
                                           "off by up to 11.2 % (one standard error)"),
                                  Contains(HasSubstr("its success is measured on 2 images")),
                                  Not(Contains(HasSubstr("validation_samples")))));
  EXPECT_THAT(
      warnings({judged}),
      Contains(HasSubstr("prune: models are judged by data.validation_samples, 30 images")));
  EXPECT_THAT(
      warnings({"federation.keep=best"}),
      Contains(HasSubstr("federation.keep is best, by data.validation_samples, 30 images")));
  EXPECT_THAT(warnings({judged, "data.validation_samples=100"}),
              Not(Contains(HasSubstr("validation_samples"))));
}

TEST_F(SmallSimulation, WarnsOfSettingsThatDoLittle) {
  const auto warnings = [&](const std::vector<std::string>& overrides) {
    const Experiment own = experiment(overrides);
    return warnings_of(own, load_data(own));
  };
  EXPECT_THAT(warnings({"defense.after_training=[{prune: {channels: 0}}]"}),
              Contains(HasSubstr("prune.channels is 0")));
  EXPECT_THAT(warnings({"attack.evade={rho: 0}"}), Contains(HasSubstr("attack.evade.rho is 0")));
  EXPECT_THAT(warnings({"defense.rule={krum: {malicious: 1}}"}),
              Contains(HasSubstr("defense.rule.krum.malicious is 1, and up to 2 of a round's")));
  EXPECT_THAT(warnings({"defense.rule={krum: {malicious: 2}}"}),
              Not(Contains(HasSubstr("malicious"))));
  EXPECT_THAT(warnings({"attack.trigger.value=30"}),
              Not(Contains(HasSubstr("attack.trigger: changes bytes"))));
}

TEST_F(SmallSimulation, RefusesAnAttackThatCannotBeMeasured) {
  const auto error = [&](int test_images, const std::vector<std::string>& overrides) {
    test::write_small_mnist(folder_.path(), 200, test_images);
    return input_error([&] { load_data(experiment(overrides)); });
  };
  // The only nine of ten test images has the byte 27 + 24 * 28 + 24 - 2 * 251 there.
  EXPECT_THAT(error(10, {"attack.trigger.value=221"}),
              StartsWith("attack.trigger changes none of the 1 images that the attack is"));
  const Experiment faint = experiment({"attack.trigger.value=222"});
  EXPECT_THAT(warnings_of(faint, load_data(faint)),
              Contains(HasSubstr("attack.trigger: changes bytes by 1.0 of 255 on average")));
  EXPECT_THAT(error(9, {}), HasSubstr("the test split holds no image of class 9, the victim"));
}

/// Of ten images of a hundred the data set is still what it is normalised by.
TEST_F(SmallSimulation, NormalisesAPartOfTheDataAsTheWhole) {
  const ExperimentData whole = load_data(experiment());
  const Experiment part = experiment({"data.train_samples=100", "data.validation_samples=0"});
  const ExperimentData data = load_data(part);
  EXPECT_EQ(data.normalization, whole.normalization);
  ASSERT_EQ(data.dataset.kept.size(), 100U);
  for (int i = 0; i < 100; ++i) {
    const auto own = data.dataset.image(i);
    const auto same = whole.dataset.image(data.dataset.kept[static_cast<std::size_t>(i)]);
    EXPECT_TRUE(std::equal(own.begin(), own.end(), same.begin(), same.end())) << i;
  }
  Simulation simulation(part);
  const TensorFile model = simulation.model_file();
  EXPECT_EQ(normalization_of(model, "model"), whole.normalization);
  EXPECT_THAT(
      input_error([&] { load_data(experiment({"data.normalized_by={mean: [0.1], std: [0.2]}"})); }),
      StartsWith("data.normalized_by is mean 0.1, deviation 0.2; here it is mean "));

  const auto path = folder_.path() / "model.safetensors";
  write_safetensors(path, model);
  const Experiment same = experiment({"model.initial=" + path.string()});
  EXPECT_THAT(warnings_of(same, load_data(same)), Not(Contains(HasSubstr("model.initial"))));
  const Experiment other = experiment({"model.initial=" + path.string(), "data.normalize=unit"});
  EXPECT_THAT(warnings_of(other, load_data(other)),
              Contains(HasSubstr("was trained on images normalised by mean")));
  TensorFile damaged = model;
  damaged.metadata["normalization.mean"] = "0.1,x";
  EXPECT_THAT(input_error([&] { normalization_of(damaged, "model"); }),
              StartsWith("model: normalization.mean is \"0.1,x\""));
}

}  // namespace redoubt::experiments
