// The convolution engines that an experiment's steps use, and where the choice of them is kept.
#pragma once

#include <filesystem>
#include <memory>

#include "experiments/file/experiment_file.h"
#include "experiments/run/conv_memory.h"

namespace redoubt::experiments {

/// Convolutions on CUDA are computed by engines measured now or before.
class ConvEngines {
 public:
  /// The experiment's Contexts will use this, so it must outlive them. Reads `record`. Throws
  /// InputError.
  ConvEngines(Experiment& experiment, const std::filesystem::path& record)
      : memory_(conv_machine(parse_device(experiment.device)), conv_cache_path()),
        choices_(&memory_),
        searched_(is_cuda(parse_device(experiment.device)) &&
                  experiment.arithmetic.conv_engine == ConvEngine::automatic) {
    if (!searched_) return;
    experiment.arithmetic.conv_choices = &choices_;
    memory_.reuse(record);
  }
  ConvEngines(const ConvEngines&) = delete;
  ConvEngines& operator=(const ConvEngines&) = delete;

  void attach(const std::filesystem::path& record, const std::shared_ptr<spdlog::logger>& log) {
    if (searched_) memory_.record_in(record);
    memory_.log_to(log);
  }

 private:
  RunConvMemory memory_;
  kernels::ConvChoices choices_;
  bool searched_;
};

}  // namespace redoubt::experiments
