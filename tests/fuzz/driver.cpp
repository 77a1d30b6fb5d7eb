// Runs a fuzzer's target without libFuzzer, for compilers that have none: on every seed, then on so
// many damaged ones, the same each time.
//   fuzz_<target>_brief SEEDS RUNS
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "base/random.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using redoubt::RandomStream;

void run(const std::string& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(input.data()), input.size());
}

std::size_t below(RandomStream& stream, std::size_t count) { return stream() % count; }

/// One of the things that happen to files: a bit, a byte, a piece left out, doubled, or taken from
/// another seed, a cut end.
void damage(std::string& text, const std::string& other, RandomStream& stream) {
  if (text.empty()) text = other;
  if (text.empty()) return;
  const std::size_t at = below(stream, text.size());
  const std::size_t length = 1 + below(stream, std::min<std::size_t>(16, text.size() - at));
  switch (below(stream, 6)) {
    case 0:
      text[at] = static_cast<char>(text[at] ^ (1 << below(stream, 8)));
      break;
    case 1:
      text[at] = static_cast<char>(below(stream, 256));
      break;
    case 2:
      text.erase(at, length);
      break;
    case 3:
      text.insert(at, text.substr(at, length));
      break;
    case 4:
      if (!other.empty()) text.insert(at, other.substr(below(stream, other.size()), length));
      break;
    default:
      text.resize(at);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const auto& path : paths) {
    std::ifstream stream(path, std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>());
    run(seeds.back());
  }
  if (seeds.empty()) return 2;
  const int runs = std::atoi(argv[2]);
  for (int i = 0; i < runs; ++i) {
    RandomStream stream({.seed = 1, .step = static_cast<std::uint32_t>(i)});
    std::string text = seeds[below(stream, seeds.size())];
    const std::size_t times = 1 + below(stream, 4);
    for (std::size_t t = 0; t < times; ++t)
      damage(text, seeds[below(stream, seeds.size())], stream);
    run(text);
  }
  std::printf("%zu seeds, %d damaged\n", seeds.size(), runs);
  return 0;
}
