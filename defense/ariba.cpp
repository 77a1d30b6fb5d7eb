#include "defense/ariba.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>

#include "base/check.h"

namespace redoubt {

namespace {

/// The diagnostic beside the scores.
constexpr const char* kFragments = "fragments";

/// Ascending indices of the `count` largest values that are above 0; of equals the first.
std::vector<std::int64_t> largest(const std::vector<double>& values, std::int64_t count) {
  std::vector<double> positive;
  std::copy_if(values.begin(), values.end(), std::back_inserter(positive),
               [](double value) { return value > 0; });
  count = std::min(count, std::ssize(positive));
  if (count == 0) return {};
  const auto last = positive.begin() + count - 1;
  std::nth_element(positive.begin(), last, positive.end(), std::greater<>());
  const double least = *last;
  std::int64_t equals =
      count - std::count_if(positive.begin(), last, [&](double value) { return value > least; });
  std::vector<std::int64_t> indices;
  indices.reserve(count);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i] > least || (values[i] == least && equals-- > 0)) {
      indices.push_back(static_cast<std::int64_t>(i));
    }
  }
  return indices;
}

bool exports(const AribaSettings& settings, const UpdateMatrix& updates) {
  return settings.fragments_of && settings.fragments_of->round == updates.round;
}

/// The fragments of the clients that are wanted: {layer}.client{id} [m][size].
std::vector<NamedTensor> pieces_of(const FragmentExport& wanted, const UpdateMatrix& updates,
                                   const std::string& layer, const Fragments& fragments) {
  std::vector<NamedTensor> tensors;
  for (int row = 0; row < fragments.clients; ++row) {
    const int id = updates.clients[row];
    if (wanted.clients &&
        std::find(wanted.clients->begin(), wanted.clients->end(), id) == wanted.clients->end()) {
      continue;
    }
    NamedTensor tensor = {.name = layer + ".client" + std::to_string(id),
                          .shape = {fragments.per_client, fragments.size},
                          .values = {}};
    for (std::int64_t f = 0; f < fragments.per_client; ++f) {
      for (int c = 0; c < fragments.size; ++c) {
        tensor.values.push_back(fragments.component(c)[row * fragments.per_client + f]);
      }
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

/// Of a layer: the least n of (n - 1) · m · share > size, m fragments of `size` numbers a client,
/// of which a covariance is taken from a share.
int least_clients(const ParameterSpan& weight, const AribaSettings& settings) {
  using Kind = DetectorSettings::Kind;
  if (settings.detector.kind == Kind::nearest_neighbours) return 1;
  const int size = fragment_size(weight, settings.fragments);
  const double share =
      settings.detector.kind == Kind::robust_covariance ? settings.detector.support : 1;
  const double counted = share * static_cast<double>(weight.size / size);
  return static_cast<int>(std::floor(size / counted)) + 2;
}

}  // namespace

Ariba::Ariba(const AribaSettings& settings, const RuleEnvironment& environment)
    : settings_(settings), detector_(make_detector(settings.detector)) {
  const ParameterLayout& layout = environment.executor.network().layout();
  for (const std::string& layer : settings.layers) {
    weights_.push_back(&layout.conv_weight(layer));
    least_ = std::max(least_, least_clients(*weights_.back(), settings));
  }
}

void Ariba::score_layer(Context& context, const UpdateMatrix& updates, const ParameterSpan& weight,
                        AribaScores& scores) const {
  // Updates less their mean, cut into fragments.
  const Fragments fragments = cut_fragments(context, updates, weight, settings_.fragments);
  // The k̃ · m fragments that lie farthest out are marked.
  const std::vector<double> distances = detector_->score(fragments, context.threads());
  for (const std::int64_t fragment :
       largest(distances, settings_.suspects * fragments.per_client)) {
    ++scores.marked[fragment / fragments.per_client];
  }
  scores.fragments += fragments.per_client;
  if (!exports(settings_, updates)) return;
  std::vector<NamedTensor> pieces =
      pieces_of(*settings_.fragments_of, updates, weight.name, fragments);
  std::move(pieces.begin(), pieces.end(), std::back_inserter(scores.pieces));
}

Aggregate Ariba::aggregate(Context& context, const UpdateMatrix& updates) {
  AribaScores scores = {.marked = std::vector<double>(updates.clients.size()), .pieces = {}};
  if (updates.shape.rows >= least_) {
    for (const ParameterSpan* weight : weights_) score_layer(context, updates, *weight, scores);
  }

  // The k̃ clients with the most marked fragments are left out.
  Aggregate aggregate = {
      .row_weights = {updates.sample_counts.begin(), updates.sample_counts.end()}};
  aggregate.removed.emplace();
  const std::int64_t most = std::min<std::int64_t>(settings_.suspects, updates.shape.rows - 1);
  for (const std::int64_t row : largest(scores.marked, most)) {
    aggregate.row_weights[row] = 0;
    aggregate.removed->push_back(updates.clients[row]);
  }
  aggregate.diagnostics = updates.scored(scores.marked);
  aggregate.diagnostics.emplace_back(kFragments, scores.fragments);
  aggregate.tensors = std::move(scores.pieces);
  return aggregate;
}

namespace {

/// A fragment can lie farther out than another.
void check_span(const ParameterSpan& weight, const AribaSettings& settings, int participants) {
  const int least = least_clients(weight, settings);
  if (participants >= least) return;
  const int size = fragment_size(weight, settings.fragments);
  throw InputError(fmt::format(
      "defense.rule: ariba cuts {} into {} fragments of {} numbers a client, which of {} clients "
      "in "
      "a round span at most {} directions: all Mahalanobis distances would be the same. It takes "
      "{} clients, smaller fragments or more of them, or the detector nearest-neighbours",
      weight.name, weight.size / size, size, participants,
      (participants - 1) * (weight.size / size), least));
}

/// What is to be exported comes to pass.
void check_export(const FragmentExport& wanted, const RuleConditions& conditions) {
  if (wanted.round > conditions.rounds) {
    throw InputError("defense.rule.ariba.export.round is " + std::to_string(wanted.round) +
                     "; there are " + std::to_string(conditions.rounds) + " rounds");
  }
  for (const int id : wanted.clients.value_or(std::vector<int>())) {
    if (id < conditions.clients) continue;
    throw InputError("defense.rule.ariba.export.clients lists " + std::to_string(id) +
                     "; clients are numbered from 0 to " + std::to_string(conditions.clients - 1));
  }
}

}  // namespace

void Ariba::check(const AribaSettings& settings, const RuleConditions& conditions) {
  if (settings.fragments_of) check_export(*settings.fragments_of, conditions);
  if (settings.suspects >= conditions.participants) {
    throw InputError("ariba.suspects is " + std::to_string(settings.suspects) + "; a round has " +
                     std::to_string(conditions.participants) + " clients and must keep one");
  }
  if (settings.layers.empty()) throw InputError("ariba.layers is empty; it names conv layers");
  for (const std::string& layer : settings.layers) {
    const int size = fragment_size(conditions.layout.conv_weight(layer), settings.fragments);
    constexpr int kMostNumbers = 4096;  // the covariance of fragments is a matrix of their size
    if (size > kMostNumbers) {
      throw InputError("ariba: a fragment of layer " + layer + " has " + std::to_string(size) +
                       " numbers; at most " + std::to_string(kMostNumbers) + " are possible");
    }
    check_span(conditions.layout.conv_weight(layer), settings, conditions.participants);
  }
}

void Ariba::add_figures(Record& record, std::span<const int> attackers) {
  const auto* ids = std::get_if<std::vector<std::int64_t>>(record.find(kScoredClients));
  const auto* scores = std::get_if<std::vector<double>>(record.find(kClientScores));
  const auto* fragments = std::get_if<std::int64_t>(record.find(kFragments));
  if (ids == nullptr || scores == nullptr || fragments == nullptr) return;
  double attackers_marked = 0;
  double all_marked = 0;
  int attackers_here = 0;
  for (std::size_t i = 0; i < ids->size(); ++i) {
    all_marked += (*scores)[i];
    if (!std::binary_search(attackers.begin(), attackers.end(), static_cast<int>((*ids)[i]))) {
      continue;
    }
    attackers_marked += (*scores)[i];
    ++attackers_here;
  }
  if (attackers_here == 0 || all_marked == 0) return;
  record.add("confidence_as_printed", attackers_marked / all_marked);
  record.add("confidence", attackers_marked / static_cast<double>(attackers_here * *fragments));
}

}  // namespace redoubt
