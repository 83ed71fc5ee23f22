// The base copy against UCX's own benchmark: a Source sends 512 MiB to a Target in another process,
// alternating with `ucx_perftest -t ucp_am_bw` between two processes, with the same chunk size,
// transports and machine. ucx_perftest sends one buffer that stays in the cache and looks at
// nothing; the base copy reads and writes 512 MiB of memory, and the second figure includes what
// proves it: both sides' digests.

#include <fmt/format.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "migrator/source.h"
#include "migrator/target.h"
#include "tests/bench/figure.h"
#include "tests/bench/process.h"

namespace {

using namespace cardswap;
using namespace std::chrono_literals;
using bench::Figure;
using bench::Process;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1U << 20;
constexpr std::size_t kState = 512 * kMiB;
constexpr std::size_t kRegion = 32 * kMiB;
constexpr std::size_t kChunk = kMiB;
constexpr int kPairs = 7;
constexpr int kMessages = 2000;
constexpr double kGoal = 0.8;

/// 512 MiB in 16 regions, filled so that source and target differ in every chunk.
class Memory {
 public:
  explicit Memory(std::uint8_t fill) {
    for (std::size_t at = 0; at < kState; at += kRegion) {
      regions_.emplace_back(kRegion, static_cast<std::byte>(fill));
    }
  }
  Snapshot snapshot() {
    Snapshot result;
    std::vector<Region> layout;
    for (auto& region : regions_) {
      layout.push_back({fmt::format("r{}", layout.size()), "bytes", "", region.size()});
      result.memory.emplace_back(region);
    }
    result.layout = Layout(std::move(layout));
    return result;
  }

 private:
  std::vector<std::vector<std::byte>> regions_;
};

class SendingProgram final : public SourceProgram {
 public:
  explicit SendingProgram(Memory& memory) : memory_(memory) {}
  Snapshot snapshot() override { return memory_.snapshot(); }
  std::uint64_t step() override { return 1; }  // it stands: one round is all there is
  double median_step_ms() override { return 1; }

 private:
  Memory& memory_;
};

class ReceivingProgram final : public TargetProgram {
 public:
  explicit ReceivingProgram(Memory& memory) : memory_(memory) {}
  Snapshot adopt(const Layout&) override { return memory_.snapshot(); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }

 private:
  Memory& memory_;
};

/// The child: prints the port that it listens on and lives until it is killed.
[[noreturn]] void be_target(const char* transports) {
  Memory memory(1);
  ReceivingProgram program(memory);
  TargetOptions options{"bench", "127.0.0.1", "token", transports};
  const Target target(options, program, {});
  fmt::print("{}\n", target.port());
  std::fflush(stdout);
  while (true) ::pause();
}

struct Copied {
  double link = 0;   ///< bytes a second from the first chunk to the last one's completion
  double whole = 0;  ///< from the first look at memory until the target's digests are here
};

Copied copy_once(const char* self, const std::string& transports, Memory& memory) {
  Process child({self, "--target", transports});
  const auto port = child.line(60s);
  if (!port) throw std::runtime_error("the target ended before it listened");
  SendingProgram program(memory);
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<MigrationStats> stats;
  std::optional<Error> failure;
  Clock::time_point end;
  SourceOptions options;
  options.migration = "bench";
  options.host = "127.0.0.1";
  options.port = static_cast<std::uint16_t>(std::stoi(*port));
  options.token = "token";
  options.strategy = Strategy::rounds;
  options.chunk_bytes = kChunk;
  options.transports = transports;
  SourceEvents events;
  events.progress = [&](const MigrationStats& now) {
    const std::lock_guard lock(mutex);
    if (now.rounds != 1 || stats) return;
    end = Clock::now();
    stats = now;
    changed.notify_all();
  };
  events.failed = [&](const Error& error) {
    const std::lock_guard lock(mutex);
    failure = error;
    changed.notify_all();
  };
  const auto start = Clock::now();
  const Source source(options, program, events);
  std::unique_lock lock(mutex);
  if (!changed.wait_for(lock, 60s, [&] { return stats || failure; })) {
    throw std::runtime_error("the base copy did not end within 60 s");
  }
  if (failure) throw Error(*failure);
  lock.unlock();
  const auto seconds =
      std::chrono::duration<double>(end - start).count() - stats->setup_time_ms / 1e3;
  return {static_cast<double>(stats->rate), static_cast<double>(kState) / seconds};
}

/// Bytes a second of ucx_perftest's active messages, between two processes of this host.
double perftest_once(const std::string& transports) {
  const auto port = std::to_string(20000 + ::getpid() % 20000);
  std::vector<std::string> environment{"UCX_LOG_LEVEL=error", "UCX_WARN_UNUSED_ENV_VARS=n"};
  if (!transports.empty()) environment.push_back("UCX_TLS=" + transports);
  // It prints that it waits once it listens; into a pipe only if told to print line by line.
  Process server({"stdbuf", "-oL", "ucx_perftest", "-p", port}, environment);
  if (!server.line(20s)) throw std::runtime_error("ucx_perftest: the server ended at once");
  Process client({"ucx_perftest", "127.0.0.1", "-p", port, "-t", "ucp_am_bw", "-s",
                  std::to_string(kChunk), "-n", std::to_string(kMessages), "-w", "100", "-f"},
                 environment);
  const auto printed = client.lines(60s);
  // Columns: iterations, 50 % latency, its average, overall, MiB/s average, overall, message rates.
  for (auto line = printed.rbegin(); line != printed.rend(); ++line) {
    std::istringstream columns(*line);
    std::vector<double> figures;
    for (double figure = 0; columns >> figure;) figures.push_back(figure);
    if (figures.size() == 8) return figures[5] * kMiB;
  }
  throw std::runtime_error("ucx_perftest printed no result (is ucx-utils installed?)");
}

void compare(const char* self, const std::string& transports, const std::string& suffix,
             std::optional<double> goal) {
  Memory memory(2);
  Figure link{"base_copy_over_ucx_am" + suffix, "ratio", {}, goal};
  Figure whole{"base_copy_with_digests_over_ucx_am" + suffix, "ratio", {}};
  Figure copy_rate{"base_copy_rate" + suffix, "GB/s", {}};
  Figure am_rate{"ucx_am_rate" + suffix, "GB/s", {}};
  for (int i = 0; i < kPairs; ++i) {
    Copied copied;
    double am = 0;
    if (i % 2 == 0) copied = copy_once(self, transports, memory);
    am = perftest_once(transports);
    if (i % 2 != 0) copied = copy_once(self, transports, memory);
    link.samples.push_back(copied.link / am);
    whole.samples.push_back(copied.whole / am);
    copy_rate.samples.push_back(copied.link / 1e9);
    am_rate.samples.push_back(am / 1e9);
  }
  for (const auto* figure : {&link, &whole, &copy_rate, &am_rate}) print(*figure);
}

void measure(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--target") == 0) be_target(argv[2]);
  compare("/proc/self/exe", "tcp", "", kGoal);
  // As UCX chooses: ucx_perftest takes shared memory on one host, a connection by address may not.
  compare("/proc/self/exe", "", "_default_transports", std::nullopt);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("base_copy", measure, argc, argv); }
