// A data set in device memory, ready to be gathered from: training images first, then test images.
#pragma once

#include "datasets/dataset.h"
#include "datasets/trigger.h"
#include "engine/buffer.h"
#include "kernels/gather.h"

namespace redoubt {

class ImageStore {
 public:
  ImageStore(const Dataset& dataset, const Normalization& normalization,
             const TriggerTable& triggers, Device device);

  /// Valid as long as the store.
  const kernels::ImageSource& source() const { return source_; }
  /// The index of test image `i`.
  int test_image(int i) const { return train_count_ + i; }

 private:
  int train_count_;
  Buffer<std::uint8_t> images_;
  Buffer<float> mean_;
  Buffer<float> deviation_;
  Buffer<kernels::TriggerPixel> trigger_pixels_;
  Buffer<std::int32_t> trigger_start_;
  kernels::ImageSource source_;
};

}  // namespace redoubt
