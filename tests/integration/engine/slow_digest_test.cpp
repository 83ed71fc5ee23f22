/// Method: a target whose memory takes longer to digest than its source waits for a sign of life,
/// as a large state does. The memory is a stand-in for that: the host's, whose digests end when the
/// test says so.

#include <gtest/gtest.h>

#include <semaphore>

#include "migrator/base/racy_read.h"
#include "migrator/device/staging.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/support/experts.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::size_t kChunk = 1U << 20U;
constexpr std::size_t kBytes = 3 * kChunk;
constexpr milliseconds kSilenceMax{1500};   // three heartbeats
constexpr milliseconds kDigestTakes{4000};  // at least

class SlowMemory final : public Device {
 public:
  explicit SlowMemory(std::size_t at_once)
      : Device({"cpu:0", "", "", MemoryKind::host, 0}), at_once_(at_once) {}
  void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
              const Fence& after) override {
    if (calls_++ > 0 && slow_) {  // the first is a target's look at what it has
      begun_.release();
      may_end_.acquire();
    }
    cpu_device().digest(ranges, digests, after);
  }
  std::size_t digest_bytes_best() const override { return at_once_; }
  Buffer allocate(std::size_t bytes) override { return cpu_device().allocate(bytes); }
  Buffer allocate_host(std::size_t bytes) override { return cpu_device().allocate_host(bytes); }
  void read(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) override {
    cpu_device().read(ranges, to, after);
  }
  std::unique_ptr<Staging> stage(const StagingOptions& options) override {
    return cpu_device().stage(options);
  }

  const std::size_t at_once_;
  std::atomic<int> calls_ = 0;
  std::atomic<bool> slow_ = true;
  std::counting_semaphore<> begun_{0};
  std::counting_semaphore<> may_end_{0};
};

class Program final : public SourceProgram, public TargetProgram {
 public:
  Program(std::uint8_t fill, std::shared_ptr<SlowMemory> device)
      : bytes_(kBytes, static_cast<std::byte>(fill)), device_(std::move(device)) {}
  StateView state_view() override {
    StateView result;
    result.layout = Layout({{"w", "bytes", "", bytes_.size()}});
    result.memory = {bytes_};
    result.devices = {device_ ? device_ : shared_cpu_device()};
    return result;
  }
  std::uint64_t step() override { return 1; }
  double median_step_ms() override { return 1; }
  StateView adopt(const Layout&) override { return state_view(); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }
  std::vector<std::byte> bytes_;

 private:
  const std::shared_ptr<SlowMemory> device_;
};

SourceOptions options_to(const Target& target, Strategy strategy) {
  SourceOptions options;
  options.migration = "m";
  options.host = "127.0.0.1";
  options.port = target.port();
  options.token = "token";
  options.spec.strategy = strategy;
  options.spec.compression = Compression::off;
  return options;
}
SourceOptions rounds_to(const Target& target) { return options_to(target, Strategy::rounds); }

TEST(SlowDigests, OfARoundLeaveTheLineServed) {
  const auto memory = std::make_shared<SlowMemory>(kBytes);
  Program source_program(1, nullptr);
  Program target_program(2, memory);
  test::Notes notes;
  std::optional<Error> failure;
  std::uint32_t rounds = 0;
  const auto fails = [&](const Error& error) { notes.note([&] { failure = error; }); };
  const Target target({"m", "127.0.0.1", "token", "", kSilenceMax}, target_program, {{}, fails});
  auto options = rounds_to(target);
  options.silence_max = kSilenceMax;
  SourceCallbacks events;
  events.progress = [&](const MigrationStats& now) { notes.note([&] { rounds = now.rounds; }); };
  events.failed = fails;
  const Source source(options, source_program, events);
  ASSERT_TRUE(memory->begun_.try_acquire_for(seconds(30) * test::kPatience));
  EXPECT_FALSE(notes.within(kDigestTakes, [&] { return failure.has_value(); })) << failure->what();
  memory->slow_ = false;
  memory->may_end_.release(kBytes);  // however many are at it
  ASSERT_TRUE(notes.within(seconds(30), [&] { return rounds >= 1 || failure; }));
  notes.look([&] { EXPECT_FALSE(failure) << failure->what(); });
  EXPECT_EQ(target_program.bytes_, source_program.bytes_);
}

/// Whether the byte is this one; the target's engine may be writing it.
bool holds(const std::byte& at, std::byte wanted) {
  const RacyRead scope;
  return *static_cast<const volatile std::byte*>(&at) == wanted;
}

TEST(SlowDigests, OfTheSourceLetWhatIsDigestedGoAhead) {
  const auto memory = std::make_shared<SlowMemory>(kChunk);
  Program source_program(1, memory);
  Program target_program(2, nullptr);
  test::Notes notes;
  std::optional<Error> failure;
  std::uint32_t rounds = 0;
  const auto fails = [&](const Error& error) { notes.note([&] { failure = error; }); };
  const Target target({"m", "127.0.0.1", "token", "", kSilenceMax}, target_program, {{}, fails});
  auto options = rounds_to(target);
  options.spec.chunk_bytes = kChunk;
  SourceCallbacks events;
  events.progress = [&](const MigrationStats& now) { notes.note([&] { rounds = now.rounds; }); };
  events.failed = fails;
  const Source source(options, source_program, events);
  ASSERT_TRUE(memory->begun_.try_acquire_for(seconds(30) * test::kPatience));
  const auto until = std::chrono::steady_clock::now() + seconds(20) * test::kPatience;
  while (!holds(target_program.bytes_[0], std::byte{1}) &&
         std::chrono::steady_clock::now() < until) {
    (void)memory->begun_.try_acquire_for(milliseconds(5));
  }
  EXPECT_TRUE(holds(target_program.bytes_[0], std::byte{1})) << "the second chunk is not digested";
  memory->slow_ = false;
  memory->may_end_.release(kBytes);
  ASSERT_TRUE(notes.within(seconds(30), [&] { return rounds >= 1 || failure; }));
  notes.look([&] { EXPECT_FALSE(failure) << failure->what(); });
  EXPECT_EQ(target_program.bytes_, source_program.bytes_);
}

/// The last update is replayed there, and no other follows. The target asks its program where its
/// memory is before it digests.
TEST(SlowDigests, OfASourceThatIsFrozenLetATargetThatHasReplayedBeginWithItsOwn) {
  const std::vector<std::size_t> sizes{kChunk};
  test::Experts source_experts(sizes, 31);
  test::Experts target_experts(sizes, 17);
  test::Trainer trainer(source_experts);
  test::Standby standby(target_experts);
  trainer.take_step({0});
  test::Notes notes;
  std::optional<Error> failure;
  bool converged = false;
  bool verified = false;
  const auto fails = [&](const Error& error) { notes.note([&] { failure = error; }); };
  const Target target({"m", "127.0.0.1", "token", "", kSilenceMax}, standby,
                      {[](const VerifiedState&) {}, fails});
  auto options = options_to(target, Strategy::replay);
  options.spec.max_stall_ms = 0;
  SourceCallbacks events;
  events.converged = [&](double) { notes.note([&] { converged = true; }); };
  events.verified = [&](const Digest&, const MigrationStats&) {
    notes.note([&] { verified = true; });
  };
  events.failed = fails;
  Source source(options, trainer, events);
  const auto within = [&](const auto& condition, const auto& meanwhile) {
    const auto until = std::chrono::steady_clock::now() + seconds(20) * test::kPatience;
    bool is = false;
    while (!(is = notes.within(milliseconds(2), [&] { return condition() || failure; })) &&
           std::chrono::steady_clock::now() < until) {
      meanwhile();
    }
    return is;
  };
  ASSERT_TRUE(within([&] { return converged; },
                     [&] {
                       trainer.take_step({0});
                       source.stepped();
                     }));
  trainer.take_step({0}, true);
  const auto memory = std::make_shared<SlowMemory>(kChunk);
  memory->calls_ = 1;
  FrozenState frozen;
  frozen.state_view = trainer.state_view();
  for (auto& device : frozen.state_view.devices) device = memory;
  frozen.step = trainer.step();
  const int adopted = standby.adopted;
  source.freeze(std::move(frozen));
  EXPECT_TRUE(memory->begun_.try_acquire_for(seconds(20) * test::kPatience));
  EXPECT_TRUE(within([&] { return standby.adopted > adopted; }, [] {}))
      << "it waits for the source's digests";
  memory->slow_ = false;
  memory->may_end_.release(kBytes);
  EXPECT_TRUE(notes.within(seconds(30), [&] { return verified || failure; }));
  notes.look([&] { EXPECT_FALSE(failure) << failure->what(); });
}

}  // namespace
}  // namespace cardswap
