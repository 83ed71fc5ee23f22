#pragma once

#include <boost/asio/awaitable.hpp>
#include <memory>

#include "agent/criu/process_departure.h"
#include "agent/handover/source/migration_context.h"

namespace cardswap {

/// Moves the process of one transfer by CRIU. It begins when the digests of the memory that was
/// sent ahead are equal, and ends with the process at the target; it can bring the process back at
/// any point in between.
///
/// It does nothing if a job's program starts anew at the target. Owned by MigrationTask, which
/// has one for each transfer; one thread.
class CriuDeparture {
 public:
  /// Both references must outlive it.
  CriuDeparture(const MigrationContext& scope, Transfer& transfer);

  [[nodiscard]] const Transfer& transfer() const { return transfer_; }

  /// Starts the custodian of the process's memory and connects to the target, while the job still
  /// runs, so that this is no downtime. Throws Error; end() then cleans up.
  asio::awaitable<void> prepare();
  /// Has the memory handed to the custodian, dumps the process and sends its image. When this has
  /// returned and the target reports `verified`, the process is at the target and waits there for
  /// the grant. Throws Error, such as what MigrationControl::check() throws; continue_source() and
  /// end() then bring the job back.
  asio::awaitable<void> depart();
  /// The time by which the target must have reported `verified`; counted from this call.
  [[nodiscard]] MigrationControl::Deadline restored_until() const;

  /// Makes waits of prepare() and depart() end with an error, except the wait for the dump.
  void close();
  /// Lets the job go on here: continues its processes, which may be stopped, and gives them their
  /// GPUs back. Returns at once; end() waits for it.
  void continue_source(Instance& source);
  /// Ends a departure that was given up: returns when the job has its memory and its GPUs back, or
  /// has ended, or after some minutes.
  asio::awaitable<void> end();
  /// Releases what the departure holds, once the job is at the target for good.
  void forget() { departure_.reset(); }
  /// Kills the stopped original process of a job that is at the target for good.
  void kill_source_process(const Instance& source);
  /// Gives the job up as lost, because its memory cannot be brought back as it was: logs it, emits
  /// an event, and kills the process, so that the job's restart rule applies. Does nothing after
  /// the commit, nor before prepare() has started the custodian: the job's memory has not left it
  /// then.
  void mark_job_lost(const Instance& source, const channel::Failed& said);

 private:
  class ContinuationScope;

  /// Notes the phase within `verifying`; a failpoint can hold the migration there.
  asio::awaitable<void> enter_phase(CriuPhase phase);
  asio::awaitable<void> continue_stopped();
  [[nodiscard]] bool has_gpus_back() const { return continuation_ == Continuation::gpus_back; }
  asio::awaitable<void> dismiss_custodian();
  /// Reports that the job's CUDA state did not come back.
  void report_held(const Error& why);

  const MigrationContext& scope_;
  Migration& migration_;
  Transfer& transfer_;
  Stepwise<Continuation> continuation_;
  std::unique_ptr<criu::ProcessDeparture> departure_;  // from prepare() on
};

/// Gives the processes below `program` their CUDA state back: a former agent ended after their move
/// was over and before it had done that. Emits an event if some state does not come back.
asio::awaitable<void> restore_gpu_state(const HandoverContext& context, ProcessId program);

}  // namespace cardswap
