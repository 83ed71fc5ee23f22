#include "runtime/snapshot/receive_snapshot.h"

#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "migrator/base/environment.h"
#include "migrator/base/mutex.h"
#include "migrator/engine/target/target.h"
#include "migrator/store/epoch_claims.h"
#include "migrator/store/open_store.h"
#include "migrator/wire/framework_names.h"
#include "runtime/agent_channel.h"
#include "runtime/process_hello.h"
#include "runtime/snapshot/received_memory.h"
#include "runtime/target_options.h"

namespace cardswap {
namespace {

constexpr std::chrono::seconds kRepeatEvery{10};  // the agent waits for minutes: repeat_verified()

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

  /// Listens for the source of a state for `packing`, which outlives this, and reports to the agent
  /// where.
  void listen(SnapshotPacking& packing) {
    packing_ = &packing;
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

  /// Waits for the end of the source's link, and returns the state that both sides verified.
  /// Nullopt: the link was lost before they had verified one, and the agent was told.
  std::optional<CapturedState> captured() {
    CapturedState state;
    {
      MutexLock lock(mutex_);
      while (!over_) changed_.wait(lock);
      if (!verified_) return std::nullopt;
      state.step = verified_->step;
      state.state_digest = verified_->state_digest;
      state.chunk_bytes = verified_->chunk_bytes;
      state.notes = verified_->notes;
      state.of_the_parent = verified_->elsewhere;
    }
    target_.reset();  // its thread writes to the memory until then
    state.view = memory_.view();
    state.values = values_;
    return state;
  }

  void say(const channel::Message& message) { channel_.send(message); }
  /// Tells the agent again that the state is held, once in 10 s: the store takes it. A store that
  /// does not answer keeps the main thread, and the agent hears nothing.
  void repeat_verified(const CapturedState& state) {
    if (std::chrono::steady_clock::now() < repeat_at_) return;
    repeat_at_ = std::chrono::steady_clock::now() + kRepeatEvery;
    say(channel::Verified{migration(), state.step, state.state_digest, {}});
  }
  /// Sends the queued messages, and closes the connection to the agent.
  void close() { channel_.close(); }

 private:
  StateView adopt(const Layout& wanted) override { return memory_.adopt(wanted); }
  /// In the parent snapshot: what has not changed since is not sent again.
  std::vector<std::optional<Digest>> held_elsewhere(std::uint64_t chunk_bytes) override {
    return packing_->begin(memory_.view().layout, chunk_bytes);
  }
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override {
    values_.assign(values.begin(), values.end());
    return values_;
  }

  channel::Hello hello() {
    return hello_of_process(job_, token_, channel::Role::standby, std::string(channel::kKeeper));
  }

  void verified(const VerifiedState& state) {
    {
      const MutexLock lock(mutex_);
      verified_ = state;
    }
    say(channel::Verified{migration(), state.step, state.state_digest, {}});
  }

  /// The link is lost. After `verified` that is expected: a released source closes it. The agent is
  /// told before the main thread wakes, which closes the channel.
  void failed(const Error& error) {
    if (!holds_state()) {
      say(channel::Failed{migration(), error.code(), error.failure(), error.hint()});
    }
    {
      const MutexLock lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
  }
  bool holds_state() {
    const MutexLock lock(mutex_);
    return verified_.has_value();
  }

  const std::string token_;
  const std::string job_;
  // Used by the engine's threads, one at a time; by the main thread after the engine's end:
  ReceivedMemory memory_;
  SnapshotPacking* packing_ = nullptr;
  std::vector<std::byte> values_;
  std::chrono::steady_clock::time_point repeat_at_;  // of the main thread
  Mutex mutex_;
  Condition changed_;
  std::optional<VerifiedState> verified_ CARDSWAP_GUARDED_BY(mutex_);
  bool over_ CARDSWAP_GUARDED_BY(mutex_) = false;
  AgentChannel channel_;
  std::unique_ptr<Target> target_;
};

/// Writes to standard error what is not as it was asked for, although the snapshot is published.
void warn_of(const PackedSnapshot& packed, const SnapshotLabels& labels) {
  if (packed.parent_failed) {
    fmt::print(stderr, "cardswap-keeper: the snapshot has no parent: {}\n",
               packed.parent_failed->what());
  }
  if (packed.tag_failed) {
    fmt::print(stderr, "cardswap-keeper: snapshot {} of job {} has no tag {}: {}\n",
               packed.ref.number, labels.job, labels.tag, packed.tag_failed->what());
  }
}

}  // namespace

int receive_snapshot(const std::string& address, SnapshotLabels labels) {
  // What the engine uses until its end stands before the receiver.
  std::unique_ptr<store::Store> into;
  std::optional<SnapshotPacking> packing;
  SnapshotReceiver receiver;
  labels.job = receiver.job();
  labels.writer = receiver.migration();
  const char* doing = "open the store";
  try {
    into = store::open_or_create_store(address);
    doing = "claim the job's epoch in the store";  // before the state comes, perhaps for nothing
    store::claim_epoch(*into, {labels.job, labels.run, labels.epoch, labels.origin.host});
    doing = "take the state in";
    packing.emplace(*into, labels);
    receiver.listen(*packing);
    const auto state = receiver.captured();
    if (!state) {
      receiver.close();
      return 1;
    }
    doing = "write the snapshot";
    const auto packed = packing->pack(*state, [&] { receiver.repeat_verified(*state); });
    receiver.say(channel::Stored{receiver.migration(), packed.ref.number,
                                 to_string(packed.ref.manifest), packed.cost.new_bytes,
                                 packed.cost.written_bytes,
                                 packed.tag_failed ? packed.tag_failed->failure() : ""});
    warn_of(packed, labels);
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
