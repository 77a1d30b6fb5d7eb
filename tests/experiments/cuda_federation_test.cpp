// A whole experiment on a GPU: rounds under attack and every post-training stage.
#include <gtest/gtest.h>

#include <cmath>

#include "experiments/file/experiment_file.h"
#include "experiments/simulation/simulation.h"
#include "tests/datasets/files.h"
#include "tests/support/needs_gpu.h"
#include "tests/support/thread_order.h"

namespace redoubt::experiments {

namespace {

/// Keeps what it is told.
class Observer : public SimulationObserver {
 public:
  void record(const Record& record, double /*images_per_second*/) override {
    records.push_back(record);
  }
  std::vector<Record> records;
};

struct Outcome {
  std::vector<Record> records;
  std::vector<std::vector<int>> partition;
};

Outcome run_on(const std::string& device) {
  const test::TemporaryFolder folder;
  test::write_small_mnist(folder.path(), 230, 50);
  const Experiment experiment = parse_experiment(
      "device: " + device +
          "\n"
          "precision: fp32\n"
          "data: {dataset: mnist, validation_samples: 30, partition: {kind: k-label, labels: 5}}\n"
          "model: {layers: [{conv: {channels: 4, kernel: 5, stride: 2}}, relu, {max_pool: 2},\n"
          "  {conv: {channels: 6, kernel: 3}}, relu, {dropout: 0.2}, {dense: 16}, relu,\n"
          "  {dense: 10}]}\n"
          "federation: {clients: 4, rounds: 2, local: {batch: 16, epochs: 2, last_conv_l2: 0.001,\n"
          "  optimizer: {kind: sgd, lr: 0.05, momentum: 0.9}}}\n"
          "attack: {clients: 1, trigger: {kind: pixels, pixels: 5}, scale: 2}\n"
          "defense: {after_training: [\n"
          "  {prune: {vote: ranking, layer: last, stop: {accuracy_drop: 0.1}}},\n"
          "  {fine_tune: {rounds: 1}},\n"
          "  {adjust_weights: {layer: last, from: 3, to: 1, step: 0.5, stop: {accuracy_drop: 0.1}}}"
          "]}\n",
      "gpu.yaml", {"data.directory=" + folder.path().string()});
  Observer observer;
  Simulation simulation(experiment);
  EXPECT_TRUE(simulation.run(observer));
  return {observer.records, simulation.data().partition};
}

double number(const Record& record, const std::string& name) {
  const RecordValue* value = record.find(name);
  return value == nullptr ? std::nan("") : std::get<double>(*value);
}

TEST(CudaFederation, RunsAnExperimentAsTheCpuDoes) {
  const Outcome cpu = run_on("cpu");
  const Outcome gpu = run_on("cuda");
  EXPECT_EQ(cpu.partition, gpu.partition);
  ASSERT_EQ(cpu.records.size(), gpu.records.size());
  for (std::size_t i = 0; i < cpu.records.size(); ++i) {
    SCOPED_TRACE(cpu.records[i].stage);
    EXPECT_EQ(cpu.records[i].stage, gpu.records[i].stage);
    EXPECT_NEAR(number(cpu.records[i], "accuracy"), number(gpu.records[i], "accuracy"), 0.02);
  }
  EXPECT_NEAR(number(cpu.records[0], "loss"), number(gpu.records[0], "loss"),
              1e-4 * number(cpu.records[0], "loss"));
}

TEST(CudaFederation, GivesTheSameRecordsInAnyOrderOfThreads) {
  const auto outcome = [](std::uint64_t seed) {
    const test::ThreadOrder order(seed);
    return run_on("cuda");
  };
  const Outcome ascending = outcome(0);
  const Outcome shuffled = outcome(21);
  ASSERT_EQ(ascending.records.size(), shuffled.records.size());
  for (std::size_t i = 0; i < ascending.records.size(); ++i) {
    EXPECT_EQ(ascending.records[i].values, shuffled.records[i].values) << "record " << i;
  }
}

}  // namespace

}  // namespace redoubt::experiments
