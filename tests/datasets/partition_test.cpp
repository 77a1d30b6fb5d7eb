// Who holds which images: each kind's promises, over many seeds.
#include "datasets/partition.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "tests/support/expect_message.h"

namespace redoubt::test {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;

namespace {

using Lists = std::vector<std::vector<int>>;

/// Labels 0 to 9 in turn, `per_class` of each.
std::vector<std::uint8_t> balanced_labels(int per_class) {
  std::vector<std::uint8_t> labels;
  for (int i = 0; i < 10 * per_class; ++i) labels.push_back(static_cast<std::uint8_t>(i % 10));
  return labels;
}

std::vector<int> all_of(const std::vector<std::uint8_t>& labels) {
  std::vector<int> pool(labels.size());
  std::iota(pool.begin(), pool.end(), 0);
  return pool;
}

Lists deal(const std::vector<std::uint8_t>& labels, int clients, const PartitionSettings& settings,
           const HoldsLabel& required = {}, std::uint64_t seed = 1) {
  return partition(labels, 10, all_of(labels), clients, settings, required, seed);
}

std::vector<PartitionSettings> each_kind(int labels, double alpha) {
  return {Iid::Settings(), KLabel::Settings{.labels = labels}, Dirichlet::Settings{.alpha = alpha}};
}

std::set<int> labels_held(const std::vector<std::uint8_t>& labels, const std::vector<int>& images) {
  std::set<int> held;
  for (const int i : images) held.insert(labels[i]);
  return held;
}

std::vector<std::size_t> sizes(const Lists& lists) {
  std::vector<std::size_t> result;
  for (const auto& list : lists) result.push_back(list.size());
  return result;
}

/// Every image is dealt at most once and comes from the pool; lists are ascending. Returns how many
/// are dealt.
std::size_t expect_proper(const Lists& lists, const std::vector<int>& pool) {
  std::set<int> seen;
  std::size_t dealt = 0;
  for (const auto& list : lists) {
    EXPECT_TRUE(std::is_sorted(list.begin(), list.end()));
    seen.insert(list.begin(), list.end());
    dealt += list.size();
  }
  EXPECT_EQ(seen.size(), dealt) << "an image is dealt twice";
  EXPECT_TRUE(std::includes(pool.begin(), pool.end(), seen.begin(), seen.end()));
  return dealt;
}

}  // namespace

TEST(Validation, DrawsEquallyFromEveryClass) {
  const auto labels = balanced_labels(50);
  const std::vector<int> drawn = draw_validation(labels, 10, all_of(labels), 73, 1);
  ASSERT_EQ(drawn.size(), 73U);
  EXPECT_EQ(std::set<int>(drawn.begin(), drawn.end()).size(), 73U);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  std::map<int, int> counts;
  for (const int i : drawn) ++counts[labels[i]];
  for (int label = 0; label < 10; ++label) EXPECT_THAT(counts[label], testing::AnyOf(7, 8));
  EXPECT_EQ(draw_validation(labels, 10, all_of(labels), 73, 1), drawn);
  EXPECT_NE(draw_validation(labels, 10, all_of(labels), 73, 2), drawn);
  EXPECT_TRUE(draw_validation(labels, 10, all_of(labels), 0, 1).empty());
}

TEST(Validation, TakesMoreOfOtherClassesWhereOneRunsOut) {
  // Two images of class 0, plenty of class 1.
  std::vector<std::uint8_t> labels(40, 1);
  labels[5] = labels[17] = 0;
  const std::vector<int> drawn = draw_validation(labels, 2, all_of(labels), 10, 1);
  EXPECT_EQ(drawn.size(), 10U);
  EXPECT_THAT(drawn, testing::IsSupersetOf({5, 17}));
}

TEST(Validation, RefusesToTakeAllTrainingImages) {
  const auto labels = balanced_labels(2);
  for (const int count : {-1, 20, 1000}) {
    EXPECT_THAT(input_error([&] { draw_validation(labels, 10, all_of(labels), count, 1); }),
                AllOf(HasSubstr("data.validation_samples is " + std::to_string(count)),
                      HasSubstr("20 training images")));
  }
}

TEST(Partition, IidDealsEveryImageAndCountsDifferByOneAtMost) {
  const auto labels = balanced_labels(103);
  const Lists lists = deal(labels, 12, Iid::Settings());
  EXPECT_EQ(expect_proper(lists, all_of(labels)), labels.size());
  EXPECT_THAT(sizes(lists), Each(testing::AnyOf(85U, 86U)));
  for (const auto& list : lists) EXPECT_EQ(labels_held(labels, list).size(), 10U);
}

TEST(Partition, DealsOnlyWhatIsInThePool) {
  const auto labels = balanced_labels(60);
  std::vector<int> pool;
  for (int i = 0; i < 600; ++i) {
    if (i / 10 % 2 == 0) pool.push_back(i);
  }
  for (const PartitionSettings& settings : each_kind(3, 5)) {
    const Lists lists = partition(labels, 10, pool, 10, settings, {}, 1);
    EXPECT_GT(expect_proper(lists, pool), 200U);
  }
}

TEST(Partition, DependsOnTheSeedAlone) {
  const auto labels = balanced_labels(60);
  for (const PartitionSettings& settings : each_kind(3, 1)) {
    EXPECT_EQ(deal(labels, 10, settings, {}, 1), deal(labels, 10, settings, {}, 1));
    EXPECT_NE(deal(labels, 10, settings, {}, 1), deal(labels, 10, settings, {}, 2));
  }
}

TEST(Partition, GivesEveryLabelToEquallyManyUnderKLabel) {
  const auto labels = balanced_labels(60);
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    const int attacker = static_cast<int>(seed % 10);
    const HoldsLabel required = {.clients = {attacker}, .label = 9};
    const Lists lists = deal(labels, 10, KLabel::Settings{.labels = 3}, required, seed);
    // 10 clients of 3 labels: each label has 3 holders with 20 of its 60 images each.
    EXPECT_EQ(expect_proper(lists, all_of(labels)), 600U);
    EXPECT_THAT(sizes(lists), Each(60U));
    std::map<int, int> holders;
    for (const auto& list : lists) {
      const std::set<int> held = labels_held(labels, list);
      EXPECT_EQ(held.size(), 3U);
      for (const int label : held) ++holders[label];
    }
    for (int label = 0; label < 10; ++label) EXPECT_EQ(holders[label], 3) << label;
    EXPECT_TRUE(labels_held(labels, lists[attacker]).contains(9));
  }
}

TEST(Partition, GivesEveryLabelToSomebodyUnderKLabel) {
  const auto labels = balanced_labels(120);
  for (const auto& [clients, count] : std::vector<std::pair<int, int>>{
           {10, 1}, {5, 2}, {7, 2}, {4, 3}, {13, 4}, {1, 10}, {23, 1}}) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const HoldsLabel required = {.clients = {0}, .label = 4};
      const Lists lists = deal(labels, clients, KLabel::Settings{.labels = count}, required, seed);
      expect_proper(lists, all_of(labels));
      EXPECT_THAT(sizes(lists), Each(lists.front().size()));
      std::map<int, int> holders;
      for (const auto& list : lists) {
        const std::set<int> held = labels_held(labels, list);
        EXPECT_EQ(held.size(), static_cast<std::size_t>(count));
        for (const int label : held) ++holders[label];
      }
      EXPECT_EQ(holders.size(), 10U);
      const auto more = [](const auto& a, const auto& b) { return a.second < b.second; };
      const auto [least, most] = std::minmax_element(holders.begin(), holders.end(), more);
      EXPECT_LE(most->second - least->second, 1) << clients << " clients of " << count;
      EXPECT_TRUE(labels_held(labels, lists.front()).contains(4));
    }
  }
}

TEST(Partition, KLabelMeetsMoreAttackersThanALabelsShare) {
  const auto labels = balanced_labels(60);
  // Three holders are label 9's share; five clients must hold it.
  const HoldsLabel required = {.clients = {0, 2, 4, 6, 8}, .label = 9};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Lists lists = deal(labels, 10, KLabel::Settings{.labels = 3}, required, seed);
    expect_proper(lists, all_of(labels));
    std::set<int> covered;
    for (const auto& list : lists) covered.merge(labels_held(labels, list));
    EXPECT_EQ(covered.size(), 10U);
    for (int client = 0; client < 10; ++client) {
      const auto& list = lists[client];
      const bool attacks = client % 2 == 0 && client <= 8;
      EXPECT_EQ(labels_held(labels, list).contains(9), attacks);
      // Twenty images of each label; of the nines, which five share, twelve. Nobody else has less.
      EXPECT_EQ(list.size(), attacks ? 52U : 60U);
    }
  }
}

TEST(Partition, KLabelRefusesWhatCannotBeMet) {
  const auto labels = balanced_labels(60);
  const auto message = [&](int clients, int count, const HoldsLabel& required = {}) {
    return input_error([&] { deal(labels, clients, KLabel::Settings{.labels = count}, required); });
  };
  EXPECT_THAT(message(10, 11),
              AllOf(HasSubstr("data.partition.labels is 11"), HasSubstr("10 classes")));
  EXPECT_THAT(message(10, 0), HasSubstr("data.partition.labels is 0"));
  EXPECT_THAT(message(3, 3), HasSubstr("3 clients of 3 labels cannot hold all 10 classes"));
  EXPECT_THAT(message(10, 1, {.clients = {0, 1}, .label = 9}),
              AllOf(HasSubstr("data.partition"), HasSubstr("too many must hold label 9")));
}

TEST(Partition, IidExchangesImagesUntilAttackersHoldTheLabel) {
  // Label 9 is rare: three of 200 images.
  std::vector<std::uint8_t> labels;
  for (int i = 0; i < 200; ++i) labels.push_back(static_cast<std::uint8_t>(i % 9));
  labels[10] = labels[20] = labels[30] = 9;
  const HoldsLabel required = {.clients = {3, 11}, .label = 9};
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Lists without = deal(labels, 20, Iid::Settings(), {}, seed);
    const Lists lists = deal(labels, 20, Iid::Settings(), required, seed);
    EXPECT_EQ(expect_proper(lists, all_of(labels)), labels.size());
    EXPECT_EQ(sizes(lists), sizes(without));
    for (const int client : required.clients) {
      EXPECT_TRUE(labels_held(labels, lists[client]).contains(9));
    }
  }
}

TEST(Partition, RefusesMoreAttackersThanImagesOfTheLabel) {
  std::vector<std::uint8_t> labels(200, 0);
  labels[10] = labels[20] = 9;
  for (const PartitionSettings& settings :
       {PartitionSettings(Iid::Settings()), PartitionSettings(Dirichlet::Settings{.alpha = 100})}) {
    EXPECT_THAT(input_error([&] {
                  deal(labels, 10, settings, {.clients = {1, 2, 3}, .label = 9});
                }),
                AllOf(HasSubstr("data.partition"), HasSubstr("too few images of label 9")));
  }
}

TEST(Partition, DirichletDealsEveryImageInUnevenParts) {
  const auto labels = balanced_labels(100);
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Lists lists =
        deal(labels, 10, Dirichlet::Settings{.alpha = 0.5}, {.clients = {2}, .label = 7}, seed);
    EXPECT_EQ(expect_proper(lists, all_of(labels)), labels.size());
    EXPECT_THAT(sizes(lists), Each(testing::Ge(1U)));
    EXPECT_TRUE(labels_held(labels, lists[2]).contains(7));
    const std::vector<std::size_t> counts = sizes(lists);
    EXPECT_GT(*std::max_element(counts.begin(), counts.end()),
              *std::min_element(counts.begin(), counts.end()) + 20);
  }
}

TEST(Partition, DirichletSharesHaveTheVarianceOfTheDistribution) {
  // A share of Dirichlet(a, ..., a) over K parts has mean 1/K and variance (1/K)(1-1/K)/(aK+1).
  const auto labels = balanced_labels(1000);
  constexpr int kClients = 10;
  for (const double alpha : {0.5, 2.0, 50.0}) {
    double squares = 0;
    int shares = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
      for (const auto& list :
           deal(labels, kClients, Dirichlet::Settings{.alpha = alpha}, {}, seed)) {
        std::vector<double> counts(10);
        for (const int i : list) ++counts[labels[i]];
        for (const double count : counts) {
          squares += (count / 1000 - 0.1) * (count / 1000 - 0.1);
          ++shares;
        }
      }
    }
    ASSERT_EQ(shares, 6000);
    const double expected = 0.1 * 0.9 / (alpha * kClients + 1);
    EXPECT_NEAR(squares / shares / expected, 1, 0.1) << "alpha " << alpha;
  }
}

TEST(Partition, DirichletRefusesWhatCannotBeMet) {
  const auto labels = balanced_labels(30);
  EXPECT_THAT(input_error([&] { deal(labels, 10, Dirichlet::Settings{.alpha = 0}); }),
              HasSubstr("data.partition.alpha is 0"));
  // Each of ten classes goes to one client nearly whole: thirty clients cannot all have some.
  EXPECT_THAT(input_error([&] { deal(labels, 30, Dirichlet::Settings{.alpha = 1e-6}); }),
              AllOf(HasSubstr("30 clients"), HasSubstr("raise alpha")));
}

TEST(Partition, NeedsAnImageForEveryClient) {
  const auto labels = balanced_labels(1);
  for (const PartitionSettings& settings : each_kind(1, 0.5)) {
    EXPECT_THAT(input_error([&] { deal(labels, 11, settings); }),
                AllOf(HasSubstr("federation.clients is 11"), HasSubstr("10 training images")));
  }
  // Enough images in all, but not of each label for its holders.
  std::vector<std::uint8_t> skewed = balanced_labels(1);
  skewed.resize(30, 1);
  EXPECT_THAT(input_error([&] { deal(skewed, 20, KLabel::Settings{.labels = 1}); }),
              AllOf(HasSubstr("data.partition"), HasSubstr("would have no image")));
}

}  // namespace redoubt::test
