#pragma once

#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <thread>

#include "cardswap/session.h"
#include "migrator/base/environment.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/source/source.h"
#include "migrator/engine/target/target.h"
#include "runtime/session/plain_states.h"
#include "runtime/tracker.h"
#include "runtime/value_block.h"
#include "tests/support/notes.h"
#include "tests/support/sanitizer.h"
#include "tests/support/scripted_agent.h"

namespace cardswap::test {

using namespace std::chrono_literals;  // NOLINT(google-global-names-in-headers)
namespace fs = std::filesystem;

inline constexpr std::size_t kKiB = 1U << 10U;
inline constexpr std::size_t kMiB = 1U << 20U;
inline const std::string kMigration = "m-1";
inline const std::string kDataToken = "data";

/// Memory that gets more, as an optimizer makes its state with a parameter's first gradient.
class Growing final : public TrackedState {
 public:
  void regions(std::vector<TrackedRegion>& out) override {
    if (looked_at_) std::exchange(looked_at_, nullptr)();
    for (std::size_t i = 0; i < pieces_.size(); ++i) {
      auto& piece = pieces_[i];
      out.push_back({std::to_string(i), "bytes", "", *piece, piece->data(), piece});
    }
  }
  void grow(std::size_t bytes) {
    pieces_.push_back(std::make_shared<std::vector<std::byte>>(bytes, std::byte(7)));
  }

  std::function<void()> looked_at_;  ///< called once, in the middle of the next look

 private:
  std::vector<std::shared_ptr<std::vector<std::byte>>> pieces_;
};

/// A standby's memory, made as the source's layout says.
class Receiver final : public TargetProgram {
 public:
  StateView adopt(const Layout& wanted) override {
    StateView view;
    view.layout = wanted;
    for (const auto& region : wanted.regions()) {
      auto& memory = memory_[region.name];
      if (memory.size() != region.bytes) memory.assign(region.bytes, std::byte{});
      view.memory.emplace_back(memory);
      view.devices.push_back(shared_cpu_device());
    }
    return view;
  }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    values_.assign(values.begin(), values.end());
    return values_;
  }
  /// Of a trainer whose step changes nothing either.
  void replay(const ReceivedUpdate&) override {}
  /// Its step changes nothing, or what `forgets_` names.
  void rehearse(std::uint64_t) override {
    if (const auto found = memory_.find(forgets_); found != memory_.end()) {
      found->second.front() ^= std::byte{1};
    }
    on_rehearsed_(values_);
  }

  std::string forgets_;
  std::function<void(std::vector<std::byte>)> on_rehearsed_;

 private:
  std::map<std::string, std::vector<std::byte>> memory_;
  std::vector<std::byte> values_;
};

/// A source of one tracked memory, which is frozen.
class Giver final : public SourceProgram {
 public:
  explicit Giver(std::size_t bytes) : memory_(bytes, std::byte(3)) {
    tracker_.add("memory", std::make_unique<MemoryState>(memory_));
  }
  /// Of the engine's thread, while a test freezes.
  StateView state_view() override {
    const MutexLock lock(mutex_);
    return tracker_.state_view();
  }
  std::uint64_t step() override { return step_; }
  double median_step_ms() override { return 1; }
  std::vector<std::string> differing_values(std::span<const std::byte> here,
                                            std::span<const std::byte> there) override {
    return cardswap::differing_values(here, there);
  }
  FrozenState frozen() {
    const MutexLock lock(mutex_);
    FrozenState state{tracker_.state_view(), save_values(tracker_.entries()), step(), 0};
    state.last_step_end_ns = std::chrono::steady_clock::now().time_since_epoch().count();
    return state;
  }

  std::atomic<std::uint64_t> step_{41};

 private:
  std::vector<std::byte> memory_;
  Mutex mutex_;
  Tracker tracker_ CARDSWAP_GUARDED_BY(mutex_);
};

/// A session in this process, its agent, and the other end of the data plane.
class Roles : public ::testing::Test, protected Notes {
 protected:
  Roles() : dir_(make_dir()), agent_(dir_ / "agent.sock") {
    // NOLINTBEGIN(concurrency-mt-unsafe): before the loop's thread
    ::setenv(environment::kSocket, agent_.path().c_str(), 1);
    ::setenv(environment::kJob, "job", 1);
    ::setenv(environment::kToken, "token", 1);
    // NOLINTEND(concurrency-mt-unsafe)
  }
  ~Roles() override {
    end_loop();
    ::unsetenv(environment::kSocket);  // NOLINT(concurrency-mt-unsafe)
    fs::remove_all(dir_);
  }
  static fs::path make_dir() {
    std::string name = "/tmp/cardswap-roles-XXXXXX";
    return ::mkdtemp(name.data());
  }

  /// A job that trains; its state is `bytes`, and more when growing_ grows.
  void open(const channel::Welcome& welcome, std::size_t bytes, bool growing = false) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): before the loop's thread
    ::setenv(environment::kRole, welcome.granted ? environment::kPrimary : environment::kStandby,
             1);
    loop_ = std::jthread([this, bytes, growing] { train(bytes, growing); });
    job_.emplace(agent_.attach(welcome));
  }
  void open_primary(std::size_t bytes, bool growing = false) {
    open({.epoch = 1, .granted = true}, bytes, growing);
    (void)job_->line.hear<channel::Tracked>();
  }
  void open_standby(std::size_t bytes) {
    open({.migration = kMigration,
          .data_host = "127.0.0.1",
          .data_token = kDataToken,
          .transports = "tcp"},
         bytes);
    port_ = job_->line.hear<channel::Parked>().port;
  }
  /// The program ends by itself.
  void stop_training() { ended_ = true; }
  void end_loop() {
    ended_ = true;
    if (job_) job_->line.close();
    source_.reset();
    if (loop_.joinable()) loop_.join();
    target_.reset();
  }

  void listen(const std::string& migration = kMigration) {
    target_.reset();
    TargetOptions options;
    options.migration = migration;
    options.listen_host = "127.0.0.1";
    options.token = kDataToken;
    options.transports = "tcp";
    options.silence_max = 20s;
    TargetCallbacks events;
    events.verified = [this](const VerifiedState& state) { note([&] { held_ = state; }); };
    events.failed = [](const Error&) {};
    receiver_.on_rehearsed_ = [this](std::vector<std::byte> values) {
      const MutexLock lock(making_);
      target_->rehearsed(std::move(values));
    };
    const MutexLock lock(making_);  // its engine may call before it is made
    target_.emplace(std::move(options), receiver_, std::move(events));
  }
  channel::BeginSync begin(const std::string& migration = kMigration) {
    channel::BeginSync begin;
    begin.migration = migration;
    begin.host = "127.0.0.1";
    begin.port = target_->port();
    begin.token = kDataToken;
    begin.transports = "tcp";
    begin.spec.strategy = Strategy::rounds;
    begin.spec.chunk_bytes = 64 * kKiB;
    begin.spec.compression = Compression::off;
    begin.spec.max_stall_ms = 0;
    return begin;
  }
  VerifiedState held_there() {
    EXPECT_TRUE(within(20s, [&] { return held_.has_value(); }));
    return look([&] { return held_.value_or(VerifiedState()); });
  }
  /// Fills the standby; what it says that it holds.
  channel::Verified fill(Giver& giver, Rehearsal rehearse = Rehearsal::off) {
    SourceOptions options;
    options.migration = moved_as_;
    options.host = "127.0.0.1";
    options.port = port_;
    options.token = kDataToken;
    options.spec.strategy = Strategy::rounds;
    options.transports = "tcp";
    options.spec.max_stall_ms = 0;
    options.silence_max = 20s;
    options.spec.rehearse = rehearse;
    SourceCallbacks events;
    events.rehearse = [this, &giver] {
      ++giver.step_;
      source_->freeze(giver.frozen());
    };
    events.progress = [](const MigrationStats&) {};
    events.converged = [](double) {};
    events.verified = [](const Digest&, const MigrationStats&) {};
    events.failed = [](const Error&) {};
    source_.emplace(std::move(options), giver, std::move(events));
    source_->freeze(giver.frozen());
    return job_->line.hear<channel::Verified>();
  }
  /// Nothing of the one kind is said before one of the other.
  template <class Unwanted, class Then>
  Then hear_without() {
    while (true) {
      const auto message = job_->line.next();
      EXPECT_FALSE(std::holds_alternative<Unwanted>(message));
      if (const auto* failed = std::get_if<channel::Failed>(&message)) {
        throw std::runtime_error(failed->failure);
      }
      if (const auto* wanted = std::get_if<Then>(&message)) return *wanted;
    }
  }

  bool trains() {
    const auto from = steps_.load();
    return within(20s, [&] { return steps_ > from + 5; });
  }
  /// Done by the loop, between two boundaries.
  void in_a_step(std::function<void()> task) {
    note([&] { task_ = std::move(task); });
    EXPECT_TRUE(within(20s, [&] { return task_ == nullptr; }));
  }

  const fs::path dir_;
  ScriptedAgent agent_;
  std::optional<ScriptedAgent::Attached> job_;
  Growing* growing_ = nullptr;  // owned by the session; in_a_step() only
  std::atomic<std::uint64_t> steps_{0};
  std::atomic<bool> standby_{false};
  Receiver receiver_;
  Mutex making_;
  std::optional<Target> target_;
  std::optional<Source> source_;
  std::uint16_t port_ = 0;
  std::string moved_as_ = kMigration;  ///< what a source that fills a standby calls its move
  std::atomic<int> rehearsed_{0};      // steps that ended in a standby
  /// What the program does with its session before its first step, and as each step.
  std::function<void(Session&)> begin_program_ = [](Session&) {};
  std::function<StepResult(Session&)> take_step_ = [](Session& session) {
    return session.step_boundary();
  };

 private:
  void train(std::size_t bytes, bool growing) {
    std::vector<std::byte> memory(bytes, std::byte(1));
    auto session = Session::open();
    session.track_memory("memory", memory);
    if (growing) {
      auto state = std::make_unique<Growing>();
      growing_ = state.get();
      session.track_state("late", std::move(state));
    }
    begin_program_(session);
    while (!ended_) {
      within(1ms, [&] { return task_ != nullptr; });
      note([&] {
        if (task_) std::exchange(task_, nullptr)();
      });
      if (take_step_(session) == StepResult::moved) return;
      if (session.is_standby()) ++rehearsed_;
      note([&] {
        standby_ = session.is_standby();
        steps_ = session.steps();
      });
    }
  }

  std::atomic<bool> ended_{false};
  std::function<void()> task_;
  std::optional<VerifiedState> held_;
  std::jthread loop_;
};

}  // namespace cardswap::test
