// Pooling, ReLU, bias, loss and the optimizers.
#include <cmath>

#include "tests/reference/reference.h"

namespace redoubt::reference {

namespace {

std::size_t at(std::int64_t index) { return static_cast<std::size_t>(index); }

/// Calls body(output index, input index, place in the window) for every value under every window.
template <class Body>
void for_windows(const kernels::PoolShape& s, const Body& body) {
  for (int c = 0; c < s.channels; ++c) {
    for (int i = 0; i < s.out_height(); ++i) {
      for (int j = 0; j < s.out_width(); ++j) {
        for (int n = 0; n < s.batch; ++n) {
          const std::int64_t output =
              ((std::int64_t{c} * s.out_height() + i) * s.out_width() + j) * s.batch + n;
          for (int place = 0; place < s.window * s.window; ++place) {
            const int row = i * s.stride + place / s.window;
            const int column = j * s.stride + place % s.window;
            const std::int64_t input =
                ((std::int64_t{c} * s.height + row) * s.width + column) * s.batch + n;
            body(at(output), at(input), place);
          }
        }
      }
    }
  }
}

}  // namespace

Pooled max_pool(const kernels::PoolShape& shape, const Values& input) {
  Pooled result = {Values(at(shape.output_size())), Values(at(shape.output_size()))};
  for_windows(shape, [&](std::size_t o, std::size_t x, int place) {
    if (place != 0 && !(input[x] > result.output[o])) return;
    result.output[o] = input[x];
    result.argmax[o] = place;
  });
  if (shape.relu) {
    for (double& value : result.output) value = value > 0 ? value : 0;
  }
  return result;
}

Values max_pool_backward(const kernels::PoolShape& shape, const Values& input,
                         const Values& grad_output) {
  const Pooled pooled = max_pool(shape, input);
  Values grad_input(at(shape.input_size()), 0.0);
  for_windows(shape, [&](std::size_t o, std::size_t x, int place) {
    if (pooled.argmax[o] != place || (shape.relu && input[x] <= 0)) return;
    grad_input[x] += grad_output[o];
  });
  return grad_input;
}

Values average_pool(const kernels::PoolShape& shape, const Values& input) {
  Values output(at(shape.output_size()), 0.0);
  const double share = 1.0 / (shape.window * shape.window);
  for_windows(shape,
              [&](std::size_t o, std::size_t x, int /*place*/) { output[o] += share * input[x]; });
  return output;
}

Values average_pool_backward(const kernels::PoolShape& shape, const Values& grad_output) {
  Values grad_input(at(shape.input_size()), 0.0);
  const double share = 1.0 / (shape.window * shape.window);
  for_windows(shape, [&](std::size_t o, std::size_t x, int /*place*/) {
    grad_input[x] += share * grad_output[o];
  });
  return grad_input;
}

Values relu(int channels, const Values& input, const Values& mask) {
  Values output(input.size());
  const std::size_t channel = input.size() / at(channels);
  for (std::size_t i = 0; i < input.size(); ++i) {
    output[i] = (input[i] > 0 ? input[i] : 0) * (mask.empty() ? 1 : mask[i / channel]);
  }
  return output;
}

Values channel_sums(int channels, int batch, int valid, const Values& values) {
  Values sums(at(channels), 0.0);
  const std::size_t channel = values.size() / at(channels);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (static_cast<int>(i % at(batch)) < valid) sums[i / channel] += values[i];
  }
  return sums;
}

Values add_bias(const Values& values, const Values& bias) {
  Values output(values);
  const std::size_t channel = values.size() / bias.size();
  for (std::size_t i = 0; i < output.size(); ++i) output[i] += bias[i / channel];
  return output;
}

namespace {

Values softmax(int classes, int batch, const Values& logits, int image) {
  Values probabilities(at(classes));
  double total = 0;
  for (int c = 0; c < classes; ++c) {
    probabilities[at(c)] = std::exp(logits[at(c * batch + image)]);
    total += probabilities[at(c)];
  }
  for (double& value : probabilities) value /= total;
  return probabilities;
}

int real_images(const std::vector<int>& labels) {
  int count = 0;
  for (const int label : labels) count += label >= 0 ? 1 : 0;
  return count;
}

}  // namespace

double mean_cross_entropy(int classes, int batch, const Values& logits,
                          const std::vector<int>& labels) {
  double sum = 0;
  for (int n = 0; n < batch; ++n) {
    const int label = labels[at(n)];
    if (label >= 0) sum -= std::log(softmax(classes, batch, logits, n)[at(label)]);
  }
  const int count = real_images(labels);
  return count == 0 ? 0 : sum / count;
}

Values cross_entropy_gradient(int classes, int batch, const Values& logits,
                              const std::vector<int>& labels) {
  Values gradient(logits.size(), 0.0);
  const int count = real_images(labels);
  for (int n = 0; n < batch; ++n) {
    if (labels[at(n)] < 0) continue;
    const Values probabilities = softmax(classes, batch, logits, n);
    for (int c = 0; c < classes; ++c) {
      const double target = c == labels[at(n)] ? 1 : 0;
      gradient[at(c * batch + n)] = (probabilities[at(c)] - target) / count;
    }
  }
  return gradient;
}

int correct_count(int classes, int batch, const Values& logits, const std::vector<int>& labels) {
  int correct = 0;
  for (int n = 0; n < batch; ++n) {
    int best = 0;
    for (int c = 1; c < classes; ++c) {
      if (logits[at(c * batch + n)] > logits[at(best * batch + n)]) best = c;
    }
    correct += labels[at(n)] == best ? 1 : 0;
  }
  return correct;
}

void sgd(const kernels::SgdSettings& settings, const Values& gradients, Values& parameters,
         Values& velocity) {
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double g = gradients[i] + settings.weight_decay * parameters[i];
    velocity[i] = settings.momentum * velocity[i] + g;
    parameters[i] -= settings.learning_rate * velocity[i];
  }
}

void adam(const kernels::AdamSettings& settings, int step, const Values& gradients,
          Values& parameters, Values& first_moment, Values& second_moment) {
  const double beta1 = settings.beta1;
  const double beta2 = settings.beta2;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const double g = gradients[i] + settings.weight_decay * parameters[i];
    first_moment[i] = beta1 * first_moment[i] + (1 - beta1) * g;
    second_moment[i] = beta2 * second_moment[i] + (1 - beta2) * g * g;
    const double mean = first_moment[i] / (1 - std::pow(beta1, step));
    const double square = second_moment[i] / (1 - std::pow(beta2, step));
    parameters[i] -= settings.learning_rate * mean / (std::sqrt(square) + settings.epsilon);
  }
}

}  // namespace redoubt::reference
