#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "migrator/engine/source.h"
#include "migrator/engine/target.h"
#include "migrator/wire/channel.h"
#include "runtime/arena_relocator.h"
#include "runtime/departure.h"
#include "runtime/step_gate.h"
#include "runtime/tracker.h"

namespace cardswap {

/// This process's part in migrations: the source of one at a time, or the standby of its first.
///
/// Called by the channel's thread (agent messages), by the training thread (the gate's hooks) and
/// by an engine's thread (its events). `send` hands a message to the agent and never blocks.
class TrainerRole final : private SourceProgram, private TargetProgram {
 public:
  /// The line to the agent, on the channel's thread but for `send`, which any thread calls.
  struct Line {
    std::function<void(const channel::Message&)> send;
    std::function<std::uint64_t()> inode;                     ///< of the connection's socket
    std::function<void(const channel::Arrived&)> redirected;  ///< this process is elsewhere now
    /// On the training thread: why the job cannot be moved in this way; nothing when it can.
    std::function<std::optional<Error>(channel::Arrival)> obstacle;
  };
  TrainerRole(StepGate& gate, Tracker& tracker, ArenaRelocator& relocator, Line line)
      : gate_(gate), tracker_(tracker), relocator_(relocator), line_(std::move(line)) {}
  ~TrainerRole() override;

  // ---- the channel's thread
  void enter_standby(const channel::Welcome& welcome);
  void take(const channel::Message& message);
  /// Now and then: what an agent that was away may have missed.
  void resend_pending();
  /// What a Hello says of the migration under way.
  void describe(channel::Hello& hello) const;

  // ---- the training thread
  /// Before an optimizer's step, while the gate has attention.
  void before_step(const void* optimizer);
  /// Whether it is of interest which gradients a step uses.
  [[nodiscard]] bool looks_at_gradients() const { return looks_at_gradients_; }
  void on_boundary();
  void on_parked();
  void on_resume();
  /// Ends the engines; they say nothing more.
  void stop();

  [[nodiscard]] bool is_standby() const { return standby_; }
  /// The process may be dumped at any moment: nothing may be sent.
  [[nodiscard]] bool is_departed() const { return departed_; }
  [[nodiscard]] std::uint64_t epoch() const { return epoch_; }
  void set_epoch(std::uint64_t epoch) { epoch_ = epoch; }

 private:
  // SourceProgram
  StateView state_view() override;
  std::uint64_t step() override { return gate_.step(); }
  double median_step_ms() override { return gate_.median_step_ms(); }
  void throttle(double share) override;
  bool begin_log(std::shared_ptr<UpdateLog> log, std::shared_ptr<StateWindow> window) override;
  // TargetProgram
  StateView adopt(const Layout& wanted) override;
  std::vector<std::byte> apply_values(std::span<const std::byte> values) override;
  Device& device_of(ParameterId parameter) override;
  void replay(const ReceivedUpdate& update) override;

  [[nodiscard]] StateView view();
  void on_trainer(std::function<void()> task);
  [[nodiscard]] bool pass_to_standby();
  void pass_with_log();
  [[nodiscard]] bool pass_homing();
  void start_source(const channel::BeginSync& begin);
  void depart(const channel::Depart& depart);
  [[nodiscard]] bool recall();
  void lose(const Error& why);
  void arrive(const channel::Arrived& arrived);
  void begin_sync(const channel::BeginSync& begin);
  void freeze(const std::string& migration);
  void offer_freeze(const std::string& migration, double expected_ms);
  void put_off_freeze(const std::string& migration);
  void release(const std::string& migration);
  void retire(const std::string& migration);
  void grant(const channel::Grant& grant);
  void listen_for_source();
  void fail(const std::string& migration, const Error& error);
  void send_(const channel::Message& message) const { line_.send(message); }

  StepGate& gate_;
  Tracker& tracker_;
  ArenaRelocator& relocator_;
  const Line line_;
  std::atomic<bool> departed_{false};
  std::atomic<bool> standby_{false};
  std::atomic<bool> looks_at_gradients_{false};
  std::atomic<std::uint64_t> epoch_{0};

  mutable std::mutex mutex_;  // guards the rest
  std::string migration_;
  std::optional<channel::BeginSync> begin_;  // wanted; starts at one of the next boundaries
  int boundaries_seen_ = 0;                  // since it was wanted
  bool by_criu_ = false;                     // this migration's process goes itself
  std::optional<Digest> root_;               // what the engine verified, while by_criu_
  std::optional<StateView> latest_;
  std::map<ParameterId, std::shared_ptr<Device>> gradients_on_;  // of a standby's parameters
  std::shared_ptr<UpdateLog> log_;                               // while the engine replays
  std::shared_ptr<StateWindow> window_;                          // the same
  bool captured_ = false;  // since the last boundary; training thread only
  bool freeze_asked_ = false;
  bool freeze_owed_ = false;  // asked for, and put off by the engine until it offers the next one
  channel::Welcome welcome_;
  std::optional<VerifiedState> verified_;
  std::optional<VerifiedState> granted_;
  std::optional<std::uint64_t> first_step_due_;
  std::optional<Departure> departure_;  // made, used and dropped while the trainer stands
  std::unique_ptr<Source> source_;
  std::unique_ptr<Target> target_;
};

}  // namespace cardswap
