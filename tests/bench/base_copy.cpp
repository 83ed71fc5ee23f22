// The base copy against UCX's own benchmark: a Source sends 2 GiB to a Target in another process,
// alternating with `ucx_perftest -t ucp_am_bw` between two processes, with the same bytes, chunk
// size, transports and machine. ucx_perftest sends one buffer over and over, which stays in the
// cache; `base_copy_over_ucx_am` does the same (2048 regions that are one buffer), so that it
// compares the engine with UCX and not the cache with memory. The `_of_memory` figures read and
// write 512 MiB of memory, four times, and the ones with digests include the final proof. Digests
// are taken while the copy runs: where both sides have two cores in all, they are in each figure.
// The processor time is both programs', from their start on. `--pairs N`: N runs of each instead
// of 11.

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <stdexcept>

#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/bench/figure.h"
#include "tests/bench/process.h"
#include "tests/support/notes.h"

namespace {

using namespace cardswap;
using namespace std::chrono_literals;
using bench::Figure;
using bench::Process;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMiB = 1U << 20;
constexpr std::size_t kChunk = kMiB;
constexpr std::size_t kMessages = 2048;
constexpr std::size_t kState = kMessages * kChunk;
constexpr std::size_t kMemory = 512 * kMiB;
constexpr std::size_t kRegion = 32 * kMiB;
constexpr double kGoal = 0.8;
constexpr double kGoalOfOneHost = 0.5;

/// Where the regions' bytes are.
enum class Place { one_buffer, memory };

/// Regions of kState bytes in all, filled so that source and target differ in every chunk.
class Memory {
 public:
  Memory(Place place, std::uint8_t fill) {
    const auto size = place == Place::memory ? kRegion : kChunk;
    const auto buffers = place == Place::memory ? kMemory / kRegion : 1;
    for (std::size_t i = 0; i < buffers; ++i) {
      buffers_.emplace_back(size, static_cast<std::byte>(fill));
    }
  }
  StateView state_view() {
    StateView result;
    std::vector<Region> layout;
    const auto size = buffers_.front().size();
    for (std::size_t i = 0; i < kState / size; ++i) {
      layout.push_back({fmt::format("r{}", i), "bytes", "", size});
      result.memory.emplace_back(buffers_[i % buffers_.size()]);
      result.devices.push_back(shared_cpu_device());
    }
    result.layout = Layout(std::move(layout));
    return result;
  }

 private:
  std::vector<std::vector<std::byte>> buffers_;
};

class SendingProgram final : public SourceProgram {
 public:
  explicit SendingProgram(Memory& memory) : memory_(memory) {}
  StateView state_view() override { return memory_.state_view(); }
  std::uint64_t step() override { return 1; }  // it stands: one round is all there is
  double median_step_ms() override { return 1; }

 private:
  Memory& memory_;
};

class ReceivingProgram final : public TargetProgram {
 public:
  explicit ReceivingProgram(Memory& memory) : memory_(memory) {}
  StateView adopt(const Layout&) override { return memory_.state_view(); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }

 private:
  Memory& memory_;
};

const char* to_string(Place place) { return place == Place::memory ? "memory" : "one_buffer"; }
Place place_from(const std::string& text) {
  return text == to_string(Place::memory) ? Place::memory : Place::one_buffer;
}

/// The child: prints the port that it listens on and lives until it is killed.
[[noreturn]] void be_target(const char* transports, const char* place) {
  Memory memory(place_from(place), 1);
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

Copied copy_once(const char* self, const std::string& transports, Place place) {
  Process child({self, "--target", transports, to_string(place)});
  Memory memory(place, 2);
  const auto port = child.line(60s);
  if (!port) throw std::runtime_error("the target ended before it listened");
  SendingProgram program(memory);
  test::Notes notes;
  std::optional<MigrationStats> stats;
  std::optional<Error> failure;
  Clock::time_point end;
  SourceOptions options;
  options.migration = "bench";
  options.host = "127.0.0.1";
  options.port = static_cast<std::uint16_t>(std::stoi(*port));
  options.token = "token";
  options.spec.strategy = Strategy::rounds;
  options.spec.chunk_bytes = kChunk;
  options.spec.compression = Compression::off;  // these bytes would pack to nothing
  options.transports = transports;
  SourceCallbacks events;
  events.progress = [&](const MigrationStats& now) {
    notes.note([&] {
      if (now.rounds != 1 || stats) return;
      end = Clock::now();
      stats = now;
    });
  };
  events.failed = [&](const Error& error) { notes.note([&] { failure = error; }); };
  const auto start = Clock::now();
  const Source source(options, program, events);
  if (!notes.within(60s, [&] { return stats || failure; })) {
    throw std::runtime_error("the base copy did not end within 60 s");
  }
  return notes.look([&]() -> Copied {
    if (failure) throw Error(*failure);
    const auto seconds =
        std::chrono::duration<double>(end - start).count() - stats->setup_time_ms / 1e3;
    return {static_cast<double>(stats->rate), static_cast<double>(kState) / seconds};
  });
}

/// Of this process and of its children that have ended, in seconds.
double processor_time() {
  double sum = 0;
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage used{};
    ::getrusage(who, &used);
    for (const auto& part : {used.ru_utime, used.ru_stime}) {
      sum += static_cast<double>(part.tv_sec) + static_cast<double>(part.tv_usec) / 1e6;
    }
  }
  return sum;
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
             std::optional<double> goal, int pairs) {
  Figure link{"base_copy_over_ucx_am" + suffix, "ratio", {}, goal};
  Figure of_memory{"base_copy_of_memory_over_ucx_am" + suffix, "ratio", {}};
  Figure whole{"base_copy_of_memory_with_digests_over_ucx_am" + suffix, "ratio", {}};
  Figure copy_rate{"base_copy_of_memory_rate" + suffix, "GB/s", {}};
  Figure am_rate{"ucx_am_rate" + suffix, "GB/s", {}};
  Figure processors{"base_copy_processor_time" + suffix, "s/GB", {}};
  for (int i = 0; i < pairs; ++i) {
    const auto before = perftest_once(transports);
    const auto used = processor_time();
    const auto one_buffer = copy_once(self, transports, Place::one_buffer);
    processors.samples.push_back((processor_time() - used) / (kState / 1e9));
    const auto memory = copy_once(self, transports, Place::memory);
    const auto am = (before + perftest_once(transports)) / 2;
    link.samples.push_back(one_buffer.link / am);
    of_memory.samples.push_back(memory.link / am);
    whole.samples.push_back(memory.whole / am);
    copy_rate.samples.push_back(memory.link / 1e9);
    am_rate.samples.push_back(am / 1e9);
  }
  for (const auto* figure : {&link, &of_memory, &whole, &copy_rate, &am_rate, &processors}) {
    print(*figure);
  }
}

void measure(int argc, char** argv) {
  if (argc == 4 && std::strcmp(argv[1], "--target") == 0) be_target(argv[2], argv[3]);
  const int pairs = argc == 3 && std::strcmp(argv[1], "--pairs") == 0 ? std::atoi(argv[2]) : 11;
  if (pairs < 1) throw std::runtime_error("--pairs takes a number from 1 on");
  compare("/proc/self/exe", "tcp", "", kGoal, pairs);
  // ucx_perftest takes CMA on one host; the engine has the same from SameHostLink.
  compare("/proc/self/exe", "", "_default_transports", kGoalOfOneHost, pairs);
}

}  // namespace

int main(int argc, char** argv) { return bench::run("base_copy", measure, argc, argv); }
