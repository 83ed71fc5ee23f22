#include "cardswap/session.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <utility>

#include "migrator/error.h"
#include "runtime/agent_channel.h"
#include "runtime/homing.h"
#include "runtime/migration.h"
#include "runtime/step_gate.h"
#include "runtime/step_hook.h"
#include "runtime/tracker.h"

namespace cardswap {
namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
  return value == nullptr ? std::string() : std::string(value);
}

constexpr int kNotTheJob = 75;  // the exit status of a process that may not step

/// To the last word of a process that is about to end: no buffer is flushed for it.
void say_on_stderr(const std::string& line) {
  [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

void end_moved_process() {
  say_on_stderr(
      fmt::format("cardswap: process {} lost its job, which moved to another device, and did not "
                  "leave its training loop when it was told so; it ends here\n",
                  ::getpid()));
  ::_exit(kNotTheJob);
}

/// The session of this process. A fork has its parent's, and may open its own.
class OneSession {
 public:
  OneSession() {
    auto holder = holder_.load();
    if (holder == ::getpid() || !holder_.compare_exchange_strong(holder, ::getpid())) {
      throw Error(Code::conflict, "this process has a Cardswap session already",
                  "open one session and pass it to whoever needs it; it ends with its owner");
    }
  }
  ~OneSession() { holder_ = 0; }
  OneSession(const OneSession&) = delete;
  OneSession& operator=(const OneSession&) = delete;

 private:
  static inline std::atomic<pid_t> holder_{0};  // the one thing that a process has once
};

class CallbackState final : public TrackedState {
 public:
  CallbackState(std::function<std::vector<std::byte>()> save,
                std::function<void(std::span<const std::byte>)> load)
      : save_(std::move(save)), load_(std::move(load)) {}
  std::vector<std::byte> save() override { return save_(); }
  void load(std::span<const std::byte> bytes) override { load_(bytes); }

 private:
  const std::function<std::vector<std::byte>()> save_;
  const std::function<void(std::span<const std::byte>)> load_;
};

class MemoryState final : public TrackedState {
 public:
  explicit MemoryState(std::span<std::byte> memory) : memory_(memory) {}
  void regions(std::vector<TrackedRegion>& out) override {
    out.push_back({"", "bytes", "", memory_, memory_.empty() ? nullptr : memory_.data(), {}});
  }

 private:
  const std::span<std::byte> memory_;
};

/// Memory that lives in the arena from the start.
class HomedState final : public TrackedState {
 public:
  explicit HomedState(std::shared_ptr<std::span<std::byte>> block) : block_(std::move(block)) {}
  void regions(std::vector<TrackedRegion>& out) override {
    out.push_back({"", "bytes", "", *block_, block_->empty() ? nullptr : block_->data(), block_});
  }

 private:
  const std::shared_ptr<std::span<std::byte>> block_;  // owners: this, and snapshots in use
};

}  // namespace

/// Wires tracker, gate, migration and channel. The channel is declared last: its thread calls the
/// others and ends first.
class Session::Impl {
 public:
  Impl()
      : gate_({[this] { passing(); }, [this] { migration_.parked(); },
               [this] { migration_.leaving(); }},
              &end_moved_process),
        migration_(gate_, tracker_, homing_,
                   {[this](const channel::Message& message) {
                      if (channel_) channel_->send(message);
                    },
                    [this] { return channel_->inode(); },
                    [this](const channel::Arrived& here) { redirect(here); }}) {
    const auto socket = setting("CARDSWAP_SOCKET");
    if (socket.empty()) return;
    job_ = setting("CARDSWAP_JOB");
    token_ = setting("CARDSWAP_TOKEN");
    role_ = setting("CARDSWAP_ROLE") == "standby" ? channel::Role::standby : channel::Role::primary;
    channel_.emplace(
        socket, AgentChannel::Handlers{[this] { return hello(); },
                                       [this](const channel::Message& m) { migration_.take(m); },
                                       [this] { tick(); }});
    const auto& welcome = channel_->welcome();
    migration_.set_epoch(welcome.epoch);
    if (!welcome.granted) migration_.be_standby(welcome);
    gate_.watch(true);  // the first boundary tells what is tracked
    channel_->start();
  }

  ~Impl() {
    if (!channel_) return;
    migration_.stop();
    channel_->send(channel::Ended{gate_.step(), moved_});
    channel_->close();  // first: its thread sends through channel_
    channel_.reset();
  }

  /// A fork has a copy of all this, and none of its threads.
  [[nodiscard]] bool is_in_a_fork() const { return ::getpid() != pid_; }

  void before_step(const void* optimizer) {
    end_a_fork();
    gate_.pass_if_mine();
    if (gate_.has_attention()) migration_.before_step(optimizer);
  }

  void add_hook(std::string_view name, std::function<void()> hook,
                std::vector<std::string> rewrites) {
    for (const auto& thing : rewrites) (void)tracker_.storages_of(thing);
    auto added =
        std::make_unique<StepHook>(std::move(hook), [this, rewrites = std::move(rewrites)] {
          std::vector<const void*> storages;
          for (const auto& thing : rewrites) {
            const auto more = tracker_.storages_of(thing);
            storages.insert(storages.end(), more.begin(), more.end());
          }
          return storages;
        });
    hooks_.push_back(added.get());
    tracker_.add(name, std::move(added));
  }

  void call_hooks() {
    for (const auto* hook : hooks_) {
      before_step(hook);
      hook->call();
    }
  }

  Verdict boundary() {
    end_a_fork();
    const auto verdict = gate_.boundary();
    if (verdict == Verdict::moved) moved_ = true;
    return verdict;
  }

  Tracker& tracker() { return tracker_; }
  Homing& homing() { return homing_; }
  [[nodiscard]] bool is_standby() const { return migration_.is_standby(); }
  [[nodiscard]] std::uint64_t steps() const { return gate_.step(); }

 private:
  void end_a_fork() const {
    if (!channel_ || !is_in_a_fork()) return;
    say_on_stderr(fmt::format(
        "cardswap: process {} was forked from process {}, which trains job {}: a fork is not the "
        "job and may not step; it ends here\n",
        ::getpid(), pid_, job_));
    ::_exit(kNotTheJob);
  }

  channel::Hello hello() {
    channel::Hello hello;
    hello.job = job_;
    hello.token = token_;
    hello.pid = static_cast<std::uint64_t>(::getpid());
    hello.role =
        migration_.is_standby() || migration_.epoch() == 0 ? role_ : channel::Role::primary;
    hello.runtime_version = CARDSWAP_VERSION;
    hello.framework = "any";
    migration_.describe(hello);
    return hello;
  }

  void passing() {
    if (!std::exchange(announced_, true)) {
      const auto layout = tracker_.snapshot().layout;
      const auto sizes = replay_sizes(tracker_.shards(), layout);
      gate_.watch(false);
      channel_->send(channel::Tracked{
          layout.total_bytes(), static_cast<std::uint32_t>(layout.regions().size()),
          layout.digest(), sizes.replayed_bytes, sizes.update_bytes, homing_.homeable_bytes()});
    }
    migration_.passing();
  }

  /// On the channel's thread, as hello() is.
  void redirect(const channel::Arrived& here) {
    token_ = here.token;
    job_ = here.job;
    role_ = channel::Role::standby;
    channel_->redirect(here.socket);
  }

  void tick() {
    if (migration_.is_departed()) return;
    const auto step = gate_.step();
    migration_.tell_again();
    if (migration_.is_standby() || step == std::exchange(told_step_, step)) return;
    channel_->send(channel::Stepped{step, gate_.median_step_ms()});
  }

  const OneSession one_;
  const pid_t pid_ = ::getpid();
  std::string job_;
  std::string token_;
  channel::Role role_ = channel::Role::primary;
  bool announced_ = false;
  bool moved_ = false;
  std::uint64_t told_step_ = 0;
  Tracker tracker_;
  Homing homing_{tracker_};
  std::vector<const StepHook*> hooks_;  // owned by the tracker
  StepGate gate_;
  Migration migration_;
  std::optional<AgentChannel> channel_;
};

void Session::Close::operator()(Impl* impl) const noexcept {
  // A fork's copy is left as it is: its threads are its parent's, and so is what it would say.
  if (!impl->is_in_a_fork()) delete impl;  // NOLINT(cppcoreguidelines-owning-memory)
}

Session::Session(std::unique_ptr<Impl, Close> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::open() {
  return Session(
      std::unique_ptr<Impl, Close>(new Impl()));  // NOLINT(cppcoreguidelines-owning-memory)
}

void Session::track(std::string_view name, std::function<std::vector<std::byte>()> save,
                    std::function<void(std::span<const std::byte>)> load) {
  track_state(name, std::make_unique<CallbackState>(std::move(save), std::move(load)));
}

void Session::track_memory(std::string_view name, std::span<std::byte> memory) {
  track_state(name, std::make_unique<MemoryState>(memory));
}

void Session::track_state(std::string_view name, std::unique_ptr<TrackedState> state) {
  impl_->tracker().add(name, std::move(state));
}

std::span<std::byte> Session::allocate(std::string_view name, std::size_t bytes) {
  auto block = impl_->homing().arena().allocate(bytes);
  const auto memory = *block;
  if (!memory.empty()) std::memset(memory.data(), 0, memory.size());
  track_state(name, std::make_unique<HomedState>(std::move(block)));
  return memory;
}

void Session::after_step(std::string_view name, std::function<void()> hook,
                         std::vector<std::string> rewrites) {
  impl_->add_hook(name, std::move(hook), std::move(rewrites));
}

void Session::call_hooks() { impl_->call_hooks(); }
void Session::before_step(const void* optimizer) { impl_->before_step(optimizer); }
Verdict Session::step_boundary() { return impl_->boundary(); }
bool Session::is_standby() const noexcept { return impl_->is_standby(); }
std::uint64_t Session::steps() const noexcept { return impl_->steps(); }
std::string Session::state_digest() { return to_string(impl_->tracker().digest()); }

}  // namespace cardswap
