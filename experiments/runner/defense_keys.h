// The keys of an experiment file's defense: aggregation rules and stages after training.
#pragma once

#include "defense/settings.h"
#include "experiments/runner/description.h"

namespace redoubt::runner {

template <>
struct EnumNames<Judge> {
  static constexpr Names<Judge, 3> names = {{{"automatic", Judge::automatic},
                                             {"validation", Judge::validation},
                                             {"clients", Judge::clients}}};
};
/// Of the key `judge`, which every stage that sweeps has.
inline constexpr const char* kJudgeMeaning =
    "who measures accuracy: validation, the server's images; clients, the mean of what they "
    "report; automatic, the server if it has images";

template <>
struct EnumNames<PruneSettings::Vote> {
  using Vote = PruneSettings::Vote;
  static constexpr Names<Vote, 2> names = {
      {{"ranking", Vote::ranking}, {"majority", Vote::majority}}};
};
template <>
struct EnumNames<PruneSettings::Ties> {
  using Ties = PruneSettings::Ties;
  static constexpr Names<Ties, 2> names = {
      {{"mean-rank", Ties::mean_rank}, {"index", Ties::index}}};
};

template <>
struct Description<StopRule> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    // The default of a rule that is not there is none of one that is.
    if constexpr (!V::writes) s.accuracy_drop.reset();
    if (!V::writes || s.accuracy_drop) {
      v.field("accuracy_drop", s.accuracy_drop,
              "most accuracy that may be lost, as a fraction of 1, against the model before the "
              "stage; if stop itself is left out, 0.01",
              between(0, 1));
    }
    if (!V::writes || s.loss_rise) {
      v.field("loss_rise", s.loss_rise,
              "most mean loss that may be gained, on the server's validation images; at least one "
              "of both keys is needed",
              at_least(0));
    }
    if constexpr (V::reads) {
      if (!s.accuracy_drop && !s.loss_rise) {
        v.value().fail("found neither accuracy_drop nor loss_rise; at least one is needed");
      }
    }
  }
};

template <>
struct Description<PruneSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("vote", s.vote,
            "what clients report: ranking, each channel's rank of dormancy, or majority, which "
            "channels they would prune");
    if (s.vote == PruneSettings::Vote::majority) {
      v.field("rate", s.rate,
              "share of the layer's channels, of those not pruned yet, that a client votes for",
              between(0, 1));
      v.field("ties", s.ties,
              "what orders channels with equal votes: the mean rank, which clients report too, or "
              "the index");
    }
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("channels", s.channels,
            "prune exactly so many channels and judge nothing; null: as far as the stop rule lets",
            at_least(0));
    if (!s.channels) {
      v.field("judge", s.judge, kJudgeMeaning);
      v.field("stop", s.stop,
              "how far pruning may go: up to the last level before the first that loses more");
    }
  }
};

template <>
struct Description<FineTuneSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("rounds", s.rounds, "rounds of training under the masks, attackers included",
            between(1, 1e6));
    v.field("lr", s.learning_rate, "local learning rate; null: what training ended with", above(0));
  }
};

template <>
struct Description<AdjustWeightsSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer's name, e.g. conv2, or last");
    v.field("delta", s.delta,
            "weights farther than so many deviations from the mean become 0; null: swept downward",
            at_least(0));
    if (!s.delta) {
      v.field("from", s.from, "first, largest delta of the sweep", at_least(0));
      v.field("to", s.to, "last, smallest delta of the sweep, at most from", at_least(0));
      v.field("step", s.step, "distance between deltas of the sweep", above(0));
      v.field("judge", s.judge, kJudgeMeaning);
      v.field("stop", s.stop,
              "how far the sweep may go: up to the last delta before the first that loses more");
      if constexpr (V::reads) {
        if (s.to > s.from) v.value().fail("`to` is above `from`; the sweep goes downward");
      }
    }
  }
};

template <>
struct EnumNames<LimitInputsSettings::Ends> {
  using Ends = LimitInputsSettings::Ends;
  static constexpr Names<Ends, 3> names = {
      {{"both", Ends::both}, {"bright", Ends::bright}, {"dark", Ends::dark}}};
};

template <>
struct Description<LimitInputsSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("ends", s.ends,
            "which ends of a byte's 0 to 255 are limited: the bright one, the dark one or both");
    v.field("margin", s.margin,
            "bytes nearer to an end than this become the byte at this distance; null: swept "
            "upward",
            between(1, 127));
    if (!s.margin) {
      v.field("from", s.from, "first, smallest margin of the sweep", between(1, 127));
      v.field("to", s.to, "last, largest margin of the sweep, at least from", between(1, 127));
      v.field("step", s.step, "distance between margins of the sweep", between(1, 127));
      v.field("judge", s.judge, kJudgeMeaning);
      v.field("stop", s.stop,
              "how far the sweep may go: up to the last margin before the first that loses more");
      if constexpr (V::reads) {
        if (s.to < s.from) v.value().fail("`to` is below `from`; the sweep goes upward");
      }
    }
  }
};

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

template <>
struct AlternativeNames<StageSettings> {
  static constexpr const char* what = "a stage";
  static std::vector<Alternative> table();
};

/// `after_training`: a list of stages, or a map from names to such lists.
struct AfterTraining {
  std::vector<StageSettings> only;
  std::vector<Pipeline> named;
};
template <>
struct Description<AfterTraining> {
  static void write(YAML::Emitter& emitter, const AfterTraining& stages);
};
template <>
void read(const YamlValue& value, AfterTraining& to, const Limits& limits);

template <>
struct Description<DefenseSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("rule", s.rule, "how the clients' updates become one");
    AfterTraining stages = {s.after_training, s.pipelines};
    v.field("after_training", stages,
            "stages in their order; or a map of names over such lists, each of which starts from "
            "the trained model");
    if constexpr (V::reads) {
      s.after_training = stages.only;
      s.pipelines = stages.named;
    }
  }
};

}  // namespace redoubt::runner
