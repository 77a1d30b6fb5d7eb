// Lengths and distances of updates, over the columns that are trained. A batch norm's running
// statistics lie in the same rows but are no weights: a variance may move by thousands where all
// weights together move by one, and would then be all that a distance tells. Rules and attackers
// measure without them; what comes of it, a client's weight, is the whole row's.
#pragma once

#include <span>

#include "engine/parameter_layout.h"
#include "kernels/rows.h"

namespace redoubt {

/// A matrix [rows x columns] of updates, and which columns count: all, if `trained` is empty.
struct MeasuredRows {
  kernels::MatrixShape shape;
  kernels::Replicas<const float> matrix;
  std::span<const ColumnRange> trained;
};

/// [rows] the L2 norm of each row.
std::vector<double> lengths(Context& context, const MeasuredRows& rows);

/// [rows] the L2 distance of each row to mean = Σ weights[r] · row r, of which the columns that
/// count are written.
std::vector<double> mean_and_distances(Context& context, const MeasuredRows& rows,
                                       std::span<const double> weights, float* mean);

/// [rows x rows] the products of all pairs of rows.
std::vector<double> products(Context& context, const MeasuredRows& rows);

}  // namespace redoubt
