// Data sets by name: where they are looked for, subsets, normalisation.
#include "datasets/dataset.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>

#include "datasets/synthetic.h"
#include "tests/datasets/files.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

namespace {

/// $REDOUBT_DATA for the length of a test.
class DataVariable {
 public:
  explicit DataVariable(const char* value) {
    if (const char* old = std::getenv(kName)) old_ = old;
    if (value == nullptr) {
      unsetenv(kName);
    } else {
      setenv(kName, value, 1);
    }
  }
  ~DataVariable() {
    if (old_) {
      setenv(kName, old_->c_str(), 1);
    } else {
      unsetenv(kName);
    }
  }
  DataVariable(const DataVariable&) = delete;
  DataVariable& operator=(const DataVariable&) = delete;

 private:
  static constexpr const char* kName = "REDOUBT_DATA";
  std::optional<std::string> old_;
};

/// Mean and deviation of each channel by two passes in double.
Normalization plain_normalization(const Dataset& data) {
  Normalization result;
  const int positions = data.shape.positions();
  for (int c = 0; c < data.shape.channels; ++c) {
    const auto sum_over = [&](auto&& term) {
      double sum = 0;
      for (int i = 0; i < data.train.count(); ++i) {
        for (int p = 0; p < positions; ++p) {
          const int at = (i * data.shape.channels + c) * positions + p;
          sum += term(data.train.images[at] / 255.0);
        }
      }
      return sum / data.train.count() / positions;
    };
    const double mean = sum_over([](double x) { return x; });
    const double variance = sum_over([&](double x) { return (x - mean) * (x - mean); });
    result.mean.push_back(static_cast<float>(mean));
    result.deviation.push_back(static_cast<float>(std::sqrt(variance)));
  }
  return result;
}

Dataset flat_dataset(std::uint8_t byte) {
  return {.name = "flat",
          .shape = {1, 2, 2},
          .classes = 2,
          .train = {.images = std::vector<std::uint8_t>(8, byte), .labels = {0, 1}},
          .test = {},
          .origin = ""};
}

}  // namespace

TEST(DatasetSearch, TakesTheDirectoryOfTheFileFirst) {
  const TemporaryFolder folder;
  write_small_mnist(folder.path() / "named", 20, 10);
  write_small_mnist(folder.path() / "root" / "mnist", 30, 10);
  const DataVariable variable((folder.path() / "root").c_str());
  const Dataset data = load_dataset(
      {.name = {"mnist"}, .directory = folder.path() / "named", .train_samples = {}}, 1);
  EXPECT_EQ(data.train.count(), 20);
  EXPECT_EQ(data.test.count(), 10);
  EXPECT_EQ(data.origin, (folder.path() / "named").string());
  EXPECT_EQ(data.train.images, as_bytes(image_data(20)));
}

TEST(DatasetSearch, ThenTheVariablesFolder) {
  const TemporaryFolder folder;
  write_small_mnist(folder.path() / "mnist", 30, 10);
  // Of the same name as a data set of the system: the variable goes before the system's folder.
  write_small_mnist(folder.path() / "fashion-mnist", 40, 10);
  const DataVariable variable(folder.path().c_str());
  const auto load = [](const char* name) {
    return load_dataset({.name = {name}, .directory = {}, .train_samples = {}}, 1);
  };
  EXPECT_EQ(load("mnist").train.count(), 30);
  EXPECT_EQ(load("fashion-mnist").train.count(), 40);
  EXPECT_EQ(load("fashion-mnist").origin, (folder.path() / "fashion-mnist").string());
}

TEST(DatasetSearch, ThenTheSystemsFolder) {
  if (!std::filesystem::exists("/usr/share/datasets/fashion-mnist/train-images-idx3-ubyte.gz")) {
    GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  }
  const TemporaryFolder empty;
  const DataVariable variable(empty.path().c_str());
  const Dataset data =
      load_dataset({.name = {"fashion-mnist"}, .directory = {}, .train_samples = 10}, 1);
  EXPECT_EQ(data.origin, "/usr/share/datasets/fashion-mnist");
}

TEST(DatasetSearch, DoesNotFallBackFromADirectoryThatWasNamed) {
  const TemporaryFolder folder;
  write_small_mnist(folder.path() / "mnist", 30, 10);
  const DataVariable variable(folder.path().c_str());
  const auto named = folder.path() / "elsewhere";
  EXPECT_THAT(
      input_error(
          [&] { load_dataset({.name = {"mnist"}, .directory = named, .train_samples = {}}, 1); }),
      AllOf(HasSubstr("data set mnist was not found"), HasSubstr("in " + named.string() + ";")));
}

TEST(DatasetSearch, SaysWhereItLookedAndHowToGetTheData) {
  const TemporaryFolder empty;
  const DataVariable variable(empty.path().c_str());
  const auto message = [&](const char* name) {
    return input_error([&] {
      load_dataset({.name = {name}, .directory = empty.path() / "none", .train_samples = {}}, 1);
    });
  };
  EXPECT_THAT(message("mnist"), AllOf(HasSubstr("train-images-idx3-ubyte"),
                                      HasSubstr("data.directory"), HasSubstr("$REDOUBT_DATA")));
  EXPECT_THAT(message("fashion-mnist"), HasSubstr("apt install dataset-fashion-mnist"));
  EXPECT_THAT(message("cifar10"), AllOf(HasSubstr("test_batch.bin"), HasSubstr("data.directory")));
  const std::string unset = [&] {
    const DataVariable none(nullptr);
    return input_error(
        [] { load_dataset({.name = {"cifar10"}, .directory = {}, .train_samples = {}}, 1); });
  }();
  EXPECT_THAT(unset, HasSubstr("$REDOUBT_DATA is not set"));
}

TEST(DatasetSearch, TakesEverySpellingOfAFileName) {
  for (const char* suffix : {"", ".gz"}) {
    for (const char* join : {"-", "."}) {
      const TemporaryFolder folder;
      const auto write = [&](const std::string& name, const char* kind, const std::string& bytes) {
        folder.write(name + join + kind + suffix, *suffix == 0 ? bytes : packed(folder, bytes));
      };
      write("train-images", "idx3-ubyte", image_file(20));
      write("train-labels", "idx1-ubyte", label_file(20));
      write("t10k-images", "idx3-ubyte", image_file(10));
      write("t10k-labels", "idx1-ubyte", label_file(10));
      const Dataset data =
          load_dataset({.name = {"mnist"}, .directory = folder.path(), .train_samples = {}}, 1);
      EXPECT_EQ(data.train.count(), 20) << join << suffix;
    }
  }
}

TEST(DatasetSearch, NamesAFileThatIsMissingFromTheFolder) {
  const TemporaryFolder folder;
  write_small_mnist(folder.path(), 20, 10);
  std::filesystem::remove(folder.path() / "t10k-labels-idx1-ubyte");
  EXPECT_THAT(input_error([&] {
                load_dataset({.name = {"mnist"}, .directory = folder.path(), .train_samples = {}},
                             1);
              }),
              HasSubstr((folder.path() / "t10k-labels-idx1-ubyte").string() + ": no such file"));
}

TEST(DatasetTable, SuggestsTheNearestName) {
  EXPECT_THAT(input_error([] { dataset_entry("fashion-mnst"); }),
              AllOf(HasSubstr("\"fashion-mnst\""), HasSubstr("did you mean \"fashion-mnist\"?")));
  EXPECT_THAT(input_error([] { dataset_entry("imagenet"); }),
              AllOf(Not(HasSubstr("did you mean")), HasSubstr("cifar10")));
}

TEST(TrainSubset, IsBalancedAndInFileOrder) {
  const TemporaryFolder folder;
  write_small_mnist(folder.path(), 200, 10);
  const auto load = [&](std::optional<int> samples, std::uint64_t seed) {
    return load_dataset({.name = {"mnist"}, .directory = folder.path(), .train_samples = samples},
                        seed);
  };
  const Dataset data = load(53, 1);
  ASSERT_EQ(data.train.count(), 53);
  ASSERT_EQ(data.train.images.size(), 53U * 784);
  std::map<int, int> counts;
  int last = -1;
  for (int i = 0; i < 53; ++i) {
    // An image's first byte is 3i mod 251: with its label it tells which image of the file it is.
    const int label = data.train.labels[i];
    const int first = data.train.images[static_cast<std::size_t>(i) * 784];
    int image = last + 1;
    while (image < 200 && (image % 10 != label || 3 * image % 251 != first)) ++image;
    ASSERT_LT(image, 200) << "sample " << i << " is not a later image of the file";
    last = image;
    ++counts[label];
  }
  for (const auto& [label, count] : counts) EXPECT_THAT(count, testing::AnyOf(5, 6)) << label;
  EXPECT_EQ(load(53, 1).train.images, data.train.images);
  EXPECT_NE(load(53, 2).train.images, data.train.images);
  EXPECT_EQ(load(200, 1).train.images, load({}, 1).train.images);
  for (const int samples : {9, 201}) {
    EXPECT_THAT(input_error([&] { load(samples, 1); }),
                AllOf(HasSubstr("data.train_samples is " + std::to_string(samples)),
                      HasSubstr("from 10"), HasSubstr("200")));
  }
}

TEST(Normalization, StandardIsTheTrainingSplitsMeanAndDeviation) {
  const Dataset data = make_synthetic("synthetic-color", {3, 32, 32}, 60, 10, 5);
  const Normalization standard = normalization({}, data);
  const Normalization plain = plain_normalization(data);
  ASSERT_EQ(standard.mean.size(), 3U);
  ASSERT_EQ(standard.deviation.size(), 3U);
  for (std::size_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(standard.mean[c], plain.mean[c], 1e-6);
    EXPECT_NEAR(standard.deviation[c], plain.deviation[c], 1e-6);
  }
  EXPECT_NE(standard.mean[0], standard.mean[1]);
}

TEST(Normalization, StandardTakesAFlatChannelAsItIs) {
  const Normalization standard = normalization({}, flat_dataset(51));
  EXPECT_FLOAT_EQ(standard.mean[0], 0.2F);
  EXPECT_EQ(standard.deviation[0], 1);
}

TEST(Normalization, UnitIsBytesOver255) {
  const Normalization unit =
      normalization({.kind = NormalizationSettings::Kind::unit, .given = {}}, flat_dataset(9));
  EXPECT_EQ(unit, (Normalization{.mean = {0}, .deviation = {1}}));
}

TEST(Normalization, GivenValuesMustFit) {
  const auto given = [](std::vector<float> mean, std::vector<float> deviation) {
    return NormalizationSettings{
        .kind = NormalizationSettings::Kind::given,
        .given = {.mean = std::move(mean), .deviation = std::move(deviation)}};
  };
  const Dataset data = flat_dataset(9);
  EXPECT_EQ(normalization(given({0.5F}, {0.25F}), data),
            (Normalization{.mean = {0.5F}, .deviation = {0.25F}}));
  EXPECT_THAT(
      input_error([&] {
        normalization(given({0.5F, 0.5F}, {1}), data);
      }),
      AllOf(HasSubstr("data.normalize has 2 means and 1 deviations"), HasSubstr("1 channel")));
  for (const float deviation : {0.0F, -1.0F, NAN}) {
    EXPECT_THAT(input_error([&] { normalization(given({0.5F}, {deviation}), data); }),
                HasSubstr("data.normalize.std"));
  }
}

}  // namespace redoubt::test
