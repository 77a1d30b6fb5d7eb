#include "kernels/cuda_parts.h"

#include "base/check.h"

namespace redoubt::kernels::cuda {

namespace {

/// Adds up the parts of a channel in ascending order, one thread a channel.
__global__ void add_parts_to_record(int replicas, int channels, int parts, const double* part_sums,
                                    Replicas<double> record) {
  const std::int64_t row = pack_index(1);
  if (row >= std::int64_t{replicas} * channels) return;
  const double* sums = part_sums + row * parts;
  double total = 0;
#pragma unroll 8
  for (int p = 0; p < parts; ++p) total += sums[p];
  record[static_cast<int>(row / channels)][row % channels] += total;
}

}  // namespace

ChannelRecord::ChannelRecord(Context& context, int replicas, int channels, int parts,
                             const ChannelEffects& effects)
    : context_(context), replicas_(replicas), channels_(channels), parts_(parts) {
  if (!effects.record) return;
  check(effects.valid != nullptr, "recording needs the count of valid images");
  check(effects.record.pitch != 0 || replicas == 1, "replicas do not share a record");
  record_ = effects.record;
  const auto rows = static_cast<std::size_t>(replicas) * static_cast<std::size_t>(channels);
  part_sums_ = context.scratch_of<double>(rows * static_cast<std::size_t>(parts));
}

void ChannelRecord::add_up() {
  if (!record_) return;
  const std::int64_t rows = std::int64_t{replicas_} * channels_;
  launch(context_, "record_activations", over_replicas(1, rows, 1), add_parts_to_record, replicas_,
         channels_, parts_, static_cast<const double*>(part_sums_), record_);
}

}  // namespace redoubt::kernels::cuda
