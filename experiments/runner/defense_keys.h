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
    if constexpr (V::reads) s.accuracy_drop.reset();
    if (V::reads || s.accuracy_drop) {
      v.field("accuracy_drop", s.accuracy_drop, "most accuracy that may be lost, of 1",
              between(0, 1));
    }
    if (V::reads || s.loss_rise) {
      v.field("loss_rise", s.loss_rise, "most mean loss that may be gained", at_least(0));
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
    v.field("vote", s.vote, "what clients report and how it is counted");
    if (s.vote == PruneSettings::Vote::majority) {
      v.field("rate", s.rate, "share of the channels that a client votes for", between(0, 1));
      v.field("ties", s.ties, "what orders channels with equal votes");
    }
    v.field("layer", s.layer, "a conv layer, or last");
    v.field("channels", s.channels, "prune exactly so many; null: as far as the stop rule lets",
            at_least(0));
    if (!s.channels) {
      v.field("judge", s.judge, "who measures accuracy");
      v.field("stop", s.stop, "how far pruning may go");
    }
  }
};

template <>
struct Description<FineTuneSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("rounds", s.rounds, "rounds of fine-tuning", between(1, 1e6));
    v.field("lr", s.learning_rate, "null: what training ended with", above(0));
  }
};

template <>
struct Description<AdjustWeightsSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("layer", s.layer, "a conv layer, or last");
    v.field("delta", s.delta, "weights beyond so many deviations become 0; null: swept",
            at_least(0));
    if (!s.delta) {
      v.field("from", s.from, "first delta of the sweep", at_least(0));
      v.field("to", s.to, "last delta of the sweep", at_least(0));
      v.field("step", s.step, "between deltas", above(0));
      v.field("judge", s.judge, "who measures accuracy");
      v.field("stop", s.stop, "how far the sweep may go");
      if constexpr (V::reads) {
        if (s.to > s.from) v.value().fail("`to` is above `from`; the sweep goes downward");
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
    v.field("malicious", s.malicious, "f: malicious clients put up with", at_least(0));
  }
};

template <>
struct Description<MultiKrumSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious, "f: malicious clients put up with", at_least(0));
    v.field("selected", s.selected, "updates that are averaged; null: all but f", at_least(1));
  }
};

template <>
struct Description<BulyanSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious, "f: malicious clients put up with", at_least(0));
  }
};

template <>
struct Description<TrimmedMeanSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("malicious", s.malicious, "f: values left out at either end", at_least(0));
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
    v.field("iterations", s.iterations, "of the Weiszfeld algorithm", between(1, 10000));
    v.field("smoothing", s.smoothing, "the least distance that is told apart from 0", above(0));
  }
};

template <>
struct Description<NormBoundSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("norm", s.norm, "longer updates are scaled to this length", above(0));
    v.field("noise", s.noise, "deviation of Gaussian noise on the result", at_least(0));
  }
};

template <>
struct Description<NormCheckSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("norm", s.norm, "longer updates are left out; null: by the median", above(0));
    if (!s.norm) {
      v.field("times_median", s.times_median, "times the median length", above(0));
    }
  }
};

template <>
struct Description<AccuracyCheckSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("drop", s.drop, "accuracy that an update may lose against the median", between(0, 1));
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
    v.field("features", s.features, "parameters that histories are made of");
    v.field("confidence", s.confidence, "kappa, the logit's factor", above(0));
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
    v.field("layer", s.layer, "what surrogates are drawn from: all, or a conv layer");
    v.field("dimensions", s.dimensions, "numbers of a surrogate", at_least(1));
    v.field("references", s.references, "updates the server makes a round", between(2, 50));
    v.field("memory", s.memory, "rounds whose references are learnt from", between(1, 10));
    v.field("components", s.components, "dimensions of the embedding", at_least(0));
    v.field("samples", s.samples, "images of a reference; null: the median client's", at_least(1));
    v.field("threshold", s.threshold, "the error above which a client is left out");
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
  static void shorthand(const YamlValue& value, FragmentSettings& to) { read(value, to.kind, {}); }
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind, "what a layer's weights are cut into");
    if (s.kind == FragmentSettings::Kind::block) {
      v.field("block", s.block, "numbers of a block", at_least(1));
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
  static void shorthand(const YamlValue& value, DetectorSettings& to) { read(value, to.kind, {}); }
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind, "how strange a fragment is");
    if (s.kind == DetectorSettings::Kind::robust_covariance) {
      v.field("support", s.support, "share of the fragments that count", between(0.5, 1));
    }
    if (s.kind == DetectorSettings::Kind::nearest_neighbours) {
      v.field("neighbours", s.neighbours, "the distance to which neighbour counts", at_least(1));
    }
  }
};

template <>
struct Description<FragmentExport> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("round", s.round, "the round whose fragments are written", at_least(1));
    v.field("clients", s.clients, "ids; null: all", at_least(0));
  }
};

template <>
struct Description<AribaSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("suspects", s.suspects, "clients left out of a round", at_least(1));
    v.field("layers", s.layers, "conv layers, middle or last");
    v.field("fragments", s.fragments, "what updates are cut into");
    v.field("detector", s.detector, "how outliers are found");
    v.field("export", s.fragments_of, "writes the fragments of a round; null: none");
  }
};

template <>
struct AlternativeNames<RuleSettings> {
  static constexpr const char* what = "an aggregation rule";
  static std::vector<std::string> names();
};

template <>
struct AlternativeNames<StageSettings> {
  static constexpr const char* what = "a stage";
  static std::vector<std::string> names();
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
    v.field("rule", s.rule, "how updates become one");
    AfterTraining stages = {s.after_training, s.pipelines};
    v.field("after_training", stages, "stages in order, or a map of named lists of stages");
    if constexpr (V::reads) {
      s.after_training = stages.only;
      s.pipelines = stages.named;
    }
  }
};

}  // namespace redoubt::runner
