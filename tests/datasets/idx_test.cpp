// IDX files: what is read, and the one message for each way a file can be wrong.
#include "datasets/idx.h"

#include "tests/datasets/files.h"
#include "tests/support/expect_message.h"

namespace redoubt::test {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

constexpr Shape kShape = {1, 28, 28};

class Idx : public testing::Test {
 protected:
  Split read(const std::string& images, const std::string& labels, int classes = 10) {
    folder_.write("images", images);
    folder_.write("labels", labels);
    return read_idx_split(images_, labels_, kShape, classes);
  }
  std::string error(const std::string& images, const std::string& labels, int classes = 10) {
    return input_error([&] { read(images, labels, classes); });
  }
  auto starts_with_images() const { return StartsWith(images_.string() + ": "); }
  auto starts_with_labels() const { return StartsWith(labels_.string() + ": "); }

  TemporaryFolder folder_;
  const std::filesystem::path images_ = folder_.path() / "images";
  const std::filesystem::path labels_ = folder_.path() / "labels";
};

}  // namespace

TEST_F(Idx, ReadsPlainFiles) {
  const Split split = read(image_file(7), label_file(7));
  EXPECT_EQ(split.count(), 7);
  EXPECT_EQ(split.images, as_bytes(image_data(7)));
  EXPECT_EQ(split.labels, (std::vector<std::uint8_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST_F(Idx, ReadsPackedFilesToTheSameBytes) {
  const Split split = read(packed(folder_, image_file(300)), packed(folder_, label_file(300)));
  EXPECT_EQ(split.images, as_bytes(image_data(300)));
  EXPECT_EQ(split.labels, as_bytes(label_data(300)));
}

TEST_F(Idx, SaysWhichFileIsMissing) {
  const auto labels = folder_.write("labels", label_file(1));
  const auto images = folder_.path() / "absent";
  const std::string message = input_error([&] { read_idx_split(images, labels, kShape, 10); });
  EXPECT_THAT(message, AllOf(StartsWith(images.string()), HasSubstr("No such file")));
}

TEST_F(Idx, RejectsATruncatedFile) {
  std::string images = image_file(5);
  images.pop_back();
  EXPECT_THAT(error(images, label_file(5)), AllOf(starts_with_images(), HasSubstr("truncated"),
                                                  HasSubstr("3920"), HasSubstr("3919")));
  std::string labels = label_file(5);
  labels.pop_back();
  EXPECT_THAT(error(image_file(5), labels), AllOf(starts_with_labels(), HasSubstr("truncated")));
}

TEST_F(Idx, RejectsAFileShorterThanItsHeader) {
  EXPECT_THAT(error(image_file(5).substr(0, 15), label_file(5)),
              AllOf(starts_with_images(), HasSubstr("truncated: 15 bytes"), HasSubstr("16")));
  EXPECT_THAT(error("", label_file(5)), AllOf(starts_with_images(), HasSubstr("0 bytes")));
}

TEST_F(Idx, RejectsATruncatedPackedFile) {
  const std::string whole = packed(folder_, image_file(50));
  EXPECT_THAT(error(whole.substr(0, whole.size() / 2), label_file(50)),
              AllOf(starts_with_images(), HasSubstr("damaged after")));
}

TEST_F(Idx, RejectsAPackedFileWithAFlippedBit) {
  std::string damaged = packed(folder_, image_file(50));
  damaged[damaged.size() - 6] ^= 1;  // in the checksum
  EXPECT_THAT(error(damaged, label_file(50)), AllOf(starts_with_images(), HasSubstr("damaged")));
}

TEST_F(Idx, RejectsAWrongMagicNumber) {
  EXPECT_THAT(error(idx_bytes(0x00000d03, {5, 28, 28}, image_data(5)), label_file(5)),
              AllOf(starts_with_images(), HasSubstr("wrong magic number 0x00000d03"),
                    HasSubstr("0x00000803")));
  // The two files confused.
  EXPECT_THAT(error(image_file(5), image_file(5)),
              AllOf(starts_with_labels(), HasSubstr("0x00000803"), HasSubstr("0x00000801")));
}

TEST_F(Idx, RejectsACountThatDisagreesWithTheSize) {
  EXPECT_THAT(error(idx_bytes(kImagesMagic, {6, 28, 28}, image_data(5)), label_file(6)),
              AllOf(starts_with_images(), HasSubstr("truncated"), HasSubstr("4704")));
}

TEST_F(Idx, RejectsSizesWhoseProductOverflows) {
  EXPECT_THAT(error(idx_bytes(kImagesMagic, {0xffffffff, 0xffffffff, 0xffffffff}, image_data(1)),
                    label_file(1)),
              AllOf(starts_with_images(), HasSubstr("truncated")));
  // 2^32 · 2^32 · 0 is no overflow, and 2^16 · 2^24 · 2^24 is 0 modulo 2^64.
  EXPECT_THAT(error(idx_bytes(kImagesMagic, {1U << 16, 1U << 24, 1U << 24}, ""), label_file(0)),
              AllOf(starts_with_images(), HasSubstr("truncated")));
}

TEST_F(Idx, RejectsBytesLeftOver) {
  EXPECT_THAT(error(image_file(5) + "x", label_file(5)),
              AllOf(starts_with_images(), HasSubstr("too long"), HasSubstr("3921")));
}

TEST_F(Idx, RejectsDifferentNumbersOfImagesAndLabels) {
  EXPECT_THAT(error(image_file(5), label_file(4)),
              AllOf(starts_with_labels(), HasSubstr("4 labels"), HasSubstr("5 images")));
}

TEST_F(Idx, RejectsALabelThatIsNoClass) {
  std::string data = label_data(5);
  data[3] = 10;
  EXPECT_THAT(error(image_file(5), idx_bytes(kLabelsMagic, {5}, data)),
              AllOf(starts_with_labels(), HasSubstr("label 10 of image 3"), HasSubstr("0 to 9")));
  EXPECT_THAT(error(image_file(5), label_file(5), 3), HasSubstr("label 3 of image 3"));
}

TEST_F(Idx, RejectsImagesOfAnotherSize) {
  EXPECT_THAT(
      error(idx_bytes(kImagesMagic, {2, 14, 28}, std::string(2 * 14 * 28, 'x')), label_file(2)),
      AllOf(starts_with_images(), HasSubstr("14x28"), HasSubstr("28x28")));
}

}  // namespace redoubt::test
