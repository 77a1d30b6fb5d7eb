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

#include "base/keys.h"
#include "defense/principal_components.h"
#include "defense/rule.h"
#include "fl/aggregation.h"

namespace redoubt {

/// Spectral anomaly detection (Li et al. 2020).
struct SpectralSettings {
  std::string layer = "all";  ///< where surrogates are drawn from: all, or a conv layer
  int dimensions = 1000;      ///< numbers of a surrogate
  int references = 10;        ///< updates that the server makes each round
  int memory = 5;             ///< rounds whose references are learnt from
  int components = 10;        ///< dimensions of the embedding
  /// Images that a reference trains on; absent: as many as the median client holds.
  std::optional<int> samples = {};
  /// The reconstruction error above which a client is left out.
  enum class Threshold : std::uint8_t {
    mean,        ///< the mean of the round's errors, as in the paper
    references,  ///< the greatest error of a reference by what the others teach
  };
  friend constexpr Names<Threshold, 2> names_of(Threshold) {
    return {{{"mean", Threshold::mean}, {"references", Threshold::references}}};
  }
  Threshold threshold = Threshold::mean;
  bool operator==(const SpectralSettings&) const = default;

  template <class V, class S>
  static void keys(V& v, S& s) {
    v.field("layer", s.layer,
            "what the numbers of a surrogate are drawn from: all, or a conv layer's name");
    v.field("dimensions", s.dimensions, "how many numbers of an update make its surrogate",
            at_least(1));
    v.field("references", s.references,
            "how many updates of its own the server makes each round, on its validation images",
            between(2, 50));
    v.field("memory", s.memory, "how many of the last rounds' references are learnt from",
            between(1, 10));
    v.field("components", s.components, "principal components that surrogates are encoded by",
            at_least(0));
    v.field("samples", s.samples,
            "images that a reference trains on; null: as many as the median client holds",
            at_least(1));
    v.field("threshold", s.threshold,
            "the error above which a client is left out: the mean of the round's, or the greatest "
            "that a reference has against the others");
  }
};

/// Logs the errors as `client_scores`, and `threshold`. Equal errors are never above their mean.
/// References that are not finite are dropped. Keeps the references of the last rounds as its
/// state.
class Spectral : public AggregationRule {
 public:
  static constexpr const char* kName = "spectral";
  static constexpr const char* kDescription =
      "leaves out updates unlike those of the server's images";
  using Settings = SpectralSettings;

  Spectral(const SpectralSettings& settings, const RuleEnvironment& environment);
  static void check(const SpectralSettings& settings, const RuleConditions& conditions);
  std::string name() const override { return kName; }
  Aggregate aggregate(Context& context, const UpdateMatrix& updates) override;
  std::vector<NamedTensor> state() const override;
  void restore(const std::vector<NamedTensor>& state) override;

  /// Of a row, ascending: the coordinates that surrogates are made of.
  const std::vector<std::int64_t>& columns() const { return columns_; }
  /// The surrogates of the updates that the server makes in this round.
  Points references(Context& context, const UpdateMatrix& updates) const;

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
