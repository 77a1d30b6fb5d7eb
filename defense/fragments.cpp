#include "defense/fragments.h"

#include <algorithm>

#include "base/check.h"
#include "base/parallel.h"

namespace redoubt {

namespace {

/// Columns whose means are taken at a time, about: few enough to stay in the cache for all clients.
constexpr std::int64_t kBlock = 1024;

/// Fragments [first, first + count) of every client's layer, less their means.
void cut_block(kernels::Replicas<const float> rows, std::int64_t first, std::int64_t count,
               Fragments& fragments) {
  const int size = fragments.size;
  std::vector<double> mean(static_cast<std::size_t>(count * size));
  for (int client = 0; client < fragments.clients; ++client) {
    const float* row = rows[client] + first * size;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(row[i]);
  }
  for (double& sum : mean) sum /= fragments.clients;
  for (int client = 0; client < fragments.clients; ++client) {
    const float* row = rows[client] + first * size;
    for (int c = 0; c < size; ++c) {
      float* to = fragments.component(c) + client * fragments.per_client + first;
      for (std::int64_t f = 0; f < count; ++f) {
        const std::int64_t i = f * size + c;
        to[f] = static_cast<float>(static_cast<double>(row[i]) - mean[i]);
      }
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

Fragments cut_fragments(Context& context, const UpdateMatrix& updates, const ParameterSpan& weight,
                        const FragmentSettings& settings) {
  Fragments fragments = {.clients = updates.shape.rows,
                         .per_client = 0,
                         .size = fragment_size(weight, settings),
                         .values = {}};
  fragments.per_client = weight.size / fragments.size;
  const std::int64_t width = fragments.per_client * fragments.size;
  fragments.values.resize(width * fragments.clients);
  kernels::Replicas<const float> rows = updates.matrix.offset(weight.offset);
  std::vector<float> on_host;
  if (context.device().kind != Device::Kind::cpu) {
    const ColumnRange layer = {.offset = weight.offset, .size = width};
    for (int client = 0; client < fragments.clients; ++client) {
      const std::vector<float> row = updates.columns_of(context, client, {&layer, 1});
      on_host.insert(on_host.end(), row.begin(), row.end());
    }
    rows = {on_host.data(), width};
  }
  const std::int64_t at_once = std::max<std::int64_t>(1, kBlock / fragments.size);
  const auto blocks = static_cast<int>((fragments.per_client + at_once - 1) / at_once);
  parallel_for(blocks, context.threads(), [&](int block, int /*worker*/) {
    const std::int64_t first = block * at_once;
    cut_block(rows, first, std::min(at_once, fragments.per_client - first), fragments);
  });
  return fragments;
}

}  // namespace redoubt
