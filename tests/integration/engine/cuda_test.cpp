/// Method: both ends of a migration in one process, over real UCX on loopback, with their state on
/// two cards of the stand-in for CUDA's runtime: whoever touches a card's memory without the card
/// crashes, and whoever reads before what was promised to come first reads old bytes.

#include <gmock/gmock.h>

#include <cstring>
#include <future>
#include <random>

#include "cuda/cuda_device.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/source/context/state_window.h"
#include "migrator/engine/source/replay/update_log.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "tests/stand_ins/cudart/runtime.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"

namespace cardswap {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

/// Without CUDA's own, which some UCX has, and which would take the stand-in's memory for a card's.
constexpr char kTransports[] = "tcp";
constexpr std::size_t kParameterBytes = (1U << 20U) + 52;

/// A job on a card of its own: a parameter, what its optimizer keeps of it, and what no step
/// changes: a table, and noise, which does not compress.
struct Job {
  explicit Job(unsigned seed) {
    std::mt19937 random(seed);
    for (auto& buffer : {&parameter, &momentum, &table, &noise}) {
      auto* bytes = behind(*buffer);
      for (std::size_t i = 0; i < buffer->bytes.size(); ++i) {
        bytes[i] = static_cast<std::byte>(buffer == &noise ? random() : i * seed + i / 1000);
      }
    }
  }
  std::byte* behind(const Buffer& buffer) const { return card->behind(buffer.bytes.data()); }
  std::span<const std::byte> bytes_of(const Buffer& buffer) const {
    return {behind(buffer), buffer.bytes.size()};
  }
  StateView state_view() {
    StateView result;
    result.layout = Layout({{"w", "Float", "", parameter.bytes.size()},
                            {"m", "Float", "", momentum.bytes.size()},
                            {"table", "bytes", "", table.bytes.size()},
                            {"noise", "BFloat16", "", noise.bytes.size()},
                            {"none", "bytes", "", 0}});
    result.memory = {parameter.bytes, momentum.bytes, table.bytes, noise.bytes, {}};
    result.devices.assign(5, device);
    result.fence = device->fence();
    result.shards = shards;
    return result;
  }
  /// One optimizer step as a kernel of the program's stream.
  void update(const Buffer& gradient) {
    card->work(program, [w = behind(parameter), m = behind(momentum), g = behind(gradient),
                         keep = gradient.owner] {
      for (std::size_t i = 0; i < kParameterBytes; ++i) {
        m[i] ^= g[i];
        w[i] = static_cast<std::byte>(std::to_integer<int>(w[i]) + std::to_integer<int>(m[i]));
      }
    });
  }

  std::shared_ptr<const std::vector<Shard>> shards = std::make_shared<const std::vector<Shard>>(
      std::vector{Shard{ParameterId{0}, {RegionId{0}, RegionId{1}}, true}});
  std::shared_ptr<test::StandInCudart> card = std::make_shared<test::StandInCudart>();
  cuda::Stream program = card->program_stream();
  std::shared_ptr<cuda::CudaDevice> device =
      cuda::CudaDevice::open(card, 0, {[this] { return program; }, {}});
  Buffer parameter = device->allocate(kParameterBytes);
  Buffer momentum = device->allocate(kParameterBytes);
  Buffer table = device->allocate(700000);
  Buffer noise = device->allocate(600001);
};

class CardSource final : public SourceProgram {
 public:
  explicit CardSource(Job& job) : job_(job) { latest_ = job.state_view(); }

  StateView state_view() override {
    const MutexLock lock(mutex_);
    return latest_;
  }
  std::uint64_t step() override { return step_; }
  double median_step_ms() override { return 1; }
  bool begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) override {
    const MutexLock lock(mutex_);
    held_from_the_start_ = log->holds_each_step();
    log_ = std::move(log);
    window_ = std::move(window);
    return true;
  }

  /// `last`: waits until its gradients went over, as a runtime does before the step that freezes.
  void take_step(bool last) {
    std::shared_ptr<UpdateLog> log;
    std::shared_ptr<StateWindow> window;
    {
      const MutexLock lock(mutex_);
      log = log_;
      window = window_;
    }
    const auto gradient = job_.device->allocate(kParameterBytes);
    job_.card->work(job_.program,
                    [g = job_.behind(gradient), number = step_.load(), keep = gradient.owner] {
                      for (std::size_t i = 0; i < kParameterBytes; ++i)
                        g[i] = static_cast<std::byte>(i * number);
                    });
    if (log) {
      UpdateEntry entry;
      entry.step = step_ + 1;
      entry.gradients = {{ParameterId{0}, gradient.bytes, gradient.owner, job_.device}};
      entry.fence = job_.device->fence();
      log->append(std::move(entry));
      steps_logged_ += !log->is_closed();
      steps_held_ += log->holds_each_step();
      if (last || log->holds_each_step()) log->wait_until_sent(step_ + 1);
      window->close();
    }
    job_.update(gradient);
    ++step_;
    const MutexLock lock(mutex_);
    latest_ = job_.state_view();
    latest_.step = step_;
    if (!log) return;
    window->open(step_, latest_.fence);
    log->end_step(step_);
  }

 private:
  Job& job_;
  Mutex mutex_;
  StateView latest_ CARDSWAP_GUARDED_BY(mutex_);
  std::shared_ptr<UpdateLog> log_ CARDSWAP_GUARDED_BY(mutex_);
  std::shared_ptr<StateWindow> window_ CARDSWAP_GUARDED_BY(mutex_);
  std::atomic<std::uint64_t> step_{1};

 public:
  int steps_logged_ = 0;
  int steps_held_ = 0;
  std::atomic<bool> held_from_the_start_ = false;
};

class CardTarget final : public TargetProgram {
 public:
  explicit CardTarget(Job& job) : job_(job) {}
  StateView adopt(const Layout&) override { return job_.state_view(); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    return {values.begin(), values.end()};
  }
  Device& device_of(ParameterId) override { return *job_.device; }
  void replay(const ReceivedUpdate& update) override {
    for (const auto& gradient : update.gradients) job_.update(gradient.memory);
    job_.device->wait(job_.device->fence());
    replayed += !update.gradients.empty();
  }
  std::atomic<int> replayed{0};

 private:
  Job& job_;
};

struct Way {
  Strategy strategy;
  Compression compression;
  std::string data_key;
};

class OnTheStandInsCards : public ::testing::TestWithParam<Way>, protected test::Notes {
 protected:
  std::string why() {
    return look([&]() -> std::string {
      return error_ ? error_->what() : "nobody failed, the time was over";
    });
  }
  void start() {
    const auto& way = GetParam();
    const auto failed = [this](const Error& error) { note([&] { error_ = error; }); };
    target_.emplace(
        TargetOptions{"m", "127.0.0.1", "token", kTransports, seconds(10), way.data_key},
        target_program_, TargetCallbacks{[](const VerifiedState&) {}, failed});
    SourceOptions options;
    options.migration = "m";
    options.host = "127.0.0.1";
    options.port = target_->port();
    options.token = "token";
    options.transports = kTransports;
    options.spec.strategy = way.strategy;
    options.spec.chunk_bytes = 256U << 10U;
    options.spec.compression = way.compression;
    options.data_key = way.data_key;
    options.silence_max = seconds(10);
    options.spec.max_stall_ms = 0;
    source_.emplace(options, source_program_,
                    SourceCallbacks{[](const MigrationStats&) {},
                                    [this](double) { note([&] { converged_ = true; }); },
                                    [this](const Digest&, const MigrationStats& stats) {
                                      note([&] { verified_ = stats; });
                                    },
                                    failed});
  }
  bool trains_until_converged() {
    const auto until = Clock::now() + seconds(20) * test::kPatience;
    while (!within(milliseconds(2), [&] { return converged_ || error_; }) && Clock::now() < until) {
      source_program_.take_step(false);
      source_->stepped();
    }
    return within(milliseconds(0), [&] { return converged_ && !error_; });
  }
  bool freezes_and_verifies() {
    source_program_.take_step(true);
    FrozenState state;
    state.state_view = source_program_.state_view();
    state.step = source_program_.step();
    source_->freeze(std::move(state));
    return within(seconds(20), [&] { return verified_ || error_; }) && verified_;
  }

  Job source_job_{31};
  Job target_job_{17};
  CardSource source_program_{source_job_};
  CardTarget target_program_{target_job_};
  bool converged_ = false;
  std::optional<MigrationStats> verified_;
  std::optional<Error> error_;
  std::optional<Target> target_;
  std::optional<Source> source_;
};

TEST_P(OnTheStandInsCards, AJobArrivesBitForBit) {
  start();
  ASSERT_TRUE(trains_until_converged()) << why();
  ASSERT_TRUE(freezes_and_verifies()) << why();
  source_.reset();
  target_.reset();
  for (const auto buffer : {&Job::parameter, &Job::momentum, &Job::table, &Job::noise}) {
    EXPECT_TRUE(std::ranges::equal(source_job_.bytes_of(source_job_.*buffer),
                                   target_job_.bytes_of(target_job_.*buffer)));
  }
  EXPECT_EQ(verified_->gpu_path, GpuPath::staged) << "these transports have no CUDA";
  if (GetParam().compression != Compression::off) {
    EXPECT_GT(source_job_.card->count("gather"), 0U) << "the card shuffles";
    EXPECT_GT(target_job_.card->count("gather"), 0U);
  }
  if (GetParam().strategy == Strategy::replay) {
    EXPECT_GT(target_program_.replayed, 0);
    EXPECT_EQ(verified_->shards_not_replayed, 0U) << verified_->not_replayed;
    EXPECT_LT(source_program_.steps_held_, source_program_.steps_logged_) << "the card has room";
  }
}

class OnAFullCard : public OnTheStandInsCards {};

TEST_P(OnAFullCard, NoStepGoesOnWhileItsGradientsAreHeld) {
  source_job_.card->leave_free(2 * kParameterBytes - 1);
  start();
  ASSERT_TRUE(trains_until_converged()) << why();
  ASSERT_TRUE(freezes_and_verifies()) << why();
  EXPECT_TRUE(source_program_.held_from_the_start_);
  EXPECT_GT(source_program_.steps_held_, 0);
  EXPECT_EQ(source_program_.steps_held_, source_program_.steps_logged_);
  EXPECT_GT(target_program_.replayed, 0);
}

INSTANTIATE_TEST_SUITE_P(Replay, OnAFullCard,
                         ::testing::Values(Way{Strategy::replay, Compression::off, ""}));

// UCX calls CUDA's driver on the engines' threads, and crashes where there is no context.
TEST(EnginesThreads, HaveTheCardBeforeALinkNeedsIt) {
  Job target_job{17};
  CardTarget target_program(target_job);
  target_job.card->forget_calls();
  const Target target(
      {"m", "127.0.0.1", "token", kTransports, seconds(10), "", "", {target_job.device}},
      target_program, {});
  const auto until = Clock::now() + seconds(20) * test::kPatience;
  while (target_job.card->count("cudaSetDevice") == 0 && Clock::now() < until) {
    std::this_thread::yield();
  }
  EXPECT_EQ(target_job.card->count("cudaSetDevice"), 1U);

  Job source_job{31};
  CardSource source_program(source_job);
  SourceOptions options;
  options.migration = "another one than the target's";
  options.host = "127.0.0.1";
  options.port = target.port();
  options.transports = kTransports;
  std::promise<bool> entered;
  SourceCallbacks events;
  events.progress = [](const MigrationStats&) {};
  events.failed = [&](const Error&) { entered.set_value(source_job.card->is_entered()); };
  const Source source(options, source_program, std::move(events));
  auto result = entered.get_future();
  ASSERT_EQ(result.wait_for(seconds(20) * test::kPatience), std::future_status::ready);
  EXPECT_TRUE(result.get());
}

INSTANTIATE_TEST_SUITE_P(
    Ways, OnTheStandInsCards,
    ::testing::Values(Way{Strategy::stop_copy, Compression::off, ""},
                      Way{Strategy::rounds, Compression::off, ""},
                      Way{Strategy::rounds, Compression::lz4, ""},
                      Way{Strategy::rounds, Compression::off, std::string(64, 'c')},
                      Way{Strategy::replay, Compression::off, ""},
                      Way{Strategy::replay, Compression::zstd, std::string(64, 'c')}));

}  // namespace
}  // namespace cardswap
