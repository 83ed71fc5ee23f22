#pragma once

#include "agent/attach/runtime_hub.h"
#include "agent/attach/state_lists.h"
#include "agent/base/event_sink.h"
#include "agent/gang/moves.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/jobs.h"
#include "agent/jobs/runtime_report.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// Passes the messages of a job's runtime on: to the job's record, its reservation and its
/// migration. The agent's thread; all references must outlive it.
class RuntimeDispatcher {
 public:
  RuntimeDispatcher(Jobs& jobs, RuntimeHub& hub, StateLists& state_lists, Migrations& migrations,
                    Reservations& reservations, gang::Moves& moves, EventSink& events);

  /// Answers a runtime that attaches. Throws Error{conflict} if a higher epoch of its job was
  /// granted.
  [[nodiscard]] channel::Welcome welcome(Instance& instance, const channel::Hello& hello);
  /// Handles a message. A runtime whose job was superseded is only halted again. Throws
  /// Error{io, corrupt} if the disk refuses.
  void dispatch(Instance& instance, const channel::Message& message);
  /// Notes that a runtime has closed its connection.
  void detached(const Instance& instance);
  /// Handles a message of the runtime of one rank of a job of many, as dispatch() does.
  void dispatch_rank(Instance& instance, std::uint32_t rank, const channel::Message& message);

 private:
  [[nodiscard]] channel::Welcome welcome_rank(Instance& instance, const channel::Hello& hello);
  void note_tracked(Instance& instance, const channel::Tracked& tracked);

  Jobs& jobs_;
  RuntimeHub& hub_;
  StateLists& state_lists_;
  Migrations& migrations_;
  Reservations& reservations_;
  gang::Moves& moves_;
  EventSink& events_;
  SizesOnDisk sizes_;
};

}  // namespace cardswap
