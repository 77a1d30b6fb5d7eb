// What the researcher sees of a model: how an attack fares beside what the images are called
// anyway, and whether the model is one at all.
#include "fl/server.h"

#include "fl/attack/flip_labels.h"
#include "tests/fl/small_world.h"

namespace redoubt::test {
namespace {

using kernels::Sample;

/// A model of the tiny images, its last bias at hand.
class ServerTest : public testing::Test {
 protected:
  ServerTest() {
    for (int i = 0; i < world.dataset.test.count(); ++i) {
      images.clean.push_back({.image = world.store.test_image(i),
                              .label = static_cast<std::int16_t>(world.dataset.test.labels[i])});
    }
  }
  /// Makes the model call everything this class.
  void favour(int label) {
    std::vector<float> row = model.row.download();
    row[static_cast<std::size_t>(world.network.layout().find("fc1.bias")->offset + label)] = 1e4F;
    model.row.upload(row);
  }

  SmallWorld world;
  Federation federation = world.federation(world.clients({80, 60, 70, 90}), small_settings());
  GlobalModel model = world.model();
  TestImages images;
  Server server{federation, model, images};
};

TEST_F(ServerTest, NamesTheClassThatACollapsedModelCallsAll) {
  for (const int label : {0, 7}) {
    model.row.upload(world.model().row.download());
    favour(label);
    const TestResult result = server.test(model.variant()).front();
    EXPECT_DOUBLE_EQ(result.clean.accuracy, 0.1);
    EXPECT_EQ(server.collapsed_class(result.clean.accuracy), label);
  }
}

TEST_F(ServerTest, CallsNoTrainedModelCollapsed) {
  for (int round = 0; round < 12; ++round) server.train_round(SmallWorld::kRate);
  const TestResult result = server.test(model.variant()).front();
  ASSERT_GT(result.clean.accuracy, 0.3);
  EXPECT_EQ(server.collapsed_class(result.clean.accuracy), std::nullopt);
  // Nor one that looked as if: the images themselves decide.
  EXPECT_EQ(server.collapsed_class(0.1), std::nullopt);
}

TEST_F(ServerTest, MeasuresAnAttackBesideTheSameImagesWithoutTheTrigger) {
  for (const Sample& sample : images.clean) {
    if (sample.label != 9) continue;
    images.stamped.push_back(
        {.image = sample.image, .trigger = static_cast<std::int16_t>(world.trigger), .label = 1});
    images.baseline.push_back({.image = sample.image, .label = 1});
  }
  favour(1);
  TestResult result = server.test(model.variant()).front();
  EXPECT_EQ(result.attack_images, 10);
  EXPECT_EQ(result.attack_success_rate, 1);
  EXPECT_EQ(result.attack_success_baseline, 1) << "so the attack has won nothing";
  Record record;
  add_test_result(record, result);
  EXPECT_EQ(*record.find("attack_success_baseline"), RecordValue(1.0));
  EXPECT_EQ(*record.find("attack_images"), RecordValue(std::int64_t{10}));

  images.baseline.clear();
  result = server.test(model.variant()).front();
  EXPECT_EQ(result.attack_success_rate, 1);
  EXPECT_EQ(result.attack_success_baseline, std::nullopt);
}

}  // namespace
}  // namespace redoubt::test
