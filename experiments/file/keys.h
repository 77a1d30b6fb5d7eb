// Every key of an experiment file: its name, where it lands, its range and what it means. DESIGN's
// order.
#pragma once

#include "experiments/file/attack_keys.h"
#include "experiments/file/defense_keys.h"
#include "experiments/file/description.h"
#include "experiments/file/experiment_file.h"
#include "kernels/conv/engines.h"

namespace redoubt::experiments {

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

/// What `data.dataset` and `model.preset` may name.
std::vector<std::string> dataset_names();
std::vector<std::string> preset_names();

template <>
struct Description<PartitionSettings> {
  static auto& shorthand(PartitionSettings& to) { return to.kind; }
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind,
            "iid: shuffled and dealt out; k-label: each client holds images of `labels` labels, "
            "all equally many; dirichlet: each class in shares drawn from Dirichlet(alpha)");
    if (s.kind == PartitionSettings::Kind::k_label) {
      v.field("labels", s.labels, "how many labels a client holds", at_least(1));
    }
    if (s.kind == PartitionSettings::Kind::dirichlet) {
      v.field("alpha", s.alpha,
              "concentration of the Dirichlet distribution: the smaller, the more uneven",
              above(0));
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
    v.field("mean", s.given.mean, "a mean for each colour channel, of byte / 255");
    v.field("std", s.given.deviation, "a deviation for each colour channel, of byte / 255",
            above(0));
  }
};

template <>
struct Description<DataSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.word("dataset", s.dataset.name, dataset_names(), "a data set", "the images");
    v.field("directory", s.dataset.directory,
            "where its files lie; null: $REDOUBT_DATA/<dataset>, then the system's place");
    v.field("train_samples", s.dataset.train_samples,
            "how many training images are used, equally many a class; null: all", at_least(1));
    v.field("validation_samples", s.validation_samples,
            "training images that the server keeps, equally many a class, and no client gets",
            at_least(0));
    v.field("normalize", s.normalize,
            "standard: less the training split's mean, by its deviation; unit: byte / 255; or "
            "given means and deviations");
    v.field("shuffle", s.shuffle,
            "whether samples come in a fresh order each epoch; false: file order, to compare with "
            "another program");
    v.field("partition", s.partition, "which client holds which training images");
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
  static void shorthand(const YamlValue& value, ModelSettings& to);
  template <class V, class S>
  static void visit(V& v, S& s) {
    if (!V::writes || !s.preset.empty()) {
      v.word("preset", s.preset, preset_names(), "a model preset", "a network of the literature");
    }
    if (!V::writes || !s.layers.empty()) {
      v.field("layers", s.layers, "instead of a preset: layers from input to output");
    }
    v.field("initialization", s.initialization,
            "how weights start: uniform-fan-in as in PyTorch, he, or xavier; null: as the preset's "
            "paper, else uniform-fan-in");
    v.field("initial", s.initial,
            "a safetensors file whose weights training starts from, and whose pruned channels and "
            "limits of inputs, if it has any, stay; null: from initialization");
    v.field("initial_checksum", s.initial_checksum,
            "the CRC-32 of that file, which a run notes down, so that another file of the same "
            "name is not taken for it; null: any");
  }
};

template <>
struct Description<OptimizerSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("kind", s.kind, "sgd or adam; a client's optimizer state starts fresh in each round");
    v.field("lr", s.learning_rate, "local learning rate of the first round", above(0));
    if (s.kind == OptimizerSettings::Kind::sgd) {
      v.field("momentum", s.momentum, "momentum: v = momentum * v + gradient, w = w - lr * v",
              between(0, 1));
    } else {
      v.field("beta1", s.beta1, "decay of the first moment", from_to_below(0, 1));
      v.field("beta2", s.beta2, "decay of the second moment", from_to_below(0, 1));
      v.field("epsilon", s.epsilon, "added to the root of the second moment", above(0));
    }
    v.field("weight_decay", s.weight_decay,
            "weight decay: times the parameters, added to the gradient", at_least(0));
  }
};

template <>
struct Description<LocalTraining> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("epochs", s.epochs, "passes over a client's data in a round", at_least(1));
    v.field("batch", s.batch, "images a step; the last batch of an epoch may be smaller",
            between(1, 65536));
    v.field("optimizer", s.optimizer, "the optimizer that clients train with");
    v.field("last_conv_l2", s.last_conv_l2,
            "lambda of an extra loss lambda * |w|^2 on the last conv layer's weights (Wu et al., "
            "section VI-A)",
            at_least(0));
  }
};

template <>
struct Description<FederationSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("clients", s.clients, "how many clients there are", between(1, 1e6));
    v.field_or("clients_per_round", s.clients_per_round, "all",
               "how many clients take part in a round, drawn anew each time; all: everyone",
               at_least(1));
    v.field("rounds", s.rounds, "rounds of federated training, before the stages", between(0, 1e6));
    v.field("server_lr", s.server_lr, "server learning rate eta: global = global + eta * aggregate",
            above(0));
    v.field("lr_decay", s.lr_decay, "the local learning rate of round t is lr * lr_decay^(t-1)",
            between(0, 1));
    v.field("keep", s.keep,
            "which model leaves training: that of the last round, or of the round best on the "
            "server's validation images");
    v.field("evaluate_every", s.evaluate_every,
            "rounds from one test of the model to the next; the last round is tested, too",
            at_least(1));
    v.field("wave", s.wave,
            "how many clients are trained side by side; null: as many as fit; a CPU's results do "
            "not depend on it",
            at_least(1));
    v.field("local", s.local, "what a client does in a round");
  }
};

template <>
struct Description<OutputSettings> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("directory", s.directory, "a run goes into <directory>/<name>");
    v.field("checkpoint_every", s.checkpoint_every,
            "rounds between checkpoints; 0: only when stopped", at_least(0));
  }
};

template <>
struct Description<Experiment> {
  template <class V, class S>
  static void visit(V& v, S& s) {
    v.field("name", s.name, "names the run's folder; left out: the file's name without its ending");
    v.field("seed", s.seed, "all random numbers come from it", at_least(0));
    v.field("device", s.device,
            "auto: a GPU if there is one; cpu; cuda; or cuda:K, the K-th GPU, counted from 0");
    v.field("precision", s.arithmetic.precision,
            "arithmetic of products on CUDA; a CPU is always fp32");
    v.field("conv_engine", s.arithmetic.conv_engine,
            "how convolutions are computed on CUDA: automatic, whichever engine is fastest for a "
            "shape; columns, cuBLAS; implicit, own tiles; cudnn");
    v.field("threads", s.threads, "CPU threads; null: all; results do not depend on them",
            between(1, 4096));
    v.field("data", s.data, "images and who holds them");
    v.required("model", s.model, "the network: a preset's name, or a map");
    v.field("federation", s.federation, "clients and rounds");
    v.part("attack", s.attack, default_attack(s.data.dataset.name),
           "what malicious clients do; left out or null: nobody is malicious");
    v.field("defense", s.defense,
            "what the server does against it: aggregation rule and stages after training");
    v.field("output", s.output, "where a run's files go");
  }
};

}  // namespace redoubt::experiments
