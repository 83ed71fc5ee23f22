// How near digesting comes to reading: XXH3-128 in 1 MiB chunks against summing the same words in
// the faster of two ways, one thread, over a buffer that no cache holds. Pairs alternate, so that
// what disturbs the machine disturbs both.

#include "migrator/core/digest.h"

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <memory>
#include <system_error>

#include "tests/bench/figure.h"

namespace {

using cardswap::bench::Figure;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1U << 20;
constexpr std::size_t kChunk = kMiB;
constexpr int kPairs = 9;

using Wide = std::uint64_t __attribute__((vector_size(32)));

/// One stream, four vectors of 32 bytes a turn.
__attribute__((target_clones("default", "avx2"))) std::uint64_t sum_in_order(
    const std::byte* bytes) {
  Wide a{}, b{}, c{}, d{};
  const auto* words = reinterpret_cast<const Wide*>(bytes);
  for (std::size_t i = 0; i < kChunk / sizeof(Wide); i += 4) {
    a += words[i];
    b += words[i + 1];
    c += words[i + 2];
    d += words[i + 3];
  }
  a += b + c + d;
  return a[0] + a[1] + a[2] + a[3];
}

/// Four streams, fetched ahead: faster where the processor's own prefetcher is slow to start.
__attribute__((target_clones("default", "avx2"))) std::uint64_t sum_four_streams(
    const std::byte* bytes) {
  constexpr std::size_t kQuarter = kChunk / 4;
  constexpr std::size_t kAhead = 1024;
  Wide a{}, b{};
  for (std::size_t at = 0; at < kQuarter; at += 64) {
    for (std::size_t stream = 0; stream < 4; ++stream) {
      const auto* line = bytes + stream * kQuarter + at;
      __builtin_prefetch(line + kAhead);
      a += reinterpret_cast<const Wide*>(line)[0];
      b += reinterpret_cast<const Wide*>(line)[1];
    }
  }
  a += b;
  return a[0] + a[1] + a[2] + a[3];
}

class Buffer {
 public:
  explicit Buffer(std::size_t size)
      : size_(size),
        raw_(::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (raw_ == MAP_FAILED) throw std::system_error(errno, std::generic_category(), "mmap");
    ::madvise(raw_, size, MADV_HUGEPAGE);
    auto* words = static_cast<std::uint64_t*>(raw_);
    for (std::size_t i = 0; i < size / sizeof(*words); ++i) words[i] = i * 0x9e3779b97f4a7c15ULL;
  }
  ~Buffer() { ::munmap(raw_, size_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  [[nodiscard]] const std::byte* data() const { return static_cast<const std::byte*>(raw_); }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::size_t size_;
  void* raw_;
};

/// Four times the last cache where memory allows, but no less than 256 MiB.
std::size_t buffer_bytes() {
  const auto cache = static_cast<std::size_t>(std::max(0L, ::sysconf(_SC_LEVEL3_CACHE_SIZE)));
  const auto free = static_cast<std::size_t>(::sysconf(_SC_AVPHYS_PAGES)) *
                    static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto wanted = std::max<std::size_t>(4 * cache, 256 * kMiB);
  const auto size = std::min<std::size_t>(wanted, free / 4) / kMiB * kMiB;
  if (size < 2 * cache) {
    fmt::print(stderr, "digest: {} MiB are little against {} MiB of cache\n", size / kMiB,
               cache / kMiB);
  }
  return size;
}

std::uint64_t kept = 0;  // what keeps the compiler from dropping the work

template <class Pass>
double gb_per_s(const Buffer& buffer, Pass pass) {
  const auto start = Clock::now();
  for (std::size_t at = 0; at < buffer.size(); at += kChunk) kept += pass(buffer.data() + at);
  const std::chrono::duration<double> took = Clock::now() - start;
  return static_cast<double>(buffer.size()) / 1e9 / took.count();
}

void measure(int, char**) {
  const Buffer buffer(buffer_bytes());
  const auto read = [&] {
    return std::max(gb_per_s(buffer, sum_in_order), gb_per_s(buffer, sum_four_streams));
  };
  const auto digest = [&] {
    return gb_per_s(buffer, [](const std::byte* chunk) {
      return std::uint64_t{cardswap::digest_of({chunk, kChunk}).bytes[0]};
    });
  };
  Figure ratio{"digest_over_memory_read", "ratio", {}, 0.8};
  Figure digest_rate{"digest_rate", "GB/s", {}};
  Figure read_rate{"memory_read_rate", "GB/s", {}};
  (void)read();
  for (int i = 0; i < kPairs; ++i) {
    const bool digest_first = i % 2 == 0;
    const double first = digest_first ? digest() : read();
    const double second = digest_first ? read() : digest();
    digest_rate.samples.push_back(digest_first ? first : second);
    read_rate.samples.push_back(digest_first ? second : first);
    ratio.samples.push_back(digest_rate.samples.back() / read_rate.samples.back());
  }
  print(ratio);
  print(digest_rate);
  print(read_rate);
  if (kept == 1) fmt::print(stderr, "\n");
}

}  // namespace

int main(int argc, char** argv) { return cardswap::bench::run("digest", measure, argc, argv); }
