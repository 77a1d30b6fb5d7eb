// A round's updates as a matrix, one row a client, and what rules measure of it. Lengths and
// distances are over the columns that are trained. A batch norm's running statistics lie in the
// same rows but are no weights: a variance may move by thousands where all weights together move by
// one, and would then be all that a distance tells. Rules and attackers measure without them; what
// comes of it, a client's weight, is the whole row's.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/buffer.h"
#include "engine/parameter_layout.h"
#include "fl/record.h"
#include "kernels/gather.h"
#include "kernels/rows.h"

namespace redoubt {

/// What a rule tells of a round, by name.
using Diagnostics = std::vector<std::pair<std::string, RecordValue>>;

/// Names of the diagnostics that any rule which scores clients has.
inline constexpr const char* kScoredClients = "scored_clients";  ///< their ids
inline constexpr const char* kClientScores = "client_scores";    ///< in the order of the ids

/// What a rule sees: finite updates only, one row a client, and how many samples each says it
/// holds. The columns are those that this process holds, today all of them; what the functions
/// measure is of all columns, so that a group of processes can hold a part each.
struct UpdateMatrix {
  kernels::MatrixShape shape;             ///< [clients x row]
  kernels::Replicas<const float> matrix;  ///< client model minus global model
  std::span<const double> sample_counts;  ///< [clients]
  std::span<const int> clients;           ///< [clients] their ids, ascending
  const float* global = nullptr;          ///< [row] the model that the updates are to change
  const float* mask = nullptr;            ///< [mask row] its channels; absent: all are heard
  const float* kept = nullptr;            ///< [row] GlobalModel::kept; absent: no weight stays 0
  kernels::ByteRange inputs = {};         ///< what it hears of an image
  int round = 1;                          ///< counted from 1
  float learning_rate = 0;                ///< that the clients were told to train with
  /// Columns that lengths and distances are of, ParameterLayout's of the same name: padding, which
  /// is 0, included. Sums are cut where a range ends, so by the model alone.
  std::vector<ColumnRange> trained_ranges = {};
  /// All other columns: statistics of batch norm, whose mean over the clients is the server's.
  std::vector<ColumnRange> statistic_ranges = {};
  /// Those that are trained without padding: the columns that noise may go to.
  std::vector<ColumnRange> trained_tensors = {};

  /// [clients] the L2 norm of each row.
  std::vector<double> lengths(Context& context) const;
  /// [clients x clients] squared L2 distances between the rows, from the products of what is left
  /// of them without their mean.
  std::vector<double> squared_distances(Context& context) const;
  /// [clients] the L2 distance of each row to mean = Σ weights[r] · row r, of which the columns
  /// that count are written.
  std::vector<double> mean_and_distances(Context& context, std::span<const double> weights,
                                         float* mean) const;
  /// [row] Σ weights[r] · row r of what is trained and Σ shares[r] · row r of statistics, which are
  /// averaged whatever a rule scales.
  Buffer<float> combined(Context& context, std::span<const double> weights,
                         std::span<const double> shares) const;
  /// A row's values in these columns, one range after the other, on the host.
  std::vector<float> columns_of(Context& context, int row,
                                std::span<const ColumnRange> columns) const;
  /// The diagnostics of a rule that gives each client a score, scores [clients].
  Diagnostics scored(std::vector<double> scores) const;
};

/// The L2 norm of one update on the device, over the columns `ranges`.
double update_length(Context& context, const float* update, std::span<const ColumnRange> ranges);

}  // namespace redoubt
