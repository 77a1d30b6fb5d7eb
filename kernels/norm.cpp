#include "kernels/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/multiversion.h"

namespace redoubt::kernels {

namespace {

/// Σ (x - centre) and Σ (x - centre)² over a channel's valid values.
struct Sums {
  double first = 0;
  double second = 0;
};

REDOUBT_MULTIVERSION
Sums sums_around(int positions, int batch, int valid, double centre, const float* values) {
  double first = 0;
  double second = 0;
  for (int p = 0; p < positions; ++p) {
    const float* row = values + static_cast<std::int64_t>(p) * batch;
#pragma omp simd reduction(+ : first, second)
    for (int n = 0; n < valid; ++n) {
      const double distance = static_cast<double>(row[n]) - centre;
      first += distance;
      second += distance * distance;
    }
  }
  return {first, second};
}

/// Σ dy and Σ dy · (x - mean) over a channel's valid values.
REDOUBT_MULTIVERSION
Sums gradient_sums(int positions, int batch, int valid, double mean, const float* values,
                   const float* gradient) {
  double first = 0;
  double second = 0;
  for (int p = 0; p < positions; ++p) {
    const float* x = values + static_cast<std::int64_t>(p) * batch;
    const float* dy = gradient + static_cast<std::int64_t>(p) * batch;
#pragma omp simd reduction(+ : first, second)
    for (int n = 0; n < valid; ++n) {
      const auto slope = static_cast<double>(dy[n]);
      first += slope;
      second += slope * (static_cast<double>(x[n]) - mean);
    }
  }
  return {first, second};
}

REDOUBT_MULTIVERSION
void scale_and_shift(std::int64_t count, float centre, float scale, float shift, const float* input,
                     float* output) {
  for (std::int64_t i = 0; i < count; ++i) output[i] = (input[i] - centre) * scale + shift;
}

/// grad_input = scale · (dy - mean_dy - (x - mean) · slope) for valid images, else 0.
REDOUBT_MULTIVERSION
void input_gradient(int positions, int batch, int valid, float scale, float mean_dy, float mean,
                    float slope, const float* input, const float* grad_output, float* grad_input) {
  for (int p = 0; p < positions; ++p) {
    const std::int64_t at = static_cast<std::int64_t>(p) * batch;
    for (int n = 0; n < valid; ++n) {
      grad_input[at + n] = scale * (grad_output[at + n] - mean_dy - (input[at + n] - mean) * slope);
    }
    for (int n = valid; n < batch; ++n) grad_input[at + n] = 0;
  }
}

}  // namespace

void count_valid(Context& context, int replicas, int batch, Replicas<const std::int32_t> labels,
                 int* valid) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) return cuda::count_valid(context, replicas, batch, labels, valid);
  }
  for (int r = 0; r < replicas; ++r) {
    valid[r] = static_cast<int>(
        std::count_if(labels[r], labels[r] + batch, [](std::int32_t label) { return label >= 0; }));
  }
}

void batch_norm_training(Context& context, const ActivationShape& shape,
                         const BatchNormSettings& settings, const int* valid,
                         Replicas<const float> input, const BatchNormRows& rows,
                         Replicas<float> saved, Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::batch_norm_training(context, shape, settings, valid, input, rows, saved, output);
    }
  }
  const std::int64_t size = shape.channel_size();
  for (int r = 0; r < shape.replicas; ++r) {
    const double count = static_cast<double>(shape.positions) * valid[r];
    for (int c = 0; c < shape.channels; ++c) {
      const float* x = input[r] + c * size;
      double mean = 0;
      double variance = 0;
      if (count > 0) {
        mean = sums_around(shape.positions, shape.batch, valid[r], 0, x).first / count;
        variance = sums_around(shape.positions, shape.batch, valid[r], mean, x).second / count;
        const auto share = static_cast<double>(settings.momentum);
        const auto move = [&](float& running, double value) {
          running = static_cast<float>((1 - share) * static_cast<double>(running) + share * value);
        };
        move(rows.running_mean[r][c], mean);
        if (count > 1) move(rows.running_variance[r][c], variance * count / (count - 1));
      }
      const double inverse = 1 / std::sqrt(variance + static_cast<double>(settings.epsilon));
      saved[r][c] = static_cast<float>(mean);
      saved[r][shape.channels + c] = static_cast<float>(inverse);
      scale_and_shift(size, saved[r][c], saved[r][shape.channels + c] * rows.gamma[r][c],
                      rows.beta[r][c], x, output[r] + c * size);
    }
  }
}

void batch_norm_inference(Context& context, const ActivationShape& shape,
                          const BatchNormSettings& settings, Replicas<const float> input,
                          Replicas<const float> gamma, Replicas<const float> beta,
                          Replicas<const float> mean, Replicas<const float> variance,
                          Replicas<float> output) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::batch_norm_inference(context, shape, settings, input, gamma, beta, mean,
                                        variance, output);
    }
  }
  const std::int64_t size = shape.channel_size();
  for (int r = 0; r < shape.replicas; ++r) {
    for (int c = 0; c < shape.channels; ++c) {
      const double inverse = 1 / std::sqrt(static_cast<double>(variance[r][c]) +
                                           static_cast<double>(settings.epsilon));
      scale_and_shift(size, mean[r][c], static_cast<float>(inverse) * gamma[r][c], beta[r][c],
                      input[r] + c * size, output[r] + c * size);
    }
  }
}

void batch_norm_backward(Context& context, const ActivationShape& shape, const int* valid,
                         Replicas<const float> input, Replicas<const float> gamma,
                         Replicas<const float> saved, Replicas<const float> grad_output,
                         Replicas<float> grad_gamma, Replicas<float> grad_beta,
                         Replicas<float> grad_input) {
  if constexpr (kCudaBuilt) {
    if (on_cuda(context)) {
      return cuda::batch_norm_backward(context, shape, valid, input, gamma, saved, grad_output,
                                       grad_gamma, grad_beta, grad_input);
    }
  }
  const std::int64_t size = shape.channel_size();
  for (int r = 0; r < shape.replicas; ++r) {
    const double count = std::max(1.0, static_cast<double>(shape.positions) * valid[r]);
    for (int c = 0; c < shape.channels; ++c) {
      const float mean = saved[r][c];
      const float inverse = saved[r][shape.channels + c];
      const float* x = input[r] + c * size;
      const float* dy = grad_output[r] + c * size;
      const Sums sums =
          gradient_sums(shape.positions, shape.batch, valid[r], static_cast<double>(mean), x, dy);
      grad_beta[r][c] = static_cast<float>(sums.first);
      grad_gamma[r][c] = static_cast<float>(sums.second * static_cast<double>(inverse));
      if (!grad_input) continue;
      const double squared = static_cast<double>(inverse) * static_cast<double>(inverse);
      input_gradient(shape.positions, shape.batch, valid[r], gamma[r][c] * inverse,
                     static_cast<float>(sums.first / count), mean,
                     static_cast<float>(sums.second * squared / count), x, dy,
                     grad_input[r] + c * size);
    }
  }
}

}  // namespace redoubt::kernels
