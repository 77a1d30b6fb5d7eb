// How far a run has come: what a checkpoint holds, from where a run may start, and what may come
// from outside.
#include <algorithm>

#include "tests/experiments/small_simulation.h"

namespace redoubt::experiments {

using test::input_error;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

TEST_F(SmallSimulation, LeavesACheckpointThatAnotherGoesOnFrom) {
  Silent observer;
  Simulation first(experiment());
  ASSERT_TRUE(first.run(observer));
  Simulation second(experiment());
  second.restore(observer.last, "state");
  EXPECT_EQ(second.rounds_done(), 3);
  EXPECT_EQ(second.model_file().tensors, first.model_file().tensors);
  // Those of before models could keep weights at 0, and before they could limit their inputs.
  for (const char* format : {"redoubt-checkpoint-3", "redoubt-checkpoint-2"}) {
    observer.last.metadata["format"] = format;
    second.restore(observer.last, "state");
    EXPECT_EQ(second.model_file().tensors, first.model_file().tensors);
  }
}

/// Stops when so many checkpoints have been told.
class StopsAtACheckpoint : public Silent {
 public:
  StopsAtACheckpoint(int after, std::atomic<bool>& stop) : left_(after), stop_(stop) {}
  void checkpoint(TensorFile state) override {
    if (--left_ < 0) return;
    last = std::move(state);
    if (left_ == 0) stop_ = true;
  }

 private:
  int left_;
  std::atomic<bool>& stop_;
};

/// Stops the experiment after its first checkpoint, its second, ... its sixth, goes on from there
/// to the end, and calls see(what went on, what it told).
template <class See>
void resume_after_each_stop(const Experiment& experiment, const See& see) {
  for (int after = 1; after <= 6; ++after) {
    SCOPED_TRACE(testing::Message() << "stopped after checkpoint " << after);
    std::atomic<bool> stop = false;
    StopsAtACheckpoint observer(after, stop);
    Simulation(experiment).run(observer, stop);
    Silent rest;
    Simulation resumed(experiment);
    resumed.restore(observer.last, "state");
    ASSERT_TRUE(resumed.run(rest));
    see(resumed, rest);
  }
}

/// Of a model whose inputs were limited before it was trained, and again by a stage.
TEST_F(SmallSimulation, GoesOnHearingAsMuchAfterAStop) {
  const Network network = make_network(experiment().model, {1, 28, 28}, 10);
  const GlobalModel start = initial_model(experiment(), network, Device());
  const auto path = folder_.path() / "limited.safetensors";
  write_safetensors(path, {.metadata = {{"lowest_input", "10"}, {"highest_input", "240"}},
                           .tensors = tensors_of(network.layout(), start.row.download())});
  const Experiment limited = experiment(
      {"model.initial=" + path.string(),
       "defense.after_training={a: [{limit_inputs: {margin: 90}}, {fine_tune: {rounds: 2}}],"
       " b: [{limit_inputs: {ends: dark, margin: 30}}]}"});
  Silent whole;
  Simulation first(limited);
  ASSERT_TRUE(first.run(whole));
  EXPECT_EQ(first.model_file().metadata.at("highest_input"), "240") << "the trained model";
  resume_after_each_stop(limited, [&](Simulation& resumed, const Silent& rest) {
    EXPECT_EQ(resumed.model_file().tensors, first.model_file().tensors);
    EXPECT_EQ(resumed.model_file().metadata, first.model_file().metadata);
    ASSERT_FALSE(rest.records.empty());
    const std::size_t done = whole.records.size() - rest.records.size();
    for (std::size_t i = 0; i < rest.records.size(); ++i) {
      EXPECT_EQ(rest.records[i].values, whole.records[done + i].values) << rest.records[i].stage;
    }
    EXPECT_EQ(std::get<std::int64_t>(*rest.records.back().find("lowest_input")), 30);
    EXPECT_EQ(std::get<std::int64_t>(*rest.records.back().find("highest_input")), 240);
  });
}

/// Weights that a stage has zeroed stay so after a stop, in a run that starts from the model's
/// file, and in the next pipeline only if they are its own.
TEST_F(SmallSimulation, KeepsAdjustedWeightsAtZeroAfterAStop) {
  const Experiment adjusted = experiment(
      {"defense.after_training={a: [{adjust_weights: {delta: 1}}, {fine_tune: {rounds: 2}}],"
       " b: [{fine_tune: {rounds: 1}}]}"});
  Silent whole;
  ASSERT_TRUE(Simulation(adjusted).run(whole));
  const std::string list = whole.models.at("a").metadata.at("zeroed.conv1.weight");
  EXPECT_EQ(std::count(list.begin(), list.end(), ',') + 1,
            std::get<std::int64_t>(*whole.records[2].find("zeroed_weights")));
  EXPECT_FALSE(whole.models.at("b").metadata.contains("zeroed.conv1.weight"));
  const auto zeros = [](const TensorFile& model) {
    const std::vector<float>& values = model.find("conv1.weight")->values;
    return std::count(values.begin(), values.end(), 0.0F);
  };
  EXPECT_EQ(zeros(whole.models.at("a")), std::count(list.begin(), list.end(), ',') + 1);
  EXPECT_EQ(zeros(whole.models.at("b")), 0);
  resume_after_each_stop(adjusted, [&](const Simulation& /*resumed*/, const Silent& rest) {
    for (const auto& [name, model] : rest.models) {
      EXPECT_EQ(model.tensors, whole.models.at(name).tensors) << name;
      EXPECT_EQ(model.metadata, whole.models.at(name).metadata) << name;
    }
  });

  const auto path = folder_.path() / "adjusted.safetensors";
  const auto train_on = [&](const TensorFile& model) {
    write_safetensors(path, model);
    Silent observer;
    Simulation further(experiment({"model.initial=" + path.string(), "defense.after_training=[]"}));
    further.run(observer);
    return further.model_file();
  };
  TensorFile model = whole.models.at("a");
  EXPECT_EQ(train_on(model).metadata.at("zeroed.conv1.weight"), list);
  EXPECT_EQ(zeros(train_on(model)), zeros(model));
  model.metadata["zeroed.conv1.weight"] = "0,999";
  EXPECT_THAT(input_error([&] { train_on(model); }), HasSubstr("no such weight"));
}

/// What one of several pipelines cannot do is said, and the others go on.
TEST_F(SmallSimulation, EndsAPipelineThatCannotGoOnAndNoOther) {
  // The first stage takes all channels but one, which only the run can know.
  const std::string too_many =
      "{a: [{prune: {stop: {accuracy_drop: 1}}}, {prune: {channels: 1}},"
      " {fine_tune: {rounds: 1}}], b: [{fine_tune: {rounds: 1}}]}";
  Silent observer;
  Simulation simulation(experiment({"defense.after_training=" + too_many}));
  ASSERT_TRUE(simulation.run(observer));
  ASSERT_EQ(observer.records.size(), 6U);
  EXPECT_EQ(observer.records[3].stage, "failed");
  EXPECT_THAT(observer.records[3].note, StartsWith("prune: prune.channels is 1; of layer conv1 1"));
  EXPECT_FALSE(observer.models.contains("a"));
  Silent alone;
  Simulation(experiment({"defense.after_training={b: [{fine_tune: {rounds: 1}}]}"})).run(alone);
  EXPECT_EQ(observer.models.at("b").tensors, alone.models.at("b").tensors);
  // The only pipeline of a run is the run.
  Simulation only(
      experiment({"defense.after_training=[{prune: {stop: {accuracy_drop: 1}}}, "
                  "{prune: {channels: 1}}]"}));
  EXPECT_THAT(input_error([&] { only.run(alone); }), StartsWith("prune.channels is 1"));
}

TEST_F(SmallSimulation, NumbersTheStepsOfAPipeline) {
  Silent observer;
  Simulation(experiment({"defense.after_training=[{prune: {channels: 1}}, {fine_tune: {rounds: 1}},"
                         " {prune: {channels: 1}}]"}))
      .run(observer);
  std::vector<std::int64_t> steps;
  for (const Record& record : observer.records) {
    if (const RecordValue* step = record.find("step")) {
      steps.push_back(std::get<std::int64_t>(*step));
    }
  }
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2, 3}));
}

TEST_F(SmallSimulation, TestsTheModelWhenAskedWithoutAnEffectOnIt) {
  const auto run = [&](int every, Silent& observer) {
    Simulation simulation(experiment({"federation.rounds=5", "federation.keep=best",
                                      "federation.evaluate_every=" + std::to_string(every)}));
    EXPECT_TRUE(simulation.run(observer));
    return simulation.model_file().tensors;
  };
  Silent always;
  Silent rarely;
  EXPECT_EQ(run(1, always), run(3, rarely));
  ASSERT_EQ(always.records.size(), rarely.records.size());
  for (std::size_t i = 0; i < always.records.size(); ++i) {
    const Record& all = always.records[i];
    const Record& some = rarely.records[i];
    SCOPED_TRACE(all.stage);
    const RecordValue* round = all.find("round");
    const bool tested = !all.stage.ends_with("round") || all.stage == "best_round" ||
                        *round == RecordValue(std::int64_t{3}) ||
                        *round == RecordValue(std::int64_t{5}) ||
                        *round == RecordValue(std::int64_t{6});
    for (const char* key : {"accuracy", "attack_success_rate", "loss"}) {
      ASSERT_NE(all.find(key), nullptr) << key;
      EXPECT_EQ(some.find(key) != nullptr, tested) << key;
      if (!tested) continue;
      EXPECT_EQ(*some.find(key), *all.find(key)) << key;
    }
    if (all.stage != "round") continue;
    EXPECT_EQ(*some.find("training_loss"), *all.find("training_loss"));
  }
}

/// `redoubt defend`: the end of one run's training, under the pipelines of another.
TEST_F(SmallSimulation, StartsFromTheEndOfAnothersTraining) {
  const Experiment one = experiment({"defense.after_training={a: [{prune: {channels: 2}}]}"});
  const Experiment both = experiment(
      {"defense.after_training={a: [{prune: {channels: 2}}], b: [{fine_tune: {rounds: 1}}]}"});
  Silent whole;
  Simulation(both).run(whole);
  Silent trained;
  Simulation(one).run(trained);
  Simulation rest(both);
  rest.start_from(trained.end_of_training, "trained.safetensors");
  Silent observer;
  ASSERT_TRUE(rest.run(observer));
  EXPECT_EQ(observer.models.at("a").tensors, whole.models.at("a").tensors);
  EXPECT_EQ(observer.models.at("b").tensors, whole.models.at("b").tensors);
  EXPECT_EQ(observer.records.front().stage, "prune") << "nothing is trained again";

  // Whatever the state says of pipelines: it is the end of training.
  TensorFile late = trained.end_of_training;
  late.metadata["pipelines_done"] = "1";
  Silent again;
  Simulation from_late(both);
  from_late.start_from(late, "trained.safetensors");
  ASSERT_TRUE(from_late.run(again));
  EXPECT_EQ(again.models.at("b").tensors, whole.models.at("b").tensors);
  EXPECT_THAT(input_error([&] { rest.start_from({}, "trained.safetensors"); }),
              StartsWith("trained.safetensors: not a checkpoint"));
}

/// Says that it weighs all alike, in a diagnostic of any name.
class Tells : public AggregationRule {
 public:
  explicit Tells(std::string name) : name_(std::move(name)) {}
  std::string name() const override { return "tells"; }
  Aggregate aggregate(Context& /*context*/, const UpdateMatrix& updates) override {
    return {.row_weights = std::vector<double>(updates.sample_counts.size(), 1),
            .diagnostics = {{name_, 0.5}}};
  }

 private:
  std::string name_;
};

TEST_F(SmallSimulation, TakesARuleAndADataSetFromOutside) {
  const Experiment settings = experiment();
  Dataset dataset = load_dataset(settings.data.dataset, settings.seed);
  dataset.name = "mine";
  Experiment elsewhere = settings;
  elsewhere.data.dataset.directory = "/nowhere";
  Simulation simulation(elsewhere, {.dataset = dataset, .rule = [](const RuleEnvironment&) {
                                      return std::make_unique<Tells>("trust");
                                    }});
  EXPECT_EQ(simulation.data().dataset.name, "mine");
  Silent observer;
  ASSERT_TRUE(simulation.run(observer));
  EXPECT_EQ(*observer.records.front().find("trust"), RecordValue(0.5));
}

TEST_F(SmallSimulation, LetsAnAttackFromOutsideActBesideWhatTheExperimentSays) {
  /// Notes the rounds in which it edits an update, and all rounds.
  class Notes : public Attack {
   public:
    void edit_update(const ClientRound& round, UpdateRow& /*update*/) override {
      edited.push_back(round.round);
    }
    void after_round(const GlobalStep& step) override { told.push_back(step.round); }
    std::vector<int> edited;
    std::vector<int> told;
  };
  const auto notes = std::make_shared<Notes>();
  Simulation simulation(experiment({"federation.rounds=3", "defense.after_training=[]",
                                    "attack.clients=1", "attack.from_round=2"}),
                        {.attack = notes});
  Silent observer;
  ASSERT_TRUE(simulation.run(observer));
  EXPECT_EQ(notes->edited, (std::vector<int>{2, 3}));
  EXPECT_EQ(notes->told, (std::vector<int>{1, 2, 3}));
  Experiment peaceful = experiment();
  peaceful.attack.reset();
  EXPECT_THAT(input_error([&] { Simulation(peaceful, {.attack = notes}); }),
              HasSubstr("who attacks and when"));
}

TEST_F(SmallSimulation, RefusesARulesDiagnosticThatIsCalledAsItsOwnFigures) {
  for (const char* name : {"accuracy", "loss", "round", "stage", "pipeline", "removed_benign",
                           "attackers", "used_updates", "training_loss", "confidence"}) {
    Simulation simulation(experiment(), {.rule = [&](const RuleEnvironment&) {
                            return std::make_unique<Tells>(name);
                          }});
    Silent observer;
    EXPECT_THAT(input_error([&] { simulation.run(observer); }),
                AllOf(StartsWith("defense.rule tells"),
                      HasSubstr("its diagnostic \"" + std::string(name))));
    EXPECT_THAT(observer.records, IsEmpty());
  }
}

TEST_F(SmallSimulation, RefusesACheckpointThatDoesNotFit) {
  Silent observer;
  Simulation first(experiment());
  ASSERT_TRUE(first.run(observer));
  const auto message = [&](const auto& damage) {
    TensorFile state = observer.last;
    damage(state);
    Simulation other(experiment());
    return input_error([&] { other.restore(state, "state.safetensors"); });
  };
  const auto expected = [](const char* text) {
    return AllOf(StartsWith("state.safetensors: "), HasSubstr(text));
  };
  EXPECT_THAT(message([](TensorFile& s) { s.metadata.erase("format"); }), expected("not a check"));
  EXPECT_THAT(message([](TensorFile& s) { s.metadata["format"] = "pt"; }), expected("not a check"));
  EXPECT_THAT(message([](TensorFile& s) { s.metadata.erase("next_round"); }),
              expected("next_round is not there"));
  for (const char* value : {"", "x", "0", "-1", "5", "2.0"}) {
    EXPECT_THAT(message([&](TensorFile& s) { s.metadata["next_round"] = value; }),
                expected("next_round is \""));
  }
  EXPECT_THAT(message([](TensorFile& s) { s.metadata["stages_done"] = "-1"; }),
              expected("stages_done is \"-1\""));
  EXPECT_THAT(message([](TensorFile& s) { s.metadata["stages_done"] = "2"; }),
              expected("from 0 to 1"));
  EXPECT_THAT(message([](TensorFile& s) { s.tensors.erase(s.tensors.begin() + 1); }),
              expected("tensor mask has no"));
  EXPECT_THAT(message([](TensorFile& s) { s.tensors.front().values.pop_back(); }),
              expected("tensor row has"));
}

}  // namespace redoubt::experiments
