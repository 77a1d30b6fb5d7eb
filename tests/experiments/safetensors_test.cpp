// Model files: what is written comes back, and every way to be wrong has its message.
#include "engine/safetensors.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>

#include "tests/support/expect_message.h"
#include "tests/support/temporary_folder.h"

namespace redoubt::test {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

namespace {

/// A safetensors file from its header and its tensors' bytes.
std::string file_bytes(const std::string& header, const std::string& data) {
  const std::uint64_t length = header.size();
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + header + data;
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

class Safetensors : public testing::Test {
 protected:
  /// The message for a file of these bytes, which names the file.
  std::string error(const std::string& bytes) {
    const auto path = folder_.write("model.safetensors", bytes);
    const std::string message = input_error([&] { read_safetensors(path); });
    EXPECT_THAT(message, StartsWith(path.string() + ": "));
    return message;
  }
  std::string error(const std::string& header, std::size_t data_bytes) {
    return error(file_bytes(header, std::string(data_bytes, '\0')));
  }

  TemporaryFolder folder_;
};

constexpr const char* kTwo = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[3],"data_offsets":[8,20]}})";

/// A model of a weight [2, 3] and a bias [2], with padding between them.
ParameterLayout small_layout() {
  ParameterLayout layout;
  layout.add({.name = "fc1.weight", .shape = {2, 3}});
  layout.add({.name = "fc1.bias", .shape = {2}, .role = ParameterSpan::Role::bias});
  return layout;
}

}  // namespace

TEST_F(Safetensors, ComeBackAsTheyWereWritten) {
  const TensorFile file = {
      .metadata = {{"format", "pt"}, {"quote", "a \"b\"\n"}},
      .tensors = {{"conv1.weight", {2, 1, 1, 3}, {1, -2, 3.5F, 1e-40F, -0.0F, 3e38F}},
                  {"empty", {0, 4}, {}},
                  {"scalar", {}, {std::numeric_limits<float>::infinity()}}}};
  const auto path = folder_.path() / "model.safetensors";
  write_safetensors(path, file);
  const TensorFile back = read_safetensors(path);
  EXPECT_EQ(back.metadata, file.metadata);
  EXPECT_EQ(back.tensors, file.tensors);
  EXPECT_TRUE(std::signbit(back.tensors[0].values[4]));
  EXPECT_EQ(back.find("scalar"), &back.tensors[2]);
  EXPECT_EQ(back.find("conv2.weight"), nullptr);
}

TEST_F(Safetensors, AreLaidOutAsTheFormatSays) {
  const auto path = folder_.path() / "model.safetensors";
  write_safetensors(path, {.metadata = {}, .tensors = {{"a", {2}, {1, 2}}, {"b", {1}, {3}}}});
  const std::string bytes = read_file(path);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0U) << "tensors start aligned";
  EXPECT_THAT(bytes.substr(8, length),
              StartsWith(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                         R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})"));
  const float values[] = {1, 2, 3};
  ASSERT_EQ(bytes.size(), 8 + length + 12);
  EXPECT_EQ(std::memcmp(bytes.data() + 8 + length, values, 12), 0);
  EXPECT_FALSE(std::filesystem::exists(path.string() + ".part"));
}

TEST_F(Safetensors, HoldBytesAfterTheTensorsForOtherPrograms) {
  const auto path = folder_.path() / "model.safetensors";
  write_safetensors(path, {.metadata = {},
                           .tensors = {{.name = "a", .shape = {1}, .values = {1.0F}}},
                           .bytes = {{.name = "b", .shape = {1, 3}, .values = {7, 0, 255}}}});
  const std::string written = read_file(path);
  EXPECT_THAT(written, HasSubstr(R"("b":{"dtype":"U8","shape":[1,3],"data_offsets":[4,7]})"));
  EXPECT_EQ(written.substr(written.size() - 3), std::string("\x07\x00\xff", 3));
  EXPECT_THAT(input_error([&] { read_safetensors(path); }), HasSubstr("only F32, F16 and BF16"));
}

TEST_F(Safetensors, MayListTensorsInAnyOrder) {
  const std::string header = R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},)"
                             R"("a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const float values[] = {1, 2};
  const auto path = folder_.write(
      "model.safetensors",
      file_bytes(header, std::string(reinterpret_cast<const char*>(values), sizeof(values))));
  const TensorFile file = read_safetensors(path);
  EXPECT_EQ(file.find("a")->values, std::vector<float>{1});
  EXPECT_EQ(file.find("b")->values, std::vector<float>{2});
}

TEST_F(Safetensors, MustBeThere) {
  const auto absent = folder_.path() / "absent.safetensors";
  EXPECT_THAT(input_error([&] { read_safetensors(absent); }),
              AllOf(StartsWith(absent.string()), HasSubstr("cannot open")));
  EXPECT_THAT(input_error([&] { read_safetensors(folder_.path()); }),
              AllOf(StartsWith(folder_.path().string()), HasSubstr("cannot read")));
}

TEST_F(Safetensors, MustHaveAWholeHeader) {
  EXPECT_THAT(error(""), HasSubstr("too short for a header"));
  EXPECT_THAT(error("1234567"), HasSubstr("too short for a header"));
  const std::string whole = file_bytes(kTwo, std::string(20, '\0'));
  EXPECT_THAT(error(whole.substr(0, 60)), HasSubstr("does not fit into the file"));
  EXPECT_THAT(error(std::string(8, '\xff') + "{}"), HasSubstr("does not fit into the file"));
}

TEST_F(Safetensors, MustHaveAHeaderOfJson) {
  EXPECT_THAT(error("{\"a\": ", 0), HasSubstr("no safetensors file"));
  EXPECT_THAT(error("[1, 2]", 0), HasSubstr("no JSON object"));
}

TEST_F(Safetensors, MustDescribeEveryTensor) {
  EXPECT_THAT(error(R"({"a":[0,8]})", 8), HasSubstr("tensor a has no map"));
  EXPECT_THAT(error(R"({"a":{"shape":[2],"data_offsets":[0,8]}})", 8),
              AllOf(HasSubstr("tensor a"), HasSubstr("type null")));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","data_offsets":[0,8]}})", 8),
              HasSubstr("tensor a has no shape"));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[2]}})", 8),
              HasSubstr("tensor a has no data_offsets"));
  for (const char* shape : {"[-2]", "[2.5]", "[\"2\"]", "2", "null"}) {
    EXPECT_THAT(
        error(std::string(R"({"a":{"dtype":"F32","shape":)") + shape + R"(,"data_offsets":[0,8]}})",
              8),
        AllOf(HasSubstr("tensor a has shape " + std::string(shape)), HasSubstr("whole numbers")));
  }
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[-8,0]}})", 8),
              HasSubstr("tensor a has data_offsets [-8,0]"));
}

TEST_F(Safetensors, MustBeFloats) {
  EXPECT_THAT(error(R"({"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}})", 8),
              AllOf(HasSubstr("tensor a is of type \"F64\""), HasSubstr("only F32, F16 and")));
  EXPECT_THAT(error(R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,8]}})", 8),
              HasSubstr("tensor a has shape [2] but 8 bytes"));
}

/// Every number of 16 bits against what its bits mean.
TEST_F(Safetensors, MayHoldHalvesAndBrainFloats) {
  std::string data;
  for (int bits = 0; bits < 65536; ++bits) {
    data += static_cast<char>(bits & 0xff);
    data += static_cast<char>(bits >> 8);
  }
  const auto values_of = [&](const std::string& type) {
    const auto path = folder_.write(
        type + ".safetensors",
        file_bytes(R"({"a":{"dtype":")" + type + R"(","shape":[65536],"data_offsets":[0,131072]}})",
                   data));
    return read_safetensors(path).tensors.front().values;
  };
  const auto meaning = [](int bits, int exponent_bits, int mantissa_bits) {
    const int exponent = bits >> mantissa_bits & ((1 << exponent_bits) - 1);
    const int mantissa = bits & ((1 << mantissa_bits) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double sign = bits >> 15 != 0 ? -1 : 1;
    if (exponent == (1 << exponent_bits) - 1) return mantissa == 0 ? sign * INFINITY : NAN;
    const double fraction = mantissa / std::pow(2.0, mantissa_bits);
    return exponent == 0 ? sign * fraction * std::pow(2.0, 1 - bias)
                         : sign * (1 + fraction) * std::pow(2.0, exponent - bias);
  };
  const std::vector<float> halves = values_of("F16");
  const std::vector<float> brains = values_of("BF16");
  for (int bits = 0; bits < 65536; ++bits) {
    for (const auto& [value, expected] :
         {std::pair(halves[static_cast<std::size_t>(bits)], meaning(bits, 5, 10)),
          std::pair(brains[static_cast<std::size_t>(bits)], meaning(bits, 8, 7))}) {
      if (std::isnan(expected)) {
        EXPECT_TRUE(std::isnan(value)) << bits;
      } else {
        EXPECT_EQ(static_cast<double>(value), expected) << bits;
        EXPECT_EQ(std::signbit(value), bits >> 15 != 0) << bits;
      }
    }
  }
}

TEST_F(Safetensors, NameMetadataThatAreNoText) {
  for (const char* value : {"1", "null", "[1,2]", "{}", "true"}) {
    EXPECT_THAT(error(R"({"__metadata__":{"format":"pt","epoch":)" + std::string(value) + "}}", 0),
                AllOf(HasSubstr("__metadata__: \"epoch\" is \"" + std::string(value) + "\""),
                      HasSubstr("it must be a text")));
  }
  EXPECT_THAT(error(R"({"__metadata__":3})", 0), HasSubstr("__metadata__ is no map"));
}

TEST_F(Safetensors, OfAModelHoldFiniteNumbersAndVariancesFromZero) {
  ParameterLayout layout;
  layout.add({.name = "bn1.weight", .shape = {2}});
  layout.add({.name = "bn1.running_var",
              .shape = {2},
              .role = ParameterSpan::Role::statistic,
              .least = 0.0F});
  std::vector<float> row(static_cast<std::size_t>(layout.row_size()));
  const auto message = [&](float weight, float variance) {
    const TensorFile file = {
        .metadata = {},
        .tensors = {{.name = "bn1.weight", .shape = {2}, .values = {1, weight}},
                    {.name = "bn1.running_var", .shape = {2}, .values = {0, variance}}}};
    return input_error([&] { fill_row(layout, file, "m", row); });
  };
  EXPECT_NO_THROW(
      fill_row(layout,
               {.metadata = {},
                .tensors = {{.name = "bn1.weight", .shape = {2}, .values = {1, -1}},
                            {.name = "bn1.running_var", .shape = {2}, .values = {0, 2}}}},
               "m", row));
  EXPECT_THAT(message(NAN, 1), HasSubstr("m: tensor bn1.weight has nan at place 1"));
  EXPECT_THAT(message(INFINITY, 1), HasSubstr("tensor bn1.weight has inf at place 1"));
  EXPECT_THAT(message(1, -0.25F), HasSubstr("m: tensor bn1.running_var has -0.25"));
}

TEST_F(Safetensors, MayHoldThePyTorchBatchCountsThatNobodyNeeds) {
  const std::string header = R"({"bn1.num_batches_tracked":{"dtype":"I64","shape":[],)"
                             R"("data_offsets":[0,8]},)"
                             R"("bn1.weight":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})";
  const auto path = folder_.write("model.safetensors", file_bytes(header, std::string(16, '\0')));
  const TensorFile file = read_safetensors(path);
  ASSERT_EQ(file.tensors.size(), 1U);
  EXPECT_EQ(file.tensors[0].name, "bn1.weight");
}

TEST_F(Safetensors, MustLieInsideTheFile) {
  EXPECT_THAT(error(kTwo, 19), HasSubstr("tensor b lies outside the file"));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}})", 8),
              HasSubstr("tensor a lies outside"));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8,16]}})", 16),
              HasSubstr("tensor a lies outside"));
}

TEST_F(Safetensors, MustNotOverlap) {
  const std::string header = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},)"
                             R"("c":{"dtype":"F32","shape":[1],"data_offsets":[16,20]}})";
  // Sizes sum up to the file's: only positions tell.
  EXPECT_THAT(error(header, 20), HasSubstr("tensor b overlaps tensor a"));
}

TEST_F(Safetensors, MustLeaveNoGap) {
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                    R"("b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})",
                    12),
              HasSubstr("gap of 4 bytes lies before tensor b"));
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})", 8),
              HasSubstr("gap of 4 bytes lies before tensor a"));
  EXPECT_THAT(error(kTwo, 23), HasSubstr("3 bytes are left over after tensor b"));
  EXPECT_THAT(error("{}", 3), HasSubstr("3 bytes are left over after the header"));
}

TEST_F(Safetensors, MustHaveAsManyBytesAsTheirShapeSays) {
  EXPECT_THAT(error(R"({"a":{"dtype":"F32","shape":[1,3],"data_offsets":[0,8]}})", 8),
              HasSubstr("tensor a has shape [1, 3] but 8 bytes"));
  // 2^32 · 2^32 · 4 is 0 modulo 2^64.
  EXPECT_THAT(
      error(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0),
      AllOf(HasSubstr("tensor a"), HasSubstr("larger than the file")));
}

TEST(ModelRow, FillsAndGivesBackEveryParameter) {
  const ParameterLayout layout = small_layout();
  const TensorFile file = {
      .metadata = {},
      .tensors = {{"fc1.bias", {2}, {7, 8}}, {"fc1.weight", {2, 3}, {1, 2, 3, 4, 5, 6}}}};
  std::vector<float> row(static_cast<std::size_t>(layout.row_size()), -1);
  fill_row(layout, file, "here", row);
  std::vector<float> expected(row.size());
  std::copy_n(file.tensors[1].values.begin(), 6, expected.begin() + layout.span(0).offset);
  std::copy_n(file.tensors[0].values.begin(), 2, expected.begin() + layout.span(1).offset);
  EXPECT_EQ(row, expected);
  const std::vector<NamedTensor> tensors = tensors_of(layout, row);
  ASSERT_EQ(tensors.size(), 2U);
  EXPECT_EQ(tensors[0], file.tensors[1]);
  EXPECT_EQ(tensors[1], file.tensors[0]);
}

TEST(ModelRow, TakesNothingButTheModelsTensors) {
  const ParameterLayout layout = small_layout();
  std::vector<float> row(layout.row_size());
  const NamedTensor weight = {"fc1.weight", {2, 3}, std::vector<float>(6)};
  const NamedTensor bias = {"fc1.bias", {2}, std::vector<float>(2)};
  const auto message = [&](std::vector<NamedTensor> tensors) {
    return input_error([&] {
      fill_row(layout, {.metadata = {}, .tensors = std::move(tensors)}, "m.safetensors", row);
    });
  };
  EXPECT_EQ(message({weight}), "m.safetensors: tensor fc1.bias of the model is missing");
  EXPECT_EQ(message({weight, bias, {"fc2.bias", {1}, {0}}}),
            "m.safetensors: tensor fc2.bias is not in the model");
  EXPECT_EQ(message({{"fc1.weight", {3, 2}, std::vector<float>(6)}, bias}),
            "m.safetensors: tensor fc1.weight has shape [3, 2]; the model needs [2, 3]");
}

}  // namespace redoubt::test
