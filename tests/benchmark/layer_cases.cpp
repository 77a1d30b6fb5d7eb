// Cases of what a network's layers call.
#include <dnnl.h>

#include "base/random.h"
#include "fl/image_store.h"
#include "kernels/activation.h"
#include "kernels/bias.h"
#include "kernels/conv/conv.h"
#include "kernels/dropout.h"
#include "kernels/gather.h"
#include "kernels/gemm.h"
#include "kernels/loss.h"
#include "kernels/norm.h"
#include "kernels/pool.h"
#include "tests/benchmark/operation_case.h"

namespace redoubt::benchmarks {

using kernels::Replicas;

namespace {

/// Masks that silence no channel, an empty record and whole batches: recording costs what it costs
/// where every channel is heard.
struct Effects {
  Effects(Device device, int replicas, int channels, int batch)
      : channels_(channels),
        mask_(array_of(device,
                       std::vector<float>(static_cast<std::size_t>(replicas * channels), 1.0F))),
        record_(
            array_of(device, std::vector<double>(static_cast<std::size_t>(replicas * channels)))),
        valid_(array_of(device, std::vector<int>(static_cast<std::size_t>(replicas), batch))) {}
  kernels::ChannelEffects all() const {
    return {.mask = mask_->replicas(channels_),
            .record = record_->replicas(channels_),
            .valid = valid_->data()};
  }

 private:
  int channels_;
  std::shared_ptr<Buffer<float>> mask_;
  std::shared_ptr<Buffer<double>> record_;
  std::shared_ptr<Buffer<int>> valid_;
};

}  // namespace

void add_conv(const kernels::ConvShape& s, const std::string& path, bool first,
              OperationCases& cases) {
  const int r = s.replicas;
  const double flops =
      2.0 * r * static_cast<double>(s.weight_size()) * s.out_height() * s.out_width() * s.batch;
  const double bytes = float_bytes(r * (s.input_size() + s.weight_size() + s.output_size()));
  cases.push_back({"conv_forward/" + path, flops, bytes, [=](Device device) {
                     const Values input(device, r, s.input_size());
                     const Values weight(device, r, s.weight_size());
                     const Values bias(device, r, s.out_channels);
                     const Values output(device, r, s.output_size());
                     return [=](Context& context) {
                       kernels::conv_forward(context, s, input.view(), weight.view(), bias.view(),
                                             output.view());
                     };
                   }});
  if (!first) {
    cases.push_back({"conv_backward_input/" + path, flops, bytes, [=](Device device) {
                       const Values input(device, r, s.input_size());
                       const Values weight(device, r, s.weight_size());
                       const Values output(device, r, s.output_size());
                       return [=](Context& context) {
                         kernels::conv_backward_input(context, s, weight.view(), output.view(),
                                                      input.view());
                       };
                     }});
  }
  cases.push_back({"conv_backward_weight/" + path, flops, bytes, [=](Device device) {
                     const Values input(device, r, s.input_size());
                     const Values weight(device, r, s.weight_size());
                     const Values output(device, r, s.output_size());
                     return [=](Context& context) {
                       kernels::conv_backward_weight(context, s, input.view(), output.view(),
                                                     weight.view());
                     };
                   }});
}

void add_pool(const kernels::PoolShape& s, const std::string& path, OperationCases& cases) {
  const int r = s.replicas;
  const double outputs = static_cast<double>(r * s.output_size());
  const double bytes = float_bytes(r * (s.input_size() + s.output_size())) + outputs;
  const auto winners = [=](Device device) {
    return std::make_shared<Buffer<std::uint8_t>>(device, r * s.output_size());
  };
  const auto forward = [=](Device device, bool with_effects) {
    const Values input(device, r, s.input_size());
    const Values output(device, r, s.output_size());
    const Effects effects(device, r, s.channels, s.batch);
    const auto argmax = winners(device);
    return [=](Context& context) {
      kernels::max_pool_forward(context, s, input.view(),
                                with_effects ? effects.all() : kernels::ChannelEffects(),
                                output.view(), argmax->replicas(s.output_size()));
    };
  };
  cases.push_back({"max_pool_forward/" + path, 0, bytes,
                   [=](Device device) { return forward(device, false); }});
  if (s.relu) {
    cases.push_back({"max_pool_forward_recording/" + path, 0, bytes,
                     [=](Device device) { return forward(device, true); }});
  }
  cases.push_back({"max_pool_backward/" + path, 0, bytes + 4 * outputs, [=](Device device) {
                     const Values input(device, r, s.input_size());
                     const Values output(device, r, s.output_size());
                     const Values gradient(device, r, s.output_size());
                     const auto argmax = winners(device);
                     Context fill(device);
                     kernels::max_pool_forward(fill, s, input.view(), {}, output.view(),
                                               argmax->replicas(s.output_size()));
                     return [=](Context& context) {
                       kernels::max_pool_backward(context, s, output.view(),
                                                  argmax->replicas(s.output_size()),
                                                  gradient.view(), input.view());
                     };
                   }});
  cases.push_back({"average_pool_forward/" + path, 0, bytes - outputs, [=](Device device) {
                     const Values input(device, r, s.input_size());
                     const Values output(device, r, s.output_size());
                     return [=](Context& context) {
                       kernels::average_pool_forward(context, s, input.view(), output.view());
                     };
                   }});
  cases.push_back({"average_pool_backward/" + path, 0, bytes - outputs, [=](Device device) {
                     const Values input(device, r, s.input_size());
                     const Values gradient(device, r, s.output_size());
                     return [=](Context& context) {
                       kernels::average_pool_backward(context, s, gradient.view(), input.view());
                     };
                   }});
}

void add_relu(const kernels::ActivationShape& s, const std::string& path, OperationCases& cases) {
  const int r = s.replicas;
  const double bytes = float_bytes(r * s.size());
  const auto forward = [=](Device device, bool with_effects) {
    const Values input(device, r, s.size());
    const Values output(device, r, s.size());
    const Effects effects(device, r, s.channels, s.batch);
    return [=](Context& context) {
      kernels::relu_forward(context, s, input.view(),
                            with_effects ? effects.all() : kernels::ChannelEffects(),
                            output.view());
    };
  };
  cases.push_back({"relu_forward/" + path, 0, 2 * bytes,
                   [=](Device device) { return forward(device, false); }});
  cases.push_back({"relu_forward_recording/" + path, 0, 2 * bytes,
                   [=](Device device) { return forward(device, true); }});
  cases.push_back({"relu_backward/" + path, 0, 3 * bytes, [=](Device device) {
                     const Values output(device, r, s.size());
                     const Values gradient(device, r, s.size());
                     const Values result(device, r, s.size());
                     return [=](Context& context) {
                       kernels::relu_backward(context, s, output.view(), gradient.view(),
                                              result.view());
                     };
                   }});
}

void add_bias(const kernels::ActivationShape& s, const std::string& path, OperationCases& cases) {
  const int r = s.replicas;
  const double bytes = float_bytes(r * s.size());
  cases.push_back({"bias_gradient/" + path, 0, bytes, [=](Device device) {
                     const Values gradient(device, r, s.size());
                     const Values bias(device, r, s.channels);
                     return [=](Context& context) {
                       kernels::bias_gradient(context, s, gradient.view(), bias.view());
                     };
                   }});
  cases.push_back({"add_bias/" + path, 0, 2 * bytes, [=](Device device) {
                     const Values values(device, r, s.size());
                     const Values bias(device, r, s.channels);
                     return [=](Context& context) {
                       kernels::add_bias(context, s, bias.view(), values.view());
                     };
                   }});
}

void add_dropout(int replicas, std::int64_t size, float rate, const std::string& path,
                 OperationCases& cases) {
  const kernels::DropoutShape s = {.replicas = replicas, .size = size, .rate = rate};
  cases.push_back({"dropout/" + path, 0, 2 * float_bytes(replicas * size), [=](Device device) {
                     const Values input(device, replicas, size);
                     const Values output(device, replicas, size);
                     const RandomKey key = {.seed = 1, .purpose = Purpose::dropout};
                     const auto keys =
                         array_of(device, std::vector(static_cast<std::size_t>(replicas), key));
                     return [=](Context& context) {
                       kernels::dropout(context, s, keys->data(), input.view(), output.view());
                     };
                   }});
}

void add_gemm(const std::string& name, const kernels::GemmShape& s, OperationCases& cases) {
  const auto a = std::int64_t{s.rows} * s.inner;
  const auto b = std::int64_t{s.inner} * s.columns;
  const auto c = std::int64_t{s.rows} * s.columns;
  const double flops = 2.0 * s.replicas * static_cast<double>(a) * s.columns;
  cases.push_back({name, flops, float_bytes(s.replicas * (a + b + c)), [=](Device device) {
                     const Values left(device, s.replicas, a);
                     const Values right(device, s.replicas, b);
                     const Values result(device, s.replicas, c);
                     return [=](Context& context) {
                       kernels::gemm(context, s, left.view(), right.view(), result.view());
                     };
                   }});
}

namespace {

void add_onednn(OperationCases& cases, const kernels::GemmShape& s) {
  OperationCase own = cases.back();
  own.name = "onednn/" + own.name;
  own.prepare = [=](Device device) {
    const Values left(device, 1, std::int64_t{s.rows} * s.inner);
    const Values right(device, 1, std::int64_t{s.inner} * s.columns);
    const Values result(device, 1, std::int64_t{s.rows} * s.columns);
    return [=](Context& /*context*/) {
      dnnl_sgemm(s.transpose_a ? 'T' : 'N', s.transpose_b ? 'T' : 'N', s.rows, s.columns, s.inner,
                 1.0F, left.data(), s.a_stride, right.data(), s.b_stride, 0.0F, result.data(),
                 s.c_stride);
    };
  };
  cases.push_back(own);
}

}  // namespace

void add_dense(int replicas, int inputs, int units, int batch, const std::string& path,
               OperationCases& cases) {
  const kernels::GemmShape forward = {.replicas = replicas,
                                      .rows = units,
                                      .columns = batch,
                                      .inner = inputs,
                                      .a_stride = inputs,
                                      .b_stride = batch,
                                      .c_stride = batch};
  const kernels::GemmShape backward_input = {.replicas = replicas,
                                             .rows = inputs,
                                             .columns = batch,
                                             .inner = units,
                                             .transpose_a = true,
                                             .a_stride = inputs,
                                             .b_stride = batch,
                                             .c_stride = batch};
  const kernels::GemmShape backward_weight = {.replicas = replicas,
                                              .rows = units,
                                              .columns = inputs,
                                              .inner = batch,
                                              .transpose_b = true,
                                              .a_stride = batch,
                                              .b_stride = batch,
                                              .c_stride = inputs};
  for (const auto& [name, shape] :
       {std::pair("gemm_forward/", forward), std::pair("gemm_backward_input/", backward_input),
        std::pair("gemm_backward_weight/", backward_weight)}) {
    add_gemm(name + path, shape, cases);
    if (replicas == 1) add_onednn(cases, shape);
  }
}

void add_gather(const Shape& shape, int images, int replicas, int batch, const std::string& path,
                OperationCases& cases) {
  // A byte in, a float out.
  const double bytes = 5.0 * static_cast<double>(shape.size()) * batch * replicas;
  cases.push_back(
      {"gather/" + path, 0, bytes, [=](Device device) {
         Dataset data;
         data.shape = shape;
         data.train.labels.assign(images, 1);
         data.train.images.resize(images * shape.size());
         for (std::size_t i = 0; i < data.train.images.size(); ++i) {
           data.train.images[i] = static_cast<std::uint8_t>(i * 2654435761U >> 24);
         }
         const auto channels = static_cast<std::size_t>(shape.channels);
         const Normalization normal = {std::vector<float>(channels, 0.5F),
                                       std::vector<float>(channels, 0.25F)};
         TriggerTable triggers;
         triggers.pixels = {{.offset = 0}, {.offset = 1}, {.offset = 2}};
         triggers.start = {0, 3};
         const auto store = std::make_shared<ImageStore>(data, normal, triggers, device);
         const Values output(device, replicas, shape.size() * batch);
         const auto labels = std::make_shared<Buffer<std::int32_t>>(device, replicas * batch);
         std::vector<kernels::Sample> list;
         for (int n = 0; n < replicas * batch; ++n) {
           const int image = static_cast<int>(std::int64_t{n} * 631 % images);
           list.push_back({.image = image,
                           .trigger = static_cast<std::int16_t>(n % 8 == 0 ? 0 : -1),
                           .label = 1});
         }
         const auto samples = array_of(device, list);
         return [=](Context& context) {
           kernels::gather(context, store->source(), replicas, batch, samples->replicas(batch),
                           output.view(), labels->replicas(batch));
         };
       }});
}

void add_loss(int replicas, int classes, int batch, OperationCases& cases) {
  const kernels::LossShape s = {.replicas = replicas, .classes = classes, .batch = batch};
  const std::int64_t size = std::int64_t{classes} * batch;
  const std::string path = std::to_string(classes) + "x" + std::to_string(batch);
  cases.push_back(
      {"softmax_cross_entropy/" + path, 0, 2 * float_bytes(replicas * size), [=](Device device) {
         const Values logits(device, replicas, size);
         const Values gradient(device, replicas, size);
         std::vector<std::int32_t> classes_of;
         for (int n = 0; n < replicas * batch; ++n) classes_of.push_back(n % classes);
         const auto labels = array_of(device, classes_of);
         const auto totals = std::make_shared<Buffer<kernels::LossTotals>>(device, replicas);
         return [=](Context& context) {
           kernels::softmax_cross_entropy(context, s, logits.view(), labels->replicas(batch),
                                          gradient.view(), totals->data());
         };
       }});
}

void add_norm(const kernels::ActivationShape& s, const std::string& path, OperationCases& cases) {
  const int r = s.replicas;
  const double bytes = float_bytes(r * s.size());
  struct Arrays {
    Arrays(Device device, const kernels::ActivationShape& shape)
        : input(device, shape.replicas, shape.size()),
          output(device, shape.replicas, shape.size()),
          gamma(device, shape.replicas, shape.channels),
          beta(device, shape.replicas, shape.channels),
          mean(device, shape.replicas, shape.channels),
          saved(device, shape.replicas, 2 * shape.channels),
          variance(array_of(
              device,
              std::vector<float>(static_cast<std::size_t>(shape.replicas * shape.channels), 1.0F))),
          valid(array_of(
              device, std::vector<int>(static_cast<std::size_t>(shape.replicas), shape.batch))) {}
    Values input, output, gamma, beta, mean, saved;
    std::shared_ptr<Buffer<float>> variance;
    std::shared_ptr<Buffer<int>> valid;
  };
  // Each array once; what shared memory does not hold is read again.
  cases.push_back({"batch_norm_training/" + path, 0, 2 * bytes, [=](Device device) {
                     const Arrays a(device, s);
                     return [=](Context& context) {
                       kernels::batch_norm_training(
                           context, s, {}, a.valid->data(), a.input.view(),
                           {.gamma = a.gamma.view(),
                            .beta = a.beta.view(),
                            .running_mean = a.mean.view(),
                            .running_variance = a.variance->replicas(s.channels)},
                           a.saved.view(), a.output.view());
                     };
                   }});
  cases.push_back({"batch_norm_inference/" + path, 0, 2 * bytes, [=](Device device) {
                     const Arrays a(device, s);
                     return [=](Context& context) {
                       kernels::batch_norm_inference(
                           context, s, {}, a.input.view(), a.gamma.view(), a.beta.view(),
                           a.mean.view(), a.variance->replicas(s.channels), a.output.view());
                     };
                   }});
  cases.push_back({"batch_norm_backward/" + path, 0, 3 * bytes, [=](Device device) {
                     const Arrays a(device, s);
                     const Values gradient(device, r, s.size());
                     const Values grad_gamma(device, r, s.channels);
                     const Values grad_beta(device, r, s.channels);
                     return [=](Context& context) {
                       kernels::batch_norm_backward(context, s, a.valid->data(), a.input.view(),
                                                    a.gamma.view(), a.saved.view(), a.output.view(),
                                                    grad_gamma.view(), grad_beta.view(),
                                                    gradient.view());
                     };
                   }});
}

}  // namespace redoubt::benchmarks
