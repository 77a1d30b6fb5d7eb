// An experiment that takes a second, and an observer that keeps what it is told.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "experiments/file/experiment_file.h"
#include "experiments/simulation/simulation.h"
#include "tests/datasets/files.h"
#include "tests/support/expect_message.h"
#include "tests/support/temporary_folder.h"

namespace redoubt::experiments {

class Silent : public SimulationObserver {
 public:
  void record(const Record& record, double /*images_per_second*/) override {
    records.push_back(record);
  }
  void checkpoint(TensorFile state) override { last = std::move(state); }
  void trained(const TensorFile& state) override { end_of_training = state; }
  void pipeline_done(const std::string& name, const TensorFile& model) override {
    models[name] = model;
  }
  TensorFile last;
  TensorFile end_of_training;
  std::map<std::string, TensorFile> models;
  std::vector<Record> records;
};

class SmallSimulation : public testing::Test {
 protected:
  SmallSimulation() { test::write_small_mnist(folder_.path(), 200, 20); }

  Experiment experiment(const std::vector<std::string>& overrides = {}) const {
    std::vector<std::string> all = {"data.directory=" + folder_.path().string()};
    all.insert(all.end(), overrides.begin(), overrides.end());
    return parse_experiment(
        "model: {layers: [{conv: {channels: 4, kernel: 5, stride: 4}}, relu, {dense: 10}]}\n"
        "data: {dataset: mnist, validation_samples: 30, partition: {kind: k-label, labels: 3}}\n"
        "federation: {clients: 10, rounds: 2, local: {batch: 8}}\n"
        "attack: {clients: 2}\n"
        "defense: {after_training: [{fine_tune: {rounds: 1}}]}\n"
        "output: {checkpoint_every: 1}\n",
        "small.yaml", all);
  }

  test::TemporaryFolder folder_;
};

}  // namespace redoubt::experiments
