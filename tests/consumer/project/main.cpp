// Another project's use of the engine: two models of one fleet learn to tell a bright upper half
// from a bright lower half. Ends with 0 if both did.
#include <cstdio>
#include <vector>

#include "engine/executor.h"
#include "engine/initialize.h"
#include "engine/safetensors.h"

int main(int argc, char** argv) {
  using namespace redoubt;
  const Device cpu = {};
  const std::vector<LayerSpec> layers = {Conv::Settings{.channels = 4, .kernel = 3},
                                         Relu::Settings(), MaxPool::Settings{.window = 2},
                                         Dense::Settings{.units = 2}};
  const Network network({.channels = 1, .height = 8, .width = 8}, 2, layers);

  // 64 images of 8x8 bytes; image i is bright in its upper half if i is even.
  constexpr int kImages = 64;
  std::vector<std::uint8_t> bytes;
  std::vector<kernels::Sample> samples;
  for (int i = 0; i < kImages; ++i) {
    for (int pixel = 0; pixel < 64; ++pixel) {
      const bool bright = (pixel < 32) == (i % 2 == 0);
      bytes.push_back(static_cast<std::uint8_t>(bright ? 200 + i % 50 : i));
    }
    samples.push_back({.image = i, .label = static_cast<std::int16_t>(i % 2)});
  }
  const Buffer<std::uint8_t> images(cpu, bytes);
  const Buffer<float> mean(cpu, std::vector<float>{0.5F});
  const Buffer<float> deviation(cpu, std::vector<float>{0.5F});
  const kernels::ImageSource source = {.images = images.data(),
                                       .count = kImages,
                                       .height = 8,
                                       .width = 8,
                                       .mean = mean.data(),
                                       .deviation = deviation.data()};
  Executor executor(network, source, cpu, 2, 16);

  Fleet fleet(network.layout(), 2, 0, cpu);
  std::vector<TrainingTask> tasks;
  std::vector<std::vector<kernels::Sample>> epochs(2);
  for (int row = 0; row < 2; ++row) {
    const auto seed = static_cast<std::uint64_t>(row);
    initialize(network.layout(), Initialization::he, seed,
               {fleet.values()[row], static_cast<std::size_t>(fleet.pitch())});
    for (int epoch = 0; epoch < 10; ++epoch) {
      epochs[seed].insert(epochs[seed].end(), samples.begin(), samples.end());
    }
    tasks.push_back({.row = row, .samples = epochs[seed], .epochs = 10, .batch = 16});
    learning_rate_of(tasks.back().optimizer) = 0.05F;
  }
  executor.train(fleet, tasks, {});

  bool learned = true;
  for (const auto& totals :
       executor.evaluate({.count = 2, .parameters = fleet.values()}, samples)) {
    std::printf("accuracy %.3f, loss %.4f\n", totals.accuracy(), totals.mean_loss());
    learned = learned && totals.accuracy() == 1;
  }

  if (argc > 1) {
    const std::span<const float> row(fleet.values()[0], static_cast<std::size_t>(fleet.pitch()));
    write_safetensors(argv[1], {.tensors = tensors_of(network.layout(), row)});
  }
  return learned ? 0 : 1;
}
