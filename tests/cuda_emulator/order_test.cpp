// Every operation of kernels/ gives the same bits whatever order threads and blocks take.
#include <set>

#include "tests/cuda_emulator/gpu_array.h"
#include "tests/kernels/operation_case.h"

namespace redoubt::test {

namespace {

class AnyOrder : public testing::TestWithParam<std::string> {};

TEST_P(AnyOrder, GivesTheSameBits) {
  const KeepSeed keep;
  for (const OperationCase& entry : operation_cases()) {
    if (entry.family != GetParam()) continue;
    SCOPED_TRACE(entry.name);
    cuda_emulator::set_seed(0);
    const Results ascending = entry.run(kGpu);
    cuda_emulator::set_seed(11);
    const Results shuffled = entry.run(kGpu);
    for (std::size_t i = 0; i < ascending.size(); ++i) {
      EXPECT_EQ(ascending[i].values, shuffled[i].values) << ascending[i].name;
    }
  }
}

std::set<std::string> families() {
  std::set<std::string> names;
  for (const OperationCase& entry : operation_cases()) names.insert(entry.family);
  return names;
}

INSTANTIATE_TEST_SUITE_P(All, AnyOrder, testing::ValuesIn(families()),
                         [](const auto& family) { return family.param; });

}  // namespace

}  // namespace redoubt::test
