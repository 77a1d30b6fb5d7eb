// Of the rounds of training, the one with the best validation accuracy may be the one that counts.
#include <gtest/gtest.h>

#include "experiments/file/experiment_file.h"
#include "experiments/simulation/simulation.h"

namespace redoubt::test {
namespace {

class Recorder : public experiments::SimulationObserver {
 public:
  std::vector<Record> records;
  void record(const Record& record, double /*images_per_second*/) override {
    records.push_back(record);
  }
};

/// A learning rate so high that accuracy goes up and down between rounds.
constexpr const char* kExperiment = R"(
name: keep-best
device: cpu
data:
  dataset: synthetic-gray
  train_samples: 600
  validation_samples: 200
  partition: {kind: k-label, labels: 3}
model: {layers: [{conv: {channels: 6, kernel: 5, stride: 2}}, relu, {max_pool: 2}, {dense: 10}]}
federation:
  clients: 4
  local: {epochs: 2, batch: 16, optimizer: {kind: sgd, lr: 0.1, momentum: 0.9}}
)";

struct Outcome {
  std::vector<NamedTensor> model;
  double validation_accuracy = 0;
  std::vector<Record> records;
};

Outcome run(int rounds, const std::string& keep) {
  Recorder observer;
  const auto experiment = experiments::parse_experiment(
      kExperiment, "test",
      {"federation.rounds=" + std::to_string(rounds), "federation.keep=" + keep});
  experiments::Simulation simulation(experiment);
  simulation.run(observer);
  Outcome result = {.model = simulation.model_file().tensors, .records = observer.records};

  // The model's accuracy on the server's images, measured from outside.
  const experiments::ExperimentData& data = simulation.data();
  const ImageStore store(data.dataset, data.normalization, data.triggers, Device());
  Executor executor(simulation.network(), store.source(), Device(), 1, 50);
  std::vector<kernels::Sample> samples;
  for (const int i : data.validation) {
    samples.push_back(
        {.image = i, .label = static_cast<std::int16_t>(data.dataset.train.labels[i])});
  }
  TensorFile file;
  file.tensors = result.model;
  std::vector<float> row(static_cast<std::size_t>(simulation.network().layout().row_size()));
  fill_row(simulation.network().layout(), file, "test", row);
  result.validation_accuracy =
      executor.evaluate({.parameters = {row.data(), 0}}, samples).front().accuracy();
  return result;
}

TEST(KeepBest, LeavesTheModelOfTheRoundWithTheBestValidationAccuracy) {
  // As many rounds as it takes to end on one that is not the best. The first of equals counts: a
  // round has to be better to take the place.
  std::vector<Outcome> after = {run(1, "last")};
  std::size_t best = 0;
  do {
    after.push_back(run(static_cast<int>(after.size()) + 1, "last"));
    if (after.back().validation_accuracy > after[best].validation_accuracy) {
      best = after.size() - 1;
    }
  } while (best == after.size() - 1 && after.size() < 15);
  ASSERT_LT(best, after.size() - 1) << "accuracy never went down";
  const Outcome kept = run(static_cast<int>(after.size()), "best");
  EXPECT_EQ(kept.model, after[best].model);
  EXPECT_NE(kept.model, after.back().model);
  EXPECT_EQ(kept.validation_accuracy, after[best].validation_accuracy);
  const Record& told = kept.records.back();
  EXPECT_EQ(told.stage, "best_round");
  EXPECT_EQ(*told.find("round"), RecordValue(static_cast<std::int64_t>(best + 1)));
  EXPECT_EQ(*told.find("accuracy"), *after[best].records.back().find("accuracy"));
}

}  // namespace
}  // namespace redoubt::test
