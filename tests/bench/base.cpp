// Figures of the data path: `digest` compares the digest with the machine's read bandwidth, `copy`
// the base copy with what ucx_perftest reaches. Prints one JSON object a line.

#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "migrator/digest.h"
#include "migrator/source.h"
#include "migrator/target.h"

namespace {

using namespace cardswap;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1U << 20;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void print(const std::string& name, std::vector<double> ratios, double goal) {
  std::sort(ratios.begin(), ratios.end());
  const auto median = ratios[ratios.size() / 2];
  fmt::print(
      "{{\"name\":\"{}\",\"value\":{:.3f},\"unit\":\"ratio\",\"goal\":\">= {}\",\"holds\":{},"
      "\"n\":{},\"spread\":[{:.3f},{:.3f}]}}\n",
      name, median, goal, median >= goal, ratios.size(), ratios.front(), ratios.back());
  std::fflush(stdout);
}

/// The sum of all words, with enough independent sums that only memory limits it.
std::uint64_t read_all(const std::vector<std::uint64_t>& words) {
  std::array<std::uint64_t, 16> sums{};
  for (std::size_t i = 0; i + sums.size() <= words.size(); i += sums.size()) {
    for (std::size_t j = 0; j < sums.size(); ++j) sums[j] += words[i + j];
  }
  std::uint64_t sum = 0;
  for (const auto part : sums) sum += part;
  return sum;
}

int digest() {
  std::vector<std::uint64_t> words((512 * kMiB) / sizeof(std::uint64_t), 7);
  const auto bytes = std::as_bytes(std::span(words));
  std::vector<double> ratios;
  volatile std::uint64_t keep = 0;  // so that nothing is left out
  for (int i = 0; i < 9; ++i) {
    auto start = Clock::now();
    keep = keep + read_all(words);
    const auto read = seconds_since(start);
    start = Clock::now();
    for (std::size_t at = 0; at < bytes.size(); at += kMiB) {
      keep = keep + digest_of(bytes.subspan(at, kMiB)).bytes[0];
    }
    ratios.push_back(read / seconds_since(start));
  }
  print("digest_over_memory_read", ratios, 0.8);
  return 0;
}

struct Memory {
  explicit Memory(std::size_t size, std::byte fill) : bytes(size, fill) {}
  Snapshot snapshot() {
    Snapshot result;
    result.layout = Layout({{"w", "bytes", "", bytes.size()}});
    result.memory.emplace_back(bytes);
    return result;
  }
  std::vector<std::byte> bytes;
};

class Program final : public SourceProgram, public TargetProgram {
 public:
  explicit Program(Memory& memory) : memory_(memory) {}
  Snapshot snapshot() override { return memory_.snapshot(); }
  std::uint64_t step() override { return 1; }
  double median_step_ms() override { return 1; }
  Snapshot adopt(const Layout&) override { return memory_.snapshot(); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }

 private:
  Memory& memory_;
};

/// Bytes a second of one base copy to a process of its own.
double base_copy(std::size_t size) {
  std::array<int, 2> channel{};
  if (::pipe(channel.data()) != 0) return 0;
  const auto pid = ::fork();
  if (pid == 0) {
    Memory memory(size, std::byte{1});
    Program program(memory);
    Target target({"m", "127.0.0.1", "token", "", std::chrono::seconds(10)}, program, {});
    const auto port = target.port();
    if (::write(channel[1], &port, sizeof(port)) < 0) ::_exit(1);
    ::pause();
    ::_exit(0);
  }
  std::uint16_t port = 0;
  if (::read(channel[0], &port, sizeof(port)) != sizeof(port)) return 0;
  Memory memory(size, std::byte{2});
  Program program(memory);
  std::atomic<double> rate{0};
  SourceOptions options;
  options.migration = "m";
  options.host = "127.0.0.1";
  options.port = port;
  options.token = "token";
  options.strategy = Strategy::rounds;
  options.silence_max = std::chrono::seconds(10);
  SourceEvents events;
  events.progress = [&](const MigrationStats& stats) {
    if (stats.rounds >= 1 && stats.rate > 0) {
      rate = static_cast<double>(stats.rate);
      rate.notify_all();
    }
  };
  events.failed = [&](const Error& error) {
    fmt::print(stderr, "base copy: {}\n", error.what());
    rate = -1;
    rate.notify_all();
  };
  {
    const Source source(options, program, events);
    rate.wait(0);
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  ::close(channel[0]);
  ::close(channel[1]);
  return rate;
}

/// Bytes a second that ucx_perftest reaches with the same message size.
double perftest(int iterations) {
  const int port = 20'000 + ::getpid() % 20'000;
  const auto pid = ::fork();
  if (pid == 0) {
    if (std::freopen("/dev/null", "w", stdout) == nullptr) ::_exit(1);
    ::execlp("ucx_perftest", "ucx_perftest", "-p", std::to_string(port).c_str(), nullptr);
    ::_exit(127);
  }
  double rate = 0;
  for (int attempt = 0; attempt < 50 && rate == 0; ++attempt) {
    const auto command = fmt::format(
        "ucx_perftest 127.0.0.1 -p {} -t ucp_am_bw -s 1048576 -n {} -w 50 -f 2>/dev/null | tail -1",
        port, iterations);
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(command.c_str(), "r"),
                                                               ::pclose);
    std::array<char, 512> line{};
    if (std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
      // iterations, 3 latencies, then bandwidth average and overall in MB/s (MiB)
      double n = 0, p = 0, average = 0, overall = 0, bw_average = 0, bw_overall = 0;
      if (std::sscanf(line.data(), "%lf %lf %lf %lf %lf %lf", &n, &p, &average, &overall,
                      &bw_average, &bw_overall) == 6) {
        rate = bw_overall * static_cast<double>(kMiB);
      }
    }
    if (rate == 0) std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ::kill(pid, SIGKILL);
  ::waitpid(pid, nullptr, 0);
  return rate;
}

int copy() {
  std::vector<double> ratios;
  for (int i = 0; i < 5; ++i) {
    const auto theirs = perftest(1000);
    const auto ours = base_copy(512 * kMiB);
    fmt::print(stderr, "base copy {:.2f} GB/s, ucx_perftest {:.2f} GB/s\n", ours / 1e9,
               theirs / 1e9);
    if (theirs > 0 && ours > 0) ratios.push_back(ours / theirs);
  }
  if (ratios.empty()) return 1;
  print("base_copy_over_ucx_am", ratios, 0.8);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string what = argc > 1 ? argv[1] : "";
  if (what == "digest") return digest();
  if (what == "copy") return copy();
  std::fputs("usage: bench_base digest|copy\n", stderr);
  return 2;
}
