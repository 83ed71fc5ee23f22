/// Stands in for libFuzzer where the compiler has none: every seed, then changes of seeds drawn
/// from a fixed generator until the time is over. The input that ends the program is in
/// ./crash-input.

#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <random>

#include <fcntl.h>
#include <unistd.h>

#include "tests/fuzz/seeds.h"

namespace {

using Input = std::vector<std::byte>;

Input running;  // the input under test, for the handler

void keep_input(int signal) {
  const int fd = ::open("crash-input", O_WRONLY | O_CREAT | O_TRUNC, 0644);
  [[maybe_unused]] const auto written = ::write(fd, running.data(), running.size());
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

class Changes {
 public:
  explicit Changes(std::vector<Input> seeds) : seeds_(std::move(seeds)) {}

  Input next() {
    auto input = seeds_[below(seeds_.size())];
    for (auto left = 1 + below(6); left > 0; --left) change(input);
    return input;
  }

 private:
  std::size_t below(std::size_t limit) { return limit == 0 ? 0 : random_() % limit; }

  void change(Input& input) {
    const auto at = below(input.size() + 1);
    const auto here = input.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(7)) {
      case 0:  // a bit
        if (at < input.size()) input[at] ^= static_cast<std::byte>(1U << below(8));
        break;
      case 1:  // a byte that means something to parsers
        if (at < input.size()) {
          constexpr unsigned char kOdd[] = {0, 1, 0x7f, 0x80, 0xff, '"', '\\', '{', '%'};
          input[at] = static_cast<std::byte>(kOdd[below(sizeof(kOdd))]);
        }
        break;
      case 2: input.resize(at); break;
      case 3: input.insert(here, 1 + below(16), static_cast<std::byte>(random_())); break;
      case 4: {  // a number, little-endian
        const std::uint32_t number = below(2) == 0 ? ~std::uint32_t{0} : random_() >> below(32);
        if (at + sizeof(number) <= input.size()) std::memcpy(&input[at], &number, sizeof(number));
        break;
      }
      case 5: {  // a part of another seed
        const auto& other = seeds_[below(seeds_.size())];
        const auto from = below(other.size());
        const auto size = below(other.size() - from + 1);
        const Input piece(other.begin() + static_cast<std::ptrdiff_t>(from),
                          other.begin() + static_cast<std::ptrdiff_t>(from + size));
        input.insert(here, piece.begin(), piece.end());
        break;
      }
      default: {  // a part of itself, taken out
        const auto size = below(input.size() - at + 1);
        input.erase(here, here + static_cast<std::ptrdiff_t>(size));
        break;
      }
    }
  }

  std::vector<Input> seeds_;
  std::mt19937 random_{20240501};  // NOLINT: the same changes every time, on purpose
};

void feed(Input input) {
  running = std::move(input);
  // A copy of its own size: a sanitizer sees a read past its end.
  const std::vector<std::byte> copy(running);
  LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(copy.data()), copy.size());
}

}  // namespace

int main(int argc, char** argv) {
  int seconds = 5;
  if (argc == 3 && std::strcmp(argv[1], "--seconds") == 0) {
    std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), seconds);
  }
  for (const int signal : {SIGSEGV, SIGABRT, SIGFPE, SIGBUS, SIGILL}) {
    std::signal(signal, keep_input);
  }
  auto seeds = cardswap::fuzz::seeds();
  for (const auto& seed : seeds) feed(seed);
  Changes changes(std::move(seeds));
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  std::uint64_t inputs = 0;
  while (std::chrono::steady_clock::now() < until) {
    for (int i = 0; i < 100; ++i, ++inputs) feed(changes.next());
  }
  std::printf("%llu inputs\n", static_cast<unsigned long long>(inputs));
  return 0;
}
