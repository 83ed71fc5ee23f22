#pragma once

#include "agent/attach/state_lists.h"
#include "agent/base/event_sink.h"
#include "agent/handover/source/migrations.h"
#include "agent/handover/target/reservations.h"
#include "agent/jobs/jobs.h"
#include "agent/jobs/runtime_report.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap {

/// Gives what a job's runtime says to those whom it concerns: the job's record, its migration, its
/// reservation. On the agent's loop; the parts are its owner's and outlive it.
class RuntimeDispatcher {
 public:
  RuntimeDispatcher(Jobs& jobs, StateLists& state_lists, Migrations& migrations,
                    Reservations& reservations, EventSink& events);

  /// A runtime attached: what it is told. Throws Error where it may not have the job.
  [[nodiscard]] channel::Welcome welcome(Instance& instance, const channel::Hello& hello);
  void dispatch(Instance& instance, const channel::Message& message);
  void detached(const Instance& instance);

 private:
  void note_tracked(Instance& instance, const channel::Tracked& tracked);

  Jobs& jobs_;
  StateLists& state_lists_;
  Migrations& migrations_;
  Reservations& reservations_;
  EventSink& events_;
  SizesOnDisk sizes_;
};

}  // namespace cardswap
