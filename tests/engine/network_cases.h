// The tiny networks that the engine's tests run through: each adds something to the one before.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/layer_spec.h"
#include "engine/shape.h"

namespace redoubt::test {

inline LayerSpec conv(int channels, int kernel, int stride = 1, int padding = 0) {
  return Conv::Settings{
      .channels = channels, .kernel = kernel, .stride = stride, .padding = padding};
}
inline LayerSpec bare_conv(int channels, int kernel, int stride = 1, int padding = 0) {
  return Conv::Settings{
      .channels = channels, .kernel = kernel, .stride = stride, .padding = padding, .bias = 0};
}
inline LayerSpec batch_norm() { return BatchNorm::Settings{.epsilon = 1e-3}; }
inline LayerSpec residual(std::vector<LayerSpec> body, std::vector<LayerSpec> shortcut = {}) {
  return Residual::Settings{.body = std::move(body), .shortcut = std::move(shortcut)};
}
inline LayerSpec relu() { return Relu::Settings(); }
inline LayerSpec max_pool(int window, int stride = 0) {
  return MaxPool::Settings{.window = window, .stride = stride};
}
inline LayerSpec average_pool(int window, int stride = 0) {
  return AveragePool::Settings{.window = window, .stride = stride};
}
inline LayerSpec global_average_pool() { return GlobalAveragePool::Settings(); }
inline LayerSpec dense(int units) { return Dense::Settings{.units = units}; }
inline LayerSpec dropout(double rate) { return Dropout::Settings{.rate = rate}; }

struct NetworkCase {
  std::string name;
  Shape input;
  int classes;
  std::vector<LayerSpec> layers;
};

inline std::vector<NetworkCase> network_cases() {
  return {
      {"Dense", {2, 3, 2}, 4, {dense(4)}},
      {"ConvStridePadding", {2, 7, 6}, 3, {conv(4, 3, 2, 1), relu(), dense(3)}},
      {"FusedMaxPool",
       {1, 9, 9},
       3,
       {conv(3, 3), relu(), max_pool(2), conv(4, 2), relu(), dense(5), relu(), dense(3)}},
      {"OverlappingMaxPool", {1, 8, 9}, 3, {conv(3, 2), relu(), max_pool(3, 2), dense(3)}},
      {"MaxPoolBeforeRelu", {2, 7, 7}, 3, {conv(3, 3, 1, 2), max_pool(3, 2), relu(), dense(3)}},
      {"AveragePool",
       {2, 8, 8},
       4,
       {average_pool(2), conv(5, 3, 1, 1), relu(), average_pool(3, 1), dense(4)}},
      {"Dropout",
       {1, 7, 7},
       3,
       {conv(4, 3), relu(), max_pool(2), dropout(0.25), dense(6), relu(), dropout(0.5), dense(3)}},
      {"BatchNorm", {2, 6, 6}, 3, {bare_conv(4, 3), batch_norm(), relu(), max_pool(2), dense(3)}},
      {"IdentityShortcut",
       {2, 5, 5},
       3,
       {conv(3, 3, 1, 1), relu(), residual({conv(4, 3, 1, 1), relu(), conv(3, 1)}), relu(),
        dense(3)}},
      {"ResidualOfTheInputAndNested",
       {2, 5, 5},
       3,
       {residual({conv(3, 3, 1, 1), residual({relu(), conv(3, 3, 1, 1)})}, {conv(3, 1)}), relu(),
        global_average_pool(), dense(3)}},
      {"ResidualFirstInABody",
       {2, 5, 5},
       3,
       {conv(3, 3, 1, 1), relu(),
        residual({residual({conv(4, 3, 1, 1), relu(), conv(3, 1)}), relu(), conv(3, 3, 1, 1)}),
        relu(), dense(3)}},
      {"ResidualFirstInAShortcut",
       {2, 5, 5},
       3,
       {conv(3, 3, 1, 1), relu(),
        residual({conv(3, 3, 1, 1), relu(), conv(3, 1)}, {residual({conv(3, 1)}), conv(3, 1)}),
        relu(), dense(3)}},
      {"ResidualNetwork",
       {2, 6, 6},
       3,
       {bare_conv(3, 3, 1, 1), batch_norm(), relu(),
        residual(
            {bare_conv(3, 3, 1, 1), batch_norm(), relu(), bare_conv(3, 3, 1, 1), batch_norm()}),
        relu(),
        residual({bare_conv(4, 3, 2, 1), batch_norm(), relu(), bare_conv(4, 3, 1, 1), batch_norm()},
                 {bare_conv(4, 1, 2), batch_norm()}),
        relu(), global_average_pool(), dense(3)}},
  };
}

}  // namespace redoubt::test
