// Cases of what acts on rows of parameters: optimizers, aggregation, weights.
#include <algorithm>

#include "kernels/columns.h"
#include "kernels/rows.h"
#include "kernels/terms.h"
#include "kernels/update.h"
#include "kernels/weights.h"
#include "tests/benchmark/operation_case.h"

namespace redoubt::benchmarks {

using kernels::MatrixShape;
using kernels::Replicas;

void add_updates(int replicas, std::int64_t size, const std::string& path, OperationCases& cases) {
  const double bytes = float_bytes(replicas * size);
  cases.push_back({"sgd/" + path, 0, 5 * bytes, [=](Device device) {
                     const Values gradient(device, replicas, size);
                     const Values parameter(device, replicas, size);
                     const Values velocity(device, replicas, size);
                     return [=](Context& context) {
                       kernels::sgd(context, replicas, size,
                                    {.learning_rate = 1e-6F, .momentum = 0.9F}, gradient.view(),
                                    parameter.view(), velocity.view());
                     };
                   }});
  cases.push_back({"adam/" + path, 0, 7 * bytes, [=](Device device) {
                     const Values gradient(device, replicas, size);
                     const Values parameter(device, replicas, size);
                     const Values first(device, replicas, size);
                     const auto second = array_of(
                         device, std::vector<float>(static_cast<std::size_t>(replicas * size)));
                     const auto step = array_of(device, std::vector<std::int32_t>{9});
                     return [=](Context& context) {
                       kernels::adam(context, replicas, size, {.learning_rate = 1e-6F},
                                     step->data(), gradient.view(), parameter.view(), first.view(),
                                     second->replicas(size));
                     };
                   }});
  // The one row that distances are from stays in a cache.
  cases.push_back({"mix_squared_distance/" + path, 0, 3 * bytes, [=](Device device) {
                     const Values anchor(device, 1, size);
                     const Values values(device, replicas, size);
                     const Values gradients(device, replicas, size);
                     return [=](Context& context) {
                       kernels::mix_squared_distance(context, {replicas, size},
                                                     {.rho = 0.1F, .anchor = anchor.data()},
                                                     values.view(), gradients.view());
                     };
                   }});
  cases.push_back({"mix_cosine_distance/" + path, 0, 4 * bytes, [=](Device device) {
                     const Values anchor(device, 1, size);
                     const Values direction(device, 1, size);
                     const Values values(device, replicas, size);
                     const Values gradients(device, replicas, size);
                     return [=](Context& context) {
                       kernels::mix_cosine_distance(
                           context, {replicas, size},
                           {.rho = 0.1F, .anchor = anchor.data(), .direction = direction.data()},
                           values.view(), gradients.view());
                     };
                   }});
}

namespace {

/// Adds cases of one matrix [rows x columns] and one row.
class MatrixCases {
 public:
  MatrixCases(int rows, std::int64_t columns, const std::string& path, OperationCases& cases)
      : shape_{.rows = rows, .columns = columns}, path_(path), cases_(cases) {}

  double matrix_bytes() const { return float_bytes(shape_.rows * shape_.columns); }
  double row_bytes() const { return float_bytes(shape_.columns); }

  template <class Call>
  void add(const std::string& name, double flops, double bytes, const Call& call) {
    cases_.push_back({name + "/" + path_, flops, bytes, [s = shape_, call](Device device) {
                        const Values models(device, s.rows, s.columns);
                        const Values row(device, 1, s.columns);
                        return
                            [=](Context& context) { call(context, s, models.view(), row.data()); };
                      }});
  }

 private:
  MatrixShape shape_;
  std::string path_;
  OperationCases& cases_;
};

}  // namespace

void add_rows(int rows, std::int64_t size, const std::string& path, OperationCases& cases) {
  MatrixCases all(rows, size, path, cases);
  const double matrix = all.matrix_bytes();
  const auto count = static_cast<std::size_t>(rows);
  all.add("subtract_row", 0, 2 * matrix,
          [](Context& context, const MatrixShape& s, Replicas<float> models, const float* row) {
            kernels::subtract_row(context, s, row, models);
          });
  all.add("scale_rows", 0, 2 * matrix,
          [count](Context& context, const MatrixShape& s, Replicas<float> models, const float*) {
            const std::vector<float> factors(count, 1.0F);
            kernels::scale_rows(context, s, factors, models);
          });
  all.add("axpy_row", 0, 2 * matrix,
          [](Context& context, const MatrixShape& s, Replicas<float> models, const float* row) {
            kernels::axpy_rows(context, s, 1e-6F, {row, 0}, models);
          });
  all.add("weighted_sum_rows", 0, matrix + all.row_bytes(),
          [count](Context& context, const MatrixShape& s, Replicas<float> models, float* row) {
            const std::vector<double> weights(count, 0.1);
            kernels::weighted_sum_rows(context, s, weights, models, row);
          });
  all.add("squared_norms", 0, matrix,
          [count](Context& context, const MatrixShape& s, Replicas<float> models, const float*) {
            std::vector<double> norms(count);
            kernels::squared_norms(context, s, models, norms);
          });
  all.add(
      "squared_distances", 0, matrix,
      [count](Context& context, const MatrixShape& s, Replicas<float> models, const float* row) {
        std::vector<double> distances(count);
        kernels::squared_distances(context, s, models, row, distances);
      });
  all.add("finite_rows", 0, matrix,
          [count](Context& context, const MatrixShape& s, Replicas<float> models, const float*) {
            std::vector<std::uint8_t> finite(count);
            kernels::finite_rows(context, s, models, finite);
          });
  cases.push_back({"add_rows/" + path, 0, 3 * matrix, [=](Device device) {
                     const MatrixShape s = {.rows = rows, .columns = size};
                     const Values x(device, rows, size), y(device, rows, size);
                     const Values output(device, rows, size);
                     return [=](Context& context) {
                       kernels::add_rows(context, s, x.view(), y.view(), output.view());
                     };
                   }});
  cases.push_back(
      {"add_weighted_rows/" + path, 0, matrix + 4 * all.row_bytes(), [=](Device device) {
         const MatrixShape s = {.rows = rows, .columns = size};
         const Values models(device, rows, size);
         const auto sum = std::make_shared<Buffer<double>>(device, size);
         return [=](Context& context) {
           const std::vector<double> weights(count, 0.1);
           kernels::add_weighted_rows(context, s, weights, models.view(), sum->data());
         };
       }});
}

void add_gram(int rows, std::int64_t size, const std::string& path, OperationCases& cases) {
  MatrixCases all(rows, size, path, cases);
  const auto count = static_cast<std::size_t>(rows);
  all.add("gram", static_cast<double>(rows * (rows + 1) * size), all.matrix_bytes(),
          [count](Context& context, const MatrixShape& s, Replicas<float> models, const float*) {
            std::vector<double> products(count * count);
            kernels::gram(context, s, models, products);
          });
  cases.back().in_double = true;
}

void add_columns(int rows, std::int64_t size, const std::string& path, OperationCases& cases) {
  MatrixCases all(rows, size, path, cases);
  const double bytes = all.matrix_bytes() + all.row_bytes();
  all.add("trimmed_mean_columns", 0, bytes,
          [](Context& context, const MatrixShape& s, Replicas<float> models, float* row) {
            kernels::trimmed_mean_columns(context, s, s.rows / 10, models, row);
          });
  all.add("median_columns", 0, bytes,
          [](Context& context, const MatrixShape& s, Replicas<float> models, float* row) {
            kernels::trimmed_mean_columns(context, s, (s.rows - 1) / 2, models, row);
          });
  all.add("mean_near_median_columns", 0, bytes,
          [](Context& context, const MatrixShape& s, Replicas<float> models, float* row) {
            kernels::mean_near_median_columns(context, s, s.rows / 2, models, row);
          });
  all.add("shifted_mean_columns", 0, bytes,
          [](Context& context, const MatrixShape& s, Replicas<float> models, float* row) {
            const std::vector<double> weights(static_cast<std::size_t>(s.rows), 1.0);
            kernels::shifted_mean_columns(context, s, weights, 0.5, models, row);
          });
}

void add_weights(int replicas, int channels, std::int64_t per_channel, const std::string& path,
                 OperationCases& cases) {
  const kernels::WeightShape layer = {.channels = channels, .per_channel = per_channel};
  const kernels::WeightShape all = {.channels = replicas * channels, .per_channel = per_channel};
  const std::int64_t size = std::int64_t{all.channels} * per_channel;
  // Once: the deviation is of what the mean was of.
  cases.push_back({"weight_moments/" + path, 0, float_bytes(size), [=](Device device) {
                     const Values weights(device, 1, size);
                     return [=](Context& context) {
                       kernels::weight_moments(context, all, weights.data(), nullptr);
                     };
                   }});
  // Nothing is beyond the bounds, so nothing is written.
  cases.push_back({"zero_weights_outside/" + path, 0, float_bytes(size), [=](Device device) {
                     const Values weights(device, 1, size);
                     return [=](Context& context) {
                       kernels::zero_weights_outside(context, all, -2, 2, nullptr, weights.data());
                     };
                   }});
  // A replica's layer stays in registers or a cache, and nothing is beyond the bounds.
  cases.push_back({"clip_to_deviations/" + path, 0, float_bytes(size), [=](Device device) {
                     const Values weights(device, replicas, size / replicas);
                     return [=](Context& context) {
                       kernels::clip_to_deviations(context, {replicas}, layer, 3, {},
                                                   weights.view());
                     };
                   }});
}

}  // namespace redoubt::benchmarks
