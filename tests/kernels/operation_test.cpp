// Every operation on every device of this machine: is it right, and is its gradient right?
#include <algorithm>
#include <cmath>
#include <set>

#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

struct FamilyOnDevice {
  std::string family;
  Device device;
};

template <class Case>
std::vector<FamilyOnDevice> families(const std::vector<Case>& cases) {
  std::vector<FamilyOnDevice> all;
  for (const DeviceDescription& entry : available_devices()) {
    std::set<std::string> seen;
    for (const Case& one : cases) {
      if (seen.insert(one.family).second) all.push_back({one.family, entry.device});
    }
  }
  return all;
}

std::string test_name(const testing::TestParamInfo<FamilyOnDevice>& info) {
  std::string name = info.param.family + "_on_" + to_string(info.param.device);
  std::replace(name.begin(), name.end(), ':', '_');
  return name;
}

double largest(const Values& values) {
  double most = 0;
  for (const double value : values) most = std::max(most, std::abs(value));
  return most;
}

void expect_close(const Result& got, const Result& want) {
  SCOPED_TRACE(want.name);
  ASSERT_EQ(got.values.size(), want.values.size());
  const double allowed = want.tolerance * largest(want.values);
  int wrong = 0;
  for (std::size_t i = 0; i < want.values.size(); ++i) {
    // Written so that NaN fails.
    if (std::abs(got.values[i] - want.values[i]) <= allowed) continue;
    if (++wrong <= 3) {
      ADD_FAILURE() << "at " << i << ": got " << got.values[i] << ", want " << want.values[i];
    }
  }
  EXPECT_EQ(wrong, 0) << "of " << want.values.size();
}

class Operation : public testing::TestWithParam<FamilyOnDevice> {};

TEST_P(Operation, AgreesWithPlainLoopsInDouble) {
  for (const OperationCase& entry : operation_cases()) {
    if (entry.family != GetParam().family) continue;
    SCOPED_TRACE(entry.name);
    const Results want = entry.reference();
    const Results got = entry.run(GetParam().device);
    ASSERT_EQ(got.size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) expect_close(got[i], want[i]);
  }
}

TEST_P(Operation, GivesTheSameBitsTwice) {
  for (const OperationCase& entry : operation_cases()) {
    if (entry.family != GetParam().family) continue;
    SCOPED_TRACE(entry.name);
    const Results once = entry.run(GetParam().device);
    const Results again = entry.run(GetParam().device);
    for (std::size_t i = 0; i < once.size(); ++i) EXPECT_EQ(once[i].values, again[i].values);
  }
}

INSTANTIATE_TEST_SUITE_P(All, Operation, testing::ValuesIn(families(operation_cases())), test_name);

class Gradient : public testing::TestWithParam<FamilyOnDevice> {};

/// Σ grad_output · (forward(x + h e_i) - forward(x - h e_i)) / 2h.
double finite_difference(const GradientCase& entry, std::size_t input, std::size_t element) {
  constexpr double kStep = 1e-5;
  std::vector<Values> moved = entry.inputs;
  moved[input][element] += kStep;
  const Values ahead = entry.forward(moved);
  moved[input][element] -= 2 * kStep;
  const Values behind = entry.forward(moved);
  double sum = 0;
  for (std::size_t i = 0; i < ahead.size(); ++i) {
    sum += entry.grad_output[i] * (ahead[i] - behind[i]) / (2 * kStep);
  }
  return sum;
}

TEST_P(Gradient, AgreesWithFiniteDifferencesInDouble) {
  for (const GradientCase& entry : gradient_cases()) {
    if (entry.family != GetParam().family) continue;
    SCOPED_TRACE(entry.name);
    const Results got = entry.backward(GetParam().device);
    ASSERT_EQ(got.size(), entry.inputs.size());
    for (std::size_t input = 0; input < got.size(); ++input) {
      Result want = {got[input].name, {}, got[input].tolerance};
      for (std::size_t i = 0; i < entry.inputs[input].size(); ++i) {
        want.values.push_back(finite_difference(entry, input, i));
      }
      expect_close(got[input], want);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, Gradient, testing::ValuesIn(families(gradient_cases())), test_name);

}  // namespace

}  // namespace redoubt::test
