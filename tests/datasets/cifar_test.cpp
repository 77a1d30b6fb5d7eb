// CIFAR-10's binary batches: records of a label and 3072 bytes.
#include "datasets/cifar.h"

#include "tests/datasets/files.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

constexpr int kImage = 3 * 32 * 32;

std::string pixels(int i) {
  std::string bytes;
  for (int j = 0; j < kImage; ++j) bytes += static_cast<char>((7 * i + j) % 253);
  return bytes;
}

std::string batch(int count) {
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(9 - i % 10) + pixels(i);
  return bytes;
}

}  // namespace

TEST(Cifar, AppendsRecordsToASplit) {
  const TemporaryFolder folder;
  Split split;
  read_cifar_batch(folder.write("a.bin", batch(2)), 2, split);
  read_cifar_batch(folder.write("b.bin", packed(folder, batch(3))), 3, split);
  EXPECT_EQ(split.labels, (std::vector<std::uint8_t>{9, 8, 9, 8, 7}));
  EXPECT_EQ(split.images, as_bytes(pixels(0) + pixels(1) + pixels(0) + pixels(1) + pixels(2)));
}

TEST(Cifar, RejectsAFileOfAnotherSize) {
  const TemporaryFolder folder;
  const auto path = folder.write("batch.bin", batch(2));
  Split split;
  EXPECT_THAT(input_error([&] { read_cifar_batch(path, 3, split); }),
              AllOf(StartsWith(path.string()), HasSubstr("truncated: 6146 bytes"),
                    HasSubstr("3 images has 9219")));
  EXPECT_THAT(input_error([&] { read_cifar_batch(path, 1, split); }),
              AllOf(StartsWith(path.string()), HasSubstr("too long: 6146 bytes"),
                    HasSubstr("1 images has 3073")));
  EXPECT_EQ(split.count(), 0);
}

TEST(Cifar, RejectsALabelThatIsNoClass) {
  const TemporaryFolder folder;
  std::string bytes = batch(3);
  bytes[kImage + 1] = 17;
  const auto path = folder.write("batch.bin", bytes);
  Split split;
  EXPECT_THAT(input_error([&] { read_cifar_batch(path, 3, split); }),
              AllOf(StartsWith(path.string()), HasSubstr("label 17 of image 1")));
}

}  // namespace redoubt::test
