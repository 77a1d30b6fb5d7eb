// The keys of an experiment file's defense: aggregation rules; those of stages are in stage_keys.h.
#pragma once

#include "defense/settings.h"
#include "experiments/file/description.h"
#include "experiments/file/stage_keys.h"

namespace redoubt::experiments {

template <>
struct Description<FedAvgSettings> {
  template <class V, class S>
  static void visit(V& /*v*/, S& /*s*/) {}
};

template <>
struct Description<KrumSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many malicious clients of a round the rule puts up with", at_least(0));
  }
};

template <>
struct Description<MultiKrumSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many malicious clients of a round the rule puts up with", at_least(0));
    v.field("selected", s.selected,
            "how many of the updates of least score are averaged; null: all but f", at_least(1));
  }
};

template <>
struct Description<BulyanSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many malicious clients of a round the rule puts up with", at_least(0));
  }
};

template <>
struct Description<TrimmedMeanSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious,
            "f: how many values are left out at either end of each column", at_least(0));
  }
};

template <>
struct Description<MedianSettings> {
  template <class V, class S>
  static void visit(V& /*v*/, S& /*s*/) {}
};

template <>
struct Description<GeometricMedianSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("iterations", s.iterations, "iterations of the smoothed Weiszfeld algorithm",
            between(1, 10000));
    v.field("smoothing", s.smoothing,
            "nu: distances below it count as it, so that none is divided by 0", above(0));
  }
};

template <>
struct Description<NormBoundSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("norm", s.norm, "M: updates longer than this L2 norm are scaled down to it", above(0));
    v.field("noise", s.noise,
            "standard deviation of the Gaussian noise added to every parameter of the result",
            at_least(0));
  }
};

template <>
struct Description<NormCheckSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("norm", s.norm,
            "updates longer than this L2 norm are left out; null: by the round's median", above(0));
    if (!s.norm) {
      v.field("times_median", s.times_median,
              "updates longer than so many times the round's median length are left out", above(0));
    }
  }
};

template <>
struct Description<AccuracyCheckSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field(
        "drop", s.drop,
        "accuracy on the validation images that a client's model may lie below the median client's",
        between(0, 1));
  }
};

template <>
struct EnumNames<FoolsGoldSettings::Features> {
  using Features = FoolsGoldSettings::Features;
  static constexpr Names<Features, 2> names = {
      {{"output-layer", Features::output_layer}, {"all", Features::all}}};
};
template <>
struct Description<FoolsGoldSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("features", s.features,
            "parameters that a client's history is made of: the output layer's weights, or all");
    v.field("confidence", s.confidence,
            "kappa: factor of the logit that tells honest from malicious", above(0));
  }
};

template <>
struct EnumNames<SpectralSettings::Threshold> {
  using Threshold = SpectralSettings::Threshold;
  static constexpr Names<Threshold, 2> names = {
      {{"mean", Threshold::mean}, {"references", Threshold::references}}};
};
template <>
struct Description<SpectralSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
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

template <>
struct EnumNames<FragmentSettings::Kind> {
  using Kind = FragmentSettings::Kind;
  static constexpr Names<Kind, 3> names = {
      {{"kernel", Kind::kernel}, {"filter", Kind::filter}, {"block", Kind::block}}};
};
template <>
struct Description<FragmentSettings> {
  static auto& shorthand(FragmentSettings& to) { return to.kind; }
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind,
            "what a layer's weights are cut into: single kernels, whole filters of an output "
            "channel, or blocks of so many numbers");
    if (s.kind == FragmentSettings::Kind::block) {
      v.field("block", s.block, "numbers of a block, in the order of memory", at_least(1));
    }
  }
};

template <>
struct EnumNames<DetectorSettings::Kind> {
  using Kind = DetectorSettings::Kind;
  static constexpr Names<Kind, 3> names = {{{"mahalanobis", Kind::mahalanobis},
                                            {"robust-covariance", Kind::robust_covariance},
                                            {"nearest-neighbours", Kind::nearest_neighbours}}};
};
template <>
struct Description<DetectorSettings> {
  static auto& shorthand(DetectorSettings& to) { return to.kind; }
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind,
            "how far out a fragment lies: Mahalanobis distance, the same by a robust covariance, "
            "or distance to the k-th neighbour");
    if (s.kind == DetectorSettings::Kind::robust_covariance) {
      v.field("support", s.support,
              "share of the fragments, those nearest to the centre, that mean and covariance are "
              "taken from",
              between(0.5, 1));
    }
    if (s.kind == DetectorSettings::Kind::nearest_neighbours) {
      v.field("neighbours", s.neighbours, "k: the distance to the k-th nearest fragment counts",
              at_least(1));
    }
  }
};

template <>
struct Description<FragmentExport> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("round", s.round, "the round whose fragments are written into the run's folder",
            at_least(1));
    v.field("clients", s.clients, "ids of the clients whose fragments are written; null: all",
            at_least(0));
  }
};

template <>
struct Description<AribaSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("suspects", s.suspects, "how many clients are left out of a round", at_least(1));
    v.field("layers", s.layers, "conv layers that are searched: names, middle or last");
    v.field("fragments", s.fragments, "what updates are cut into");
    v.field("detector", s.detector, "how outliers among the fragments are found");
    v.field("export", s.fragments_of,
            "writes a round's fragments as safetensors, for plots; null: none");
  }
};

template <>
struct AlternativeNames<RuleSettings> {
  static constexpr const char* what = "an aggregation rule";
  static std::vector<Alternative> table();
};

/// `after_training`: a list of stages, or a map from names to such lists.
template <>
struct Description<std::vector<Pipeline>> {
  static void write(YAML::Emitter& emitter, const std::vector<Pipeline>& pipelines);
};
template <>
void read(const YamlValue& value, std::vector<Pipeline>& to, const Limits& limits);

template <>
struct Description<DefenseSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("rule", s.rule, "how the clients' updates become one");
    v.field("after_training", s.pipelines,
            "stages in their order; or a map of names over such lists, each of which starts from "
            "the trained model");
  }
};

}  // namespace redoubt::experiments
