#include "defense/fragments.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/parallel.h"

namespace redoubt {

namespace {

/// Columns whose means are taken at a time: few enough to stay in the cache for all clients.
constexpr std::int64_t kBlock = 4096;

/// values[client][first, first + count) of the layer become fragments, less their means.
void cut_block(const std::vector<float>& rows, std::int64_t width, std::int64_t first,
               std::int64_t count, Fragments& fragments) {
  std::vector<double> mean(static_cast<std::size_t>(count));
  for (int client = 0; client < fragments.clients; ++client) {
    const float* row = rows.data() + client * width + first;
    for (std::int64_t i = 0; i < count; ++i) {
      mean[static_cast<std::size_t>(i)] += static_cast<double>(row[i]);
    }
  }
  for (double& sum : mean) sum /= fragments.clients;
  for (int client = 0; client < fragments.clients; ++client) {
    const float* row = rows.data() + client * width + first;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t fragment = (first + i) / fragments.size;
      const auto component = static_cast<int>((first + i) % fragments.size);
      fragments.component(component)[client * fragments.per_client + fragment] =
          static_cast<float>(static_cast<double>(row[i]) - mean[static_cast<std::size_t>(i)]);
    }
  }
}

}  // namespace

int fragment_size(const ParameterSpan& weight, const FragmentSettings& settings) {
  check(weight.shape.size() == 4, "fragments are cut from a conv layer's weight");
  const int kernel = weight.shape[2] * weight.shape[3];
  switch (settings.kind) {
    case FragmentSettings::Kind::kernel:
      return kernel;
    case FragmentSettings::Kind::filter:
      return weight.shape[1] * kernel;
    case FragmentSettings::Kind::block:
      break;
  }
  if (settings.block > weight.size) {
    throw InputError("fragments.block is " + std::to_string(settings.block) + "; " + weight.name +
                     " has " + std::to_string(weight.size) + " numbers");
  }
  return settings.block;
}

Fragments cut_fragments(Context& context, const ClientUpdates& updates, const ParameterSpan& weight,
                        const FragmentSettings& settings) {
  Fragments fragments = {.clients = updates.shape.rows,
                         .per_client = 0,
                         .size = fragment_size(weight, settings),
                         .values = {}};
  fragments.per_client = weight.size / fragments.size;
  const std::int64_t width = fragments.per_client * fragments.size;
  fragments.values.resize(static_cast<std::size_t>(width * fragments.clients));
  std::vector<float> rows(fragments.values.size());
  for (int client = 0; client < fragments.clients; ++client) {
    context.copy_to_host(rows.data() + client * width, updates.matrix[client] + weight.offset,
                         static_cast<std::size_t>(width) * sizeof(float));
  }
  const auto blocks = static_cast<int>((width + kBlock - 1) / kBlock);
  parallel_for(blocks, context.threads(), [&](int block, int /*worker*/) {
    const std::int64_t first = block * kBlock;
    cut_block(rows, width, first, std::min(kBlock, width - first), fragments);
  });
  return fragments;
}

}  // namespace redoubt
