// Spectral anomaly detection (Li, Cheng, Wang, Liu, Chen 2020, "Learning to detect malicious
// clients for robust federated learning", arXiv 2002.00211): honest updates lie near a space of few
// dimensions, which the server learns from updates on public data; who lies far from it is left
// out.
//
// As in the paper, what is looked at are surrogates of low dimension, the same random sample of
// coordinates of every update. A client's score is the squared error of its surrogate once it has
// been encoded and decoded again. The threshold is the mean of a round's scores, so it follows
// training; the clients above it get weight 0 and the rest are averaged as by FedAvg.
//
// The paper's encoder and decoder are a variational autoencoder trained beforehand. Here both are
// linear: principal components, which is what the best linear autoencoder computes (Baldi and
// Hornik 1989). They are exact, need no training settings, which the paper leaves open, and can be
// learnt from the few dozen updates that a server can make between two rounds.
//
// The paper leaves open, and this is what is done here:
// - Public data are the server's validation images. A reference is the update of a client who
// trains
//   from the present global model on a bootstrap sample of them, as many as the median client
//   holds, with the round's own settings.
// - Surrogates are of updates. (The authors' published code takes them of whole models, which move
//   from round to round, while what sets an update apart moves less.)
// - The centre is the mean of this round's references; directions are learnt from the references of
//   the last rounds, each less its own round's mean.
// - Coordinates, layer, dimensions and references are settings.
//
// A mean is no cautious threshold: it leaves out honest clients where nobody attacks (of scores
// that are spread evenly, half), and one attacker's huge error can hide another's lesser one.
// Threshold `references` is learnt from public data alone: the greatest error that a reference has
// when it is held against the others. Where honest clients' data differ much from the server's it
// may leave out everyone; the model then stays as it is.
#pragma once

#include <deque>

#include "defense/principal_components.h"
#include "defense/rule.h"
#include "defense/settings.h"
#include "fl/aggregation.h"

namespace redoubt {

/// Logs the errors as `client_scores`, and `threshold`. Equal errors are never above their mean.
/// References that are not finite are dropped. Keeps the references of the last rounds as its
/// state.
class Spectral : public AggregationRule {
 public:
  Spectral(const SpectralSettings& settings, const RuleEnvironment& environment);
  Aggregate aggregate(Context& context, const ClientUpdates& updates) override;
  std::vector<NamedTensor> state() const override;
  void restore(const std::vector<NamedTensor>& state) override;

  /// Of a row, ascending: the coordinates that surrogates are made of.
  const std::vector<std::int64_t>& columns() const { return columns_; }
  /// The surrogates of the updates that the server makes in this round.
  Points references(Context& context, const ClientUpdates& updates) const;

 private:
  SpectralSettings settings_;
  RuleEnvironment environment_;
  std::vector<std::int64_t> columns_;
  /// References less their round's mean, the oldest round first.
  std::deque<Points> deviations_;
};

/// What updates on the server's own images look like.
class Normality {
 public:
  /// past: deviations of earlier rounds; references: of this one.
  Normality(const std::deque<Points>& past, const Points& references, int components);

  /// |x - x̂|² of a surrogate x and what is read back of it, x̂ = μ + P Pᵀ (x - μ).
  double error(std::span<const float> surrogate) const;
  /// The references less their mean μ.
  const Points& deviations() const { return deviations_; }

 private:
  std::vector<double> mean_;
  Points deviations_;
  PrincipalComponents components_;
};

}  // namespace redoubt
