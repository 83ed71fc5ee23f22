#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "agent/criu/process_departure.h"
#include "agent/handover/source/migration_scope.h"

namespace cardswap {

/// Moves the process of one transfer by CRIU. It begins when the digests of the memory that was
/// sent ahead are equal, and ends with the process at the target; it can bring the process back at
/// any point in between.
///
/// It does nothing where a job's program starts anew at the target. Owned by MigrationTask, one a
/// transfer; one thread.
class CriuDeparture {
 public:
  /// All of them outlive it.
  CriuDeparture(const MigrationScope& scope, Transfer& transfer);

  [[nodiscard]] const Transfer& transfer() const { return transfer_; }

  /// Prepares, while the job still runs, what would else be time of its downtime. Throws Error.
  asio::awaitable<void> prepare();
  /// The process is at the target, and waits there for the grant, when this has returned and the
  /// target says that it is verified. Throws Error.
  asio::awaitable<void> depart();
  /// When the target is late with that word.
  [[nodiscard]] RunningMigration::Deadline restored_until() const;

  /// Ends what is waited for, the dump excepted.
  void close();
  /// The job goes on here: its processes, which may be stopped, go on, and get their GPUs back.
  void continue_source(Instance& source);
  /// The move was given up: returns when the job has its memory and its GPUs back, or does not need
  /// them any more.
  asio::awaitable<void> end();
  /// The job is elsewhere for good: nothing of a departure is needed any more.
  void forget() { departure_.reset(); }
  /// Ends the stopped original of a job that is elsewhere for good.
  void kill_source_process(const Instance& source);
  /// Loses the job: its memory is nowhere from where it comes back as it was, so its process stands
  /// for good. It is ended: whoever waits for the job learns of it, and its restart rule holds.
  void mark_job_lost(const Instance& source, const channel::Failed& said);

 private:
  class ContinuationScope;

  /// Notes what `verifying` consists of now; it can be held there like in a state.
  asio::awaitable<void> enter_phase(CriuPhase phase);
  asio::awaitable<void> continue_stopped();
  [[nodiscard]] bool has_gpus_back() const { return continuation_ == Continuation::gpus_back; }
  asio::awaitable<void> dismiss_keeper();
  /// Tells that the job's CUDA state did not come back.
  void report_held(const Error& why);

  const MigrationScope& scope_;
  Migration& migration_;
  Transfer& transfer_;
  Stepwise<Continuation> continuation_;
  std::unique_ptr<criu::ProcessDeparture> departure_;  // from prepare() on
};

/// Puts a driver's state back into the processes below `root`, after a move that was over when a
/// former agent ended: what it did to that state was not. An event tells of what stays away.
asio::awaitable<void> restore_gpu_state(const HandoverContext& context, ProcessId root);

}  // namespace cardswap
