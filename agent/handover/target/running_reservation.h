#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap {

/// What the parts of a place turn to: its one door. ReservationTask is it; its parts live as long
/// as that. One thread.
class RunningReservation {
 public:
  virtual ~RunningReservation() = default;

  // Each throws the disk's refusal; then nothing of it has happened.
  virtual void apply(handover::TargetEvent event) = 0;
  virtual void apply(const handover::Message& said) = 0;
  /// `why` it is failed, where that leads to it and nothing was wrong before.
  virtual void apply(const handover::Message& said, Error why) = 0;
  /// The standby holds the whole state.
  virtual void apply(const handover::Content& verified) = 0;
  /// `error` is why, where the event leads somewhere and nothing was wrong before.
  virtual void fail(handover::TargetEvent event, Error error) = 0;
  /// Says again what is worth saying again.
  virtual void tick() = 0;

  /// Runs `work`, and stays in memory, with all of its parts, until that has ended.
  virtual void spawn(std::string name, boost::asio::awaitable<void> work) = 0;
};

}  // namespace cardswap
