// What an experiment says about the defense.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace redoubt {

/// When a sweep stops: at the first level past the limit; the level before it is taken.
struct StopRule {
  /// Most accuracy that may be lost, as a fraction of 1, against the model before the stage.
  std::optional<double> accuracy_drop = 0.01;
  /// Most mean loss that may be gained. Both may be given.
  std::optional<double> loss_rise = {};
  bool operator==(const StopRule&) const = default;
};

/// Who judges a model during a stage.
enum class Judge : std::uint8_t {
  automatic,   ///< the server if it holds validation images, else the clients
  validation,  ///< the server's validation images
  clients,     ///< the mean of the accuracies that clients report on their own data
};

/// Federated pruning (Wu et al. 2020, section IV-A).
struct PruneSettings {
  enum class Vote : std::uint8_t {
    ranking,   ///< RAP: clients report ranks of dormancy; the mean rank decides
    majority,  ///< MVP: clients vote for their share `rate` of most dormant channels; votes decide
  };
  /// Majority votes tie often.
  enum class Ties : std::uint8_t {
    mean_rank,  ///< by the mean rank, which clients then report beside their votes
    index,      ///< by channel index
  };
  Vote vote = Vote::ranking;
  double rate = 0.5;  ///< majority vote only: share p of the layer's channels a client votes for
  Ties ties = Ties::mean_rank;  ///< majority vote only
  std::string layer = "last";   ///< a conv layer's name, or "last"
  Judge judge = Judge::automatic;
  StopRule stop = {};
  std::optional<int> channels = {};  ///< prune exactly so many and ask no judge
  bool operator==(const PruneSettings&) const = default;
};

/// Federated fine-tuning (section IV-B): training rounds under the masks, the attacker still among
/// the clients.
struct FineTuneSettings {
  int rounds = 10;
  std::optional<float> learning_rate = {};  ///< absent: what the training rounds ended with
  bool operator==(const FineTuneSettings&) const = default;
};

/// Adjusting extreme weights (section IV-C): weights of a conv layer outside μ ± Δσ become 0.
struct AdjustWeightsSettings {
  std::string layer = "last";
  std::optional<double> delta = {};  ///< Δ, fixed; absent: swept downward as below
  double from = 5.0;
  double to = 0.5;
  double step = 0.25;
  Judge judge = Judge::automatic;
  StopRule stop = {};
  bool operator==(const AdjustWeightsSettings&) const = default;
};

/// Limiting extreme inputs (Wu et al. 2022): bytes of an image that are nearer than `margin` to an
/// end of [0, 255] are clamped to the byte at that distance.
struct LimitInputsSettings {
  enum class Ends : std::uint8_t { both, bright, dark };
  Ends ends = Ends::bright;
  std::optional<int> margin = {};  ///< fixed; absent: swept upward as below
  int from = 10;
  int to = 120;
  int step = 10;
  Judge judge = Judge::automatic;
  StopRule stop = {};
  bool operator==(const LimitInputsSettings&) const = default;
};

/// A stage. The order is that of stage_table().
using StageSettings =
    std::variant<PruneSettings, FineTuneSettings, AdjustWeightsSettings, LimitInputsSettings>;

struct FedAvgSettings {
  bool operator==(const FedAvgSettings&) const = default;
};

/// How a conv layer's weights [out][in][height][width] are cut.
struct FragmentSettings {
  enum class Kind : std::uint8_t {
    kernel,  ///< one [height][width] kernel for each pair of an out and an in channel
    filter,  ///< one [in][height][width] filter for each out channel
    block,   ///< so many numbers in the order of memory; a last shorter piece is left out
  };
  Kind kind = Kind::kernel;
  int block = 9;  ///< numbers of a block
  bool operator==(const FragmentSettings&) const = default;
};

/// How ARIBA scores fragments.
struct DetectorSettings {
  enum class Kind : std::uint8_t {
    mahalanobis,         ///< ARIBA, algorithm 2
    robust_covariance,   ///< Mahalanobis by the minimum covariance determinant
    nearest_neighbours,  ///< distance to the k-th nearest fragment
  };
  Kind kind = Kind::mahalanobis;
  double support = 0.75;  ///< robust covariance: share of the fragments that count
  int neighbours = 20;    ///< nearest neighbours: k
  bool operator==(const DetectorSettings&) const = default;
};

/// f of the rules below: as many malicious clients in a round are put up with.
struct KrumSettings {
  int malicious = 1;
  bool operator==(const KrumSettings&) const = default;
};
struct MultiKrumSettings {
  int malicious = 1;
  std::optional<int> selected = {};  ///< updates that are averaged; absent: n - f
  bool operator==(const MultiKrumSettings&) const = default;
};
struct BulyanSettings {
  int malicious = 1;
  bool operator==(const BulyanSettings&) const = default;
};
struct TrimmedMeanSettings {
  int malicious = 1;  ///< values left out at either end of a column
  bool operator==(const TrimmedMeanSettings&) const = default;
};
struct MedianSettings {
  bool operator==(const MedianSettings&) const = default;
};

/// RFA: the smoothed Weiszfeld algorithm.
struct GeometricMedianSettings {
  int iterations = 10;
  double smoothing = 1e-6;  ///< ν
  bool operator==(const GeometricMedianSettings&) const = default;
};

struct NormBoundSettings {
  double norm = 1;   ///< M, the longest update that counts in full
  double noise = 0;  ///< σ of the Gaussian noise on the result
  bool operator==(const NormBoundSettings&) const = default;
};
struct NormCheckSettings {
  std::optional<double> norm = {};  ///< the longest update that counts; absent: by the median
  double times_median = 2;
  bool operator==(const NormCheckSettings&) const = default;
};
struct AccuracyCheckSettings {
  double drop = 0.05;  ///< accuracy that an update may lose against the median client's
  bool operator==(const AccuracyCheckSettings&) const = default;
};

struct FoolsGoldSettings {
  /// What histories are made of.
  enum class Features : std::uint8_t { output_layer, all };
  Features features = Features::output_layer;
  double confidence = 1;  ///< κ
  bool operator==(const FoolsGoldSettings&) const = default;
};

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
  Threshold threshold = Threshold::mean;
  bool operator==(const SpectralSettings&) const = default;
};

/// Fragments to be written into the run's folder, for plots.
struct FragmentExport {
  int round = 1;
  std::optional<std::vector<int>> clients = {};  ///< ids; absent: all
  bool operator==(const FragmentExport&) const = default;
};

/// ARIBA (Mi et al.), algorithm 2.
struct AribaSettings {
  int suspects = 10;  ///< k̃, clients to leave out of a round
  /// Conv layers by name; "middle" and "last" are words for one.
  std::vector<std::string> layers = {"middle"};
  FragmentSettings fragments = {};
  DetectorSettings detector = {};
  std::optional<FragmentExport> fragments_of = {};
  bool operator==(const AribaSettings&) const = default;
};

/// An aggregation rule. The order is that of rule_table().
using RuleSettings = std::variant<FedAvgSettings, KrumSettings, MultiKrumSettings, BulyanSettings,
                                  TrimmedMeanSettings, MedianSettings, GeometricMedianSettings,
                                  NormBoundSettings, NormCheckSettings, AccuracyCheckSettings,
                                  FoolsGoldSettings, SpectralSettings, AribaSettings>;

/// Stages after training, in their order.
struct Pipeline {
  std::string name;  ///< empty where it is the only one
  std::vector<StageSettings> stages;
  bool operator==(const Pipeline&) const = default;
};

struct DefenseSettings {
  RuleSettings rule = {};
  /// Each starts from the trained model: one without a name, or several with names, or none.
  std::vector<Pipeline> pipelines;
  bool operator==(const DefenseSettings&) const = default;
};

}  // namespace redoubt
