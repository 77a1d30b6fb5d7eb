// What an attack or a regulariser adds to a training step: small objects that act on the gradient
// after the backward pass, or on the weights after the optimizer. All pointers are to the device's
// memory and must stay while the step may run. A step is recorded once and replayed as long as its
// terms are equal, so terms are compared by value.
#pragma once

#include <memory>
#include <vector>

#include "engine/layer.h"
#include "engine/parameter_layout.h"
#include "kernels/terms.h"

namespace redoubt {

/// What a step changes: rows [R][row] of values, gradients and optimizer state.
struct TrainedRows {
  kernels::Replicas<float> values = {};
  kernels::Replicas<float> gradients = {};
  kernels::Replicas<float> first_state = {};   ///< velocity or first moment; absent if not needed
  kernels::Replicas<float> second_state = {};  ///< adam only
  bool operator==(const TrainedRows&) const = default;
};

/// The step that a term is part of.
struct TermStep {
  Context& context;
  kernels::TermRows rows;                      ///< whole rows
  kernels::Replicas<const float> masks = {};   ///< [R][mask row]; absent: all is heard
  const std::int32_t* steps_before = nullptr;  ///< on the device, of this round
};

class Term {
 public:
  Term() = default;
  virtual ~Term() = default;

  virtual void after_backward(const TermStep& step, const TrainedRows& rows) const;
  virtual void after_update(const TermStep& step, const TrainedRows& rows) const;
  /// Whether the other is of the same kind and has the same values.
  virtual bool equals(const Term& other) const = 0;

 protected:
  Term(const Term&) = default;
  Term& operator=(const Term&) = default;
};

/// A term that is compared by its own operator==.
template <class Own>
class TermOf : public Term {
 public:
  bool equals(const Term& other) const override {
    const auto* own = dynamic_cast<const Own*>(&other);
    return own != nullptr && *own == static_cast<const Own&>(*this);
  }
  bool operator==(const TermOf& /*nothing of its own*/) const { return true; }
};

/// The terms of a step, in the order in which they act.
class Terms {
 public:
  template <class... Own>
  static Terms of(Own... terms) {
    Terms all;
    (all.add(std::move(terms)), ...);
    return all;
  }
  template <class Own>
  void add(Own term) {
    List longer = list();
    longer.push_back(std::make_shared<const Own>(std::move(term)));
    terms_ = std::make_shared<const List>(std::move(longer));
  }
  void after_backward(const TermStep& step, const TrainedRows& rows) const;
  void after_update(const TermStep& step, const TrainedRows& rows) const;
  bool operator==(const Terms& other) const;

 private:
  using List = std::vector<std::shared_ptr<const Term>>;
  const List& list() const;

  std::shared_ptr<const List> terms_;  ///< shared by copies, so that a step allocates nothing
};

/// An extra loss λ·‖w‖² on one tensor: 2·λ·w is added to its gradient.
struct L2Penalty : TermOf<L2Penalty> {
  std::int64_t offset = 0;  ///< the tensor's place in a row
  std::int64_t size = 0;
  float lambda = 0;

  L2Penalty(const ParameterSpan& tensor, float factor)
      : offset(tensor.offset), size(tensor.size), lambda(factor) {}
  void after_backward(const TermStep& step, const TrainedRows& rows) const override;
  bool operator==(const L2Penalty&) const = default;
};

/// The objective (1 - ρ) · loss + ρ · |w - anchor|².
struct SquaredDistance : TermOf<SquaredDistance> {
  kernels::DistanceShare distance;

  explicit SquaredDistance(const kernels::DistanceShare& share) : distance(share) {}
  void after_backward(const TermStep& step, const TrainedRows& rows) const override;
  bool operator==(const SquaredDistance&) const = default;
};

/// The objective (1 - ρ) · loss + ρ · (1 - cos(w - anchor, direction)).
struct CosineDistance : TermOf<CosineDistance> {
  kernels::DistanceShare distance;

  explicit CosineDistance(const kernels::DistanceShare& share) : distance(share) {}
  void after_backward(const TermStep& step, const TrainedRows& rows) const override;
  bool operator==(const CosineDistance&) const = default;
};

/// The gradient times a mask [row], e.g. of the columns that benign clients hardly move.
struct GradientMask : TermOf<GradientMask> {
  const float* mask = nullptr;

  explicit GradientMask(const float* row) : mask(row) {}
  void after_backward(const TermStep& step, const TrainedRows& rows) const override;
  bool operator==(const GradientMask&) const = default;
};

/// Every so many steps the weights are drawn back onto a ball around a row, as in projected
/// gradient descent.
struct Projection : TermOf<Projection> {
  kernels::Ball ball;

  explicit Projection(const kernels::Ball& onto) : ball(onto) {}
  void after_update(const TermStep& step, const TrainedRows& rows) const override;
  bool operator==(const Projection&) const = default;
};

/// The weights of a conv layer are clamped to μ ± delta · σ of their own.
struct ClipToDeviations : TermOf<ClipToDeviations> {
  double delta = 0;
  std::int64_t offset = 0;       ///< of the weight in a row
  std::int64_t mask_offset = 0;  ///< of its channels in a mask row
  int channels = 0;
  std::int64_t per_channel = 0;

  /// Throws InputError if there is no such layer.
  ClipToDeviations(const ParameterLayout& layout, const std::string& layer, double deviations);
  void after_update(const TermStep& step, const TrainedRows& rows) const override;
  bool operator==(const ClipToDeviations&) const = default;
};

}  // namespace redoubt
