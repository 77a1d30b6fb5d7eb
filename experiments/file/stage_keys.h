// The keys of the stages after training.
#pragma once

#include "defense/settings.h"
#include "experiments/file/description.h"

namespace redoubt::experiments {

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
struct AlternativeNames<StageSettings> {
  static constexpr const char* what = "a stage";
  static std::vector<Alternative> table();
};

}  // namespace redoubt::experiments
