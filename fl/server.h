// What a defender has after training: the model, the federation to ask and to train with, and
// perhaps validation images of its own. Defenses work through this and see no more.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "fl/federation.h"
#include "fl/global_model.h"
#include "fl/metrics.h"

namespace redoubt {

/// The images that models are measured on, as samples of the executor's image source.
struct TestImages {
  std::vector<kernels::Sample> validation;  ///< the server's own; may be empty
  std::vector<kernels::Sample> clean;       ///< the test split
  std::vector<kernels::Sample> stamped;     ///< victims under the trigger, labelled as the target
  std::vector<kernels::Sample> baseline = {};  ///< Backdoor::baseline; empty where there is none
};

class Server {
 public:
  /// All references must outlive the server. Training starts with round 1.
  Server(Federation& federation, GlobalModel& model, const TestImages& images)
      : federation_(federation), model_(model), images_(images) {}

  GlobalModel& model() { return model_; }
  Federation& federation() { return federation_; }
  Executor& executor() { return federation_.executor(); }
  const ParameterLayout& layout() { return executor().network().layout(); }
  int next_round() const { return next_round_; }
  /// After a stop: the rounds before this one are behind.
  void resume_at(int next_round) { next_round_ = next_round; }

  bool has_validation() const { return !images_.validation.empty(); }
  /// On the server's validation images.
  std::vector<Evaluation> validate(const ModelVariants& variants);
  /// Accuracy as reported by the clients; the loss is not asked for and NaN.
  std::vector<Evaluation> ask_clients(const ModelVariants& variants);
  /// The researcher's view.
  std::vector<TestResult> test(const ModelVariants& variants);

  /// The class that the model calls nearly all clean test images, if it does: such a model is no
  /// use to anybody, and of an attack on it nothing is known. `accuracy` is what test() found.
  std::optional<int> collapsed_class(double accuracy);

  /// One more round of federated training, under the model's masks.
  RoundReport train_round(float learning_rate);

 private:
  Federation& federation_;
  GlobalModel& model_;
  const TestImages& images_;
  int next_round_ = 1;
};

}  // namespace redoubt
