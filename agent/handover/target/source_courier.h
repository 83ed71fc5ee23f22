#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>

#include "agent/handover/protocol/driver.h"
#include "agent/handover/target/reservation_context.h"
#include "agent/handover/target/source_client.h"

namespace cardswap {

/// Talks with the source's agent about one reservation: asks for the decision, and tells the source
/// that an operator gave the job to this host.
///
/// Only a decision about this migration counts. After any other answer ReservationTask asks again,
/// without a limit. Owned by ReservationTask; one thread.
class SourceCourier final : public handover::OtherSide {
 public:
  /// All references in `scope` must outlive it.
  explicit SourceCourier(const ReservationContext& scope)
      : tasks_(scope.context.tasks),
        jobs_(scope.context.jobs),
        events_(scope.context.events),
        list_(scope.list),
        run_(scope.run),
        reservation_(scope.reservation) {}

  /// Asks for the decision in the background; returns at once, and does nothing while a question is
  /// under way. The message is not used: the question always carries the target's state, and so it
  /// is the notice to the source too.
  void send(const handover::Message&) override;
  /// Asks for the decision now. Throws what ask_decision() throws.
  [[nodiscard]] asio::awaitable<DecisionAnswer> ask();
  /// Tells the source that an operator gave the job to this host; returns when the source knows it.
  asio::awaitable<void> notify();
  /// Notes that the source's agent has called or answered.
  void note_contact();

 private:
  asio::awaitable<void> call();
  void on_call_failed(const Error& failed);
  void on_decision(const DecisionAnswer& answer);
  void on_copy(const DecisionAnswer& answer);
  /// Returns the former value.
  bool note_doubt(bool in_doubt);
  void note_copy(std::optional<LowerCopy> copy);
  [[nodiscard]] std::string job_name(const std::string& unknown) const;

  const TaskGroup& tasks_;
  JobList& jobs_;
  EventSink& events_;
  ReservationList& list_;
  ReservationControl& run_;
  Reservation& reservation_;
  bool asks_ = false;                ///< a question is under way
  std::string refused_by_the_disk_;  ///< the disk's latest error, so that it is logged once
};

}  // namespace cardswap
