#include "fl/image_store.h"

namespace redoubt {

ImageStore::ImageStore(const Dataset& dataset, const Normalization& normalization,
                       const TriggerTable& triggers, Device device)
    : train_count_(dataset.train.count()),
      images_(device,
              static_cast<std::int64_t>(dataset.train.images.size() + dataset.test.images.size())),
      mean_(device, std::span<const float>(normalization.mean)),
      deviation_(device, std::span<const float>(normalization.deviation)),
      trigger_pixels_(device, std::span<const kernels::TriggerPixel>(triggers.pixels)),
      trigger_start_(device, std::span<const std::int32_t>(triggers.start)) {
  Context context(device);
  const std::size_t train_bytes = dataset.train.images.size();
  context.copy_to_device(images_.data(), dataset.train.images.data(), train_bytes);
  context.copy_to_device(images_.data() + train_bytes, dataset.test.images.data(),
                         dataset.test.images.size());
  source_ = {.images = images_.data(),
             .count = dataset.train.count() + dataset.test.count(),
             .channels = dataset.shape.channels,
             .height = dataset.shape.height,
             .width = dataset.shape.width,
             .mean = mean_.data(),
             .deviation = deviation_.data(),
             .trigger_pixels = trigger_pixels_.data(),
             .trigger_start = trigger_start_.data(),
             .trigger_count = triggers.count()};
}

}  // namespace redoubt
