#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/target/reservation_scope.h"
#include "agent/handover/target/source_client.h"

namespace cardswap {

/// Talks with the source's agent about one place: it asks for the decision, and tells the source of
/// a job that an operator took here.
///
/// Only a decision of this very migration counts: after any other answer it asks again, for as long
/// as it takes. Owned by ReservationTask; one thread.
class SourceLink final : public handover::Peer {
 public:
  /// What `scope` refers to outlives it.
  explicit SourceLink(const ReservationScope& scope)
      : tasks_(scope.context.tasks),
        jobs_(scope.context.jobs),
        events_(scope.context.events),
        list_(scope.list),
        run_(scope.run),
        reservation_(scope.reservation) {}

  /// Returns at once; one question under way stands for all. Each message of a target's own is the
  /// question what was decided: what it tells goes along.
  void send(const handover::Message&) override;
  /// Throws where its agent does not answer, or gives no decision.
  [[nodiscard]] asio::awaitable<DecisionAnswer> ask();
  /// Tells the source of a job that an operator took here, until it knows.
  asio::awaitable<void> notify();
  /// Notes that the source's agent lives.
  void note_contact();

 private:
  asio::awaitable<void> call();
  void on_call_failed(const Error& failed);
  void on_decision(const DecisionAnswer& answer);
  void on_copy(const DecisionAnswer& answer);
  /// Returns what was noted before.
  bool note_doubt(bool in_doubt);
  void note_copy(std::optional<LowerCopy> copy);
  [[nodiscard]] std::string job_name(const std::string& unknown) const;

  const TaskGroup& tasks_;
  JobTable& jobs_;
  EventSink& events_;
  ReservationList& list_;
  RunningReservation& run_;
  Reservation& reservation_;
  bool asks_ = false;
  std::string refused_by_the_disk_;  ///< what was heard; logged once
};

}  // namespace cardswap
