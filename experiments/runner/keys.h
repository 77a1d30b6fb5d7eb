// Every key of an experiment file: its name, where it lands, its range and what it means. DESIGN's
// order.
#pragma once

#include "experiments/runner/attack_keys.h"
#include "experiments/runner/defense_keys.h"
#include "experiments/runner/description.h"
#include "experiments/runner/spec.h"

namespace redoubt::runner {

template <>
struct EnumNames<Precision> {
  static constexpr Names<Precision, 3> names = {
      {{"fp32", Precision::fp32}, {"tf32", Precision::tf32}, {"bf16", Precision::bf16}}};
};
template <>
struct EnumNames<ConvEngine> {
  static constexpr const auto& names = kConvEngineNames;
};
template <>
struct EnumNames<PartitionSettings::Kind> {
  using Kind = PartitionSettings::Kind;
  static constexpr Names<Kind, 3> names = {
      {{"iid", Kind::iid}, {"k-label", Kind::k_label}, {"dirichlet", Kind::dirichlet}}};
};
template <>
struct EnumNames<OptimizerSettings::Kind> {
  using Kind = OptimizerSettings::Kind;
  static constexpr Names<Kind, 2> names = {{{"sgd", Kind::sgd}, {"adam", Kind::adam}}};
};
template <>
struct EnumNames<FederationSettings::Keep> {
  using Keep = FederationSettings::Keep;
  static constexpr Names<Keep, 2> names = {{{"last", Keep::last}, {"best", Keep::best}}};
};
template <>
struct EnumNames<Initialization> {
  static constexpr Names<Initialization, 3> names = {{
      {"uniform-fan-in", Initialization::uniform_fan_in},
      {"he", Initialization::he},
      {"xavier", Initialization::xavier},
  }};
};
template <>
struct Description<PartitionSettings> {
  static void shorthand(const YamlValue& value, PartitionSettings& to) { read(value, to.kind, {}); }
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind, "how training images are dealt out");
    if (s.kind == PartitionSettings::Kind::k_label) {
      v.field("labels", s.labels, "labels a client holds", at_least(1));
    }
    if (s.kind == PartitionSettings::Kind::dirichlet) {
      v.field("alpha", s.alpha, "concentration: small is skewed", above(0));
    }
  }
};

template <>
struct Description<NormalizationSettings> {
  static void shorthand(const YamlValue& value, NormalizationSettings& to);
  static void write(YAML::Emitter& emitter, const NormalizationSettings& settings);
  template <class V, class S>
  static void visit(V& v, S& s) {
    s.kind = NormalizationSettings::Kind::given;
    v.field("mean", s.given.mean, "a channel's mean, of byte / 255");
    v.field("std", s.given.deviation, "a channel's deviation", above(0));
  }
};

template <>
struct Description<DataSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("dataset", s.dataset.name, "name of the data set");
    v.field("directory", s.dataset.directory, "where its files lie; null: looked for");
    v.field("train_samples", s.dataset.train_samples, "training images used; null: all",
            at_least(1));
    v.field("validation_samples", s.validation_samples,
            "training images kept by the server, never given to a client", at_least(0));
    v.field("normalize", s.normalize, "how bytes become numbers");
    v.field("shuffle", s.shuffle, "a fresh order each epoch; false: file order");
    v.field("partition", s.partition, "who holds which images");
  }
};

/// `relu`, or a map of one key, the kind, over its first argument or a map of arguments.
template <>
struct Description<LayerSpec> {
  static void shorthand(const YamlValue& value, LayerSpec& to);
  static void write(YAML::Emitter& emitter, const LayerSpec& spec);
};
template <>
void read(const YamlValue& value, LayerSpec& to, const Limits& limits);

template <>
struct Description<ModelSettings> {
  static void shorthand(const YamlValue& value, ModelSettings& to) { to.preset = read_text(value); }
  template <class V, class S>
  static void visit(V& v, S& s) {
    if (V::reads || !s.preset.empty()) v.field("preset", s.preset, "a named network");
    if (V::reads || !s.layers.empty()) v.field("layers", s.layers, "or its layers, one by one");
    v.field("initialization", s.initialization, "how weights start; null: the preset's way");
    v.field("initial", s.initial, "a safetensors file to start from");
  }
};

template <>
struct Description<OptimizerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind, "the optimizer; its state is fresh in each round");
    v.field("lr", s.learning_rate, "learning rate", above(0));
    if (s.kind == OptimizerSettings::Kind::sgd) {
      v.field("momentum", s.momentum, "momentum", between(0, 1));
    } else {
      v.field("beta1", s.beta1, "decay of the first moment", from_to_below(0, 1));
      v.field("beta2", s.beta2, "decay of the second moment", from_to_below(0, 1));
      v.field("epsilon", s.epsilon, "added to the root of the second moment", above(0));
    }
    v.field("weight_decay", s.weight_decay, "times the parameters, added to the gradient",
            at_least(0));
  }
};

template <>
struct Description<LocalTraining> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("epochs", s.epochs, "passes over a client's data in a round", at_least(1));
    v.field("batch", s.batch, "images a step", between(1, 65536));
    v.field("optimizer", s.optimizer, "how a client steps");
    v.field("last_conv_l2", s.last_conv_l2, "lambda of an L2 loss on the last conv layer",
            at_least(0));
  }
};

template <>
struct Description<FederationSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("clients", s.clients, "how many clients there are", between(1, 1e6));
    v.field_or("clients_per_round", s.clients_per_round, "all", "drawn anew each round",
               at_least(1));
    v.field("rounds", s.rounds, "rounds of training", between(0, 1e6));
    v.field("server_lr", s.server_lr, "times the aggregate, added to the global model", above(0));
    v.field("lr_decay", s.lr_decay, "the local learning rate's factor from round to round",
            between(0, 1));
    v.field("keep", s.keep, "the last model, or the best on the server's validation images");
    v.field("evaluate_every", s.evaluate_every,
            "rounds from one test of the model to the next; the last round is tested, too",
            at_least(1));
    v.field("wave", s.wave, "clients trained side by side; null: from free memory", at_least(1));
    v.field("local", s.local, "what a client does in a round");
  }
};

template <>
struct Description<OutputSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("directory", s.directory, "runs go into <directory>/<name>");
    v.field("checkpoint_every", s.checkpoint_every, "rounds; 0: only when stopped", at_least(0));
  }
};

template <>
struct Description<Experiment> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("name", s.name, "names the run's folder");
    v.field("seed", s.seed, "all chance comes from it", at_least(0));
    v.field("device", s.device, "auto, cpu, cuda or cuda:1");
    v.field("precision", s.arithmetic.precision, "of products on CUDA; a CPU is always fp32");
    v.field("conv_engine", s.arithmetic.conv_engine, "how convolutions are computed on CUDA");
    v.field("threads", s.threads, "CPU threads; null: all; results do not depend on it",
            between(1, 4096));
    v.field("data", s.data, "images");
    v.field("model", s.model, "the network");
    v.field("federation", s.federation, "clients and rounds");
    v.part("attack", s.attack, default_attack(s.data.dataset.name), "absent: no attack");
    v.field("defense", s.defense, "aggregation rule and stages after training");
    v.field("output", s.output, "what is written where");
  }
};

}  // namespace redoubt::runner
