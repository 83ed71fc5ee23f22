#include "tests/fuzz/seeds.h"

#include <cstdlib>
#include <fstream>

namespace cardswap::fuzz {

std::vector<std::byte> bytes_of(const std::string& text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

std::span<const std::byte> view(const std::uint8_t* data, std::size_t size) {
  return std::as_bytes(std::span(data, size));
}

std::string text(const std::uint8_t* data, std::size_t size) { return {data, data + size}; }

}  // namespace cardswap::fuzz

/// libFuzzer calls it before anything else: the seeds go where its corpus is.
extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv);
extern "C" int LLVMFuzzerInitialize(int*, char***) {
  const char* folder = std::getenv("CARDSWAP_FUZZ_SEEDS");  // NOLINT(concurrency-mt-unsafe)
  if (folder == nullptr) return 0;
  int number = 0;
  for (const auto& seed : cardswap::fuzz::seeds()) {
    std::ofstream out(std::string(folder) + "/seed-" + std::to_string(number++), std::ios::binary);
    out.write(reinterpret_cast<const char*>(seed.data()),  // NOLINT: bytes of a file
              static_cast<std::streamsize>(seed.size()));
  }
  return 0;
}
