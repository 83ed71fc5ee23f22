#include "runtime/keeper/receive_snapshot.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "migrator/base/environment.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/target/target.h"
#include "migrator/store/open_store.h"
#include "migrator/wire/moves_whole.h"
#include "runtime/agent_channel.h"
#include "runtime/keeper/received_memory.h"
#include "runtime/target_options.h"

namespace cardswap {
namespace {

/// The place of a standby at the agent, and the program of the target's engine.
///
/// The engine calls it on the threads that TargetProgram names, the channel's thread calls hello(),
/// the main thread calls the rest. The channel and the engine are declared last: their threads end
/// first.
class SnapshotReceiver final : private TargetProgram {
 public:
  SnapshotReceiver()
      : token_(environment::value_of(environment::kToken)),
        job_(environment::value_of(environment::kJob)),
        channel_(environment::value_of(environment::kSocket),
                 {[this] { return hello(); }, [](const channel::Message&) {}, {}}) {
    const auto& welcome = channel_.welcome();
    if (welcome.granted) throw Error(Code::refused, "a keeper was taken for the job itself");
    channel_.start();
  }

  /// Listens for the source, and reports to the agent where.
  void listen() {
    auto options = target_options(channel_.welcome());
    const auto host = options.listen_host;
    TargetCallbacks callbacks;
    callbacks.verified = [this](const VerifiedState& state) { verified(state); };
    callbacks.failed = [this](const Error& error) { failed(error); };
    target_ = std::make_unique<Target>(std::move(options), static_cast<TargetProgram&>(*this),
                                       std::move(callbacks));
    channel_.send(channel::Parked{host, target_->port(), 0});
  }

  [[nodiscard]] const std::string& job() const { return job_; }
  [[nodiscard]] const std::string& migration() const { return channel_.welcome().migration; }

  /// Waits until the source has closed its link, and returns the state that both sides verified.
  /// Nullopt: the link was lost before that, and the agent was told.
  std::optional<CapturedState> captured() {
    CapturedState state;
    {
      MutexLock lock(mutex_);
      while (!over_) changed_.wait(lock);
      if (!verified_) return std::nullopt;
      state.step = verified_->step;
      state.root = verified_->root;
    }
    target_.reset();  // its thread writes to the memory until then
    state.view = memory_.view();
    state.values = values_;
    return state;
  }

  void say(const channel::Message& message) { channel_.send(message); }
  /// Sends the queued messages, and closes the connection to the agent.
  void close() { channel_.close(); }

 private:
  StateView adopt(const Layout& wanted) override { return memory_.adopt(wanted); }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    values_.assign(values.begin(), values.end());
    return values_;
  }

  channel::Hello hello() {
    channel::Hello hello;
    hello.job = job_;
    hello.token = token_;
    hello.pid = static_cast<std::uint64_t>(::getpid());
    hello.role = channel::Role::standby;
    hello.runtime_version = CARDSWAP_VERSION;
    hello.framework = channel::kKeeper;
    return hello;
  }

  void verified(const VerifiedState& state) {
    {
      const MutexLock lock(mutex_);
      verified_ = state;
    }
    say(channel::Verified{migration(), state.step, state.root, {}});
  }

  /// The link is lost. After `verified` that is expected: a released source closes it.
  void failed(const Error& error) {
    bool holds = false;
    {
      const MutexLock lock(mutex_);
      over_ = true;
      holds = verified_.has_value();
    }
    changed_.notify_all();
    if (!holds) say(channel::Failed{migration(), error.code(), error.failure(), error.hint()});
  }

  const std::string token_;
  const std::string job_;
  // Used by the engine's threads, one at a time; by the main thread after the engine's end:
  ReceivedMemory memory_;
  std::vector<std::byte> values_;
  Mutex mutex_;
  Condition changed_;
  std::optional<VerifiedState> verified_ CARDSWAP_GUARDED_BY(mutex_);
  bool over_ CARDSWAP_GUARDED_BY(mutex_) = false;
  AgentChannel channel_;
  std::unique_ptr<Target> target_;
};

}  // namespace

int receive_snapshot(const std::string& address, SnapshotLabels labels) {
  SnapshotReceiver receiver;
  labels.job = receiver.job();
  labels.writer = receiver.migration();
  const char* doing = "open the store";
  try {
    const auto into = store::open_or_create_store(address);
    doing = "take the state in";
    receiver.listen();
    const auto state = receiver.captured();
    if (!state) {
      receiver.close();
      return 1;
    }
    doing = "write the snapshot";
    const auto packed = pack_snapshot(*into, *state, labels);
    receiver.say(channel::Stored{receiver.migration(), packed.ref.number, to_string(packed.ref.manifest),
                               packed.cost.new_bytes, packed.cost.written_bytes});
  } catch (...) {
    const auto error = error_of(std::current_exception()).within(doing);
    // Not `cancelled`: the agent would take that for the source's failure, not for the keeper's.
    const auto code = error.code() == Code::cancelled ? Code::io : error.code();
    receiver.say(channel::Failed{receiver.migration(), code, error.failure(), error.hint()});
    receiver.close();
    return 1;
  }
  receiver.close();
  return 0;
}

}  // namespace cardswap
