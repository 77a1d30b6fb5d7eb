#include "datasets/synthetic.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/random.h"

namespace redoubt {

namespace {

constexpr int kClasses = 10;

/// A stroke between two points of the square [-1, 1]².
struct Stroke {
  double x0, y0, x1, y1;
};

/// Figures that share strokes, so that no single pixel tells a class.
constexpr std::array<std::array<Stroke, 3>, kClasses> kFigures = {{
    {{{-1, -1, 1, -1}, {1, -1, 1, 1}, {1, 1, -1, 1}}},
    {{{0, -1, 0, 1}, {-1, 0, 1, 0}, {-1, -1, -1, 1}}},
    {{{-1, -1, 1, 1}, {-1, 1, 1, -1}, {-1, 1, 1, 1}}},
    {{{-1, -1, 1, -1}, {0, -1, 0, 1}, {-1, 1, 1, 1}}},
    {{{-1, -1, 0, 1}, {0, 1, 1, -1}, {-1, 1, 1, 1}}},
    {{{-1, -1, -1, 1}, {-1, 1, 1, 1}, {-1, 0, 1, 0}}},
    {{{-1, 1, 0, -1}, {0, -1, 1, 1}, {-1, -1, 1, -1}}},
    {{{-1, -1, 1, -1}, {1, -1, -1, 1}, {-1, 1, 1, 1}}},
    {{{-1, -1, -1, 1}, {1, -1, 1, 1}, {-1, 0, 1, 0}}},
    {{{0, -1, 0, 1}, {-1, -1, 1, 1}, {-1, 1, 1, 1}}},
}};

double distance_to(const Stroke& s, double x, double y) {
  const double dx = s.x1 - s.x0;
  const double dy = s.y1 - s.y0;
  const double along =
      std::clamp(((x - s.x0) * dx + (y - s.y0) * dy) / (dx * dx + dy * dy), 0.0, 1.0);
  return std::hypot(x - s.x0 - along * dx, y - s.y0 - along * dy);
}

/// How one image shows its figure.
struct View {
  double center_x, center_y, scale, cosine, sine;

  Stroke place(const Stroke& s) const {
    const auto x = [&](double u, double v) { return center_x + scale * (cosine * u - sine * v); };
    const auto y = [&](double u, double v) { return center_y + scale * (sine * u + cosine * v); };
    return {x(s.x0, s.y0), y(s.x0, s.y0), x(s.x1, s.y1), y(s.x1, s.y1)};
  }
};

View draw_view(const Shape& shape, RandomStream& random) {
  const double half = shape.width / 2.0;
  const double angle = random.uniform(-0.3, 0.3);
  return {half + random.uniform(-0.12, 0.12) * shape.width,
          half + random.uniform(-0.12, 0.12) * shape.width, half * random.uniform(0.42, 0.62),
          std::cos(angle), std::sin(angle)};
}

void draw_image(const Shape& shape, int label, RandomStream& random, std::uint8_t* bytes) {
  const View view = draw_view(shape, random);
  std::array<Stroke, 3> strokes = kFigures[label];
  for (Stroke& stroke : strokes) stroke = view.place(stroke);
  const double thickness = random.uniform(0.7, 1.5);
  std::array<double, 3> ink{};
  for (double& channel : ink) channel = random.uniform(110, 210);
  for (int row = 0; row < shape.height; ++row) {
    for (int column = 0; column < shape.width; ++column) {
      double nearest = 1e9;
      for (const Stroke& s : strokes) nearest = std::min(nearest, distance_to(s, column, row));
      const double cover = std::clamp(thickness + 0.5 - nearest, 0.0, 1.0);
      // One block of random bits gives all channels' noise.
      const std::uint32_t bits = random();
      for (int c = 0; c < shape.channels; ++c) {
        const double noise = (bits >> (8 * c) & 0xff) * (45.0 / 255);
        const double value = noise + cover * (ink[c] - noise * 0.5);
        bytes[(c * shape.height + row) * shape.width + column] =
            static_cast<std::uint8_t>(std::clamp(value, 0.0, 235.0));
      }
    }
  }
}

Split make_split(const Shape& shape, int count, std::uint32_t part, std::uint64_t seed) {
  Split split;
  const auto size = static_cast<std::size_t>(shape.size());
  split.images.resize(static_cast<std::size_t>(count) * size);
  for (int i = 0; i < count; ++i) {
    RandomStream random({.seed = seed,
                         .purpose = Purpose::synthetic_data,
                         .client = static_cast<std::uint32_t>(i),
                         .round = part});
    const int label = i % kClasses;
    split.labels.push_back(static_cast<std::uint8_t>(label));
    draw_image(shape, label, random, split.images.data() + static_cast<std::size_t>(i) * size);
  }
  return split;
}

}  // namespace

Dataset make_synthetic(const std::string& name, const Shape& shape, int train_count, int test_count,
                       std::uint64_t seed) {
  return {.name = name,
          .shape = shape,
          .classes = kClasses,
          .train = make_split(shape, train_count, 0, seed),
          .test = make_split(shape, test_count, 1, seed),
          .origin = "procedural"};
}

namespace {

constexpr int kTrain = 10000;
constexpr int kTest = 2000;

}  // namespace

Dataset SyntheticGray::load(const DatasetSettings& /*settings*/, std::uint64_t seed) {
  return make_synthetic(kName, kShape, kTrain, kTest, seed);
}

Dataset SyntheticColor::load(const DatasetSettings& /*settings*/, std::uint64_t seed) {
  return make_synthetic(kName, kShape, kTrain, kTest, seed);
}

}  // namespace redoubt
