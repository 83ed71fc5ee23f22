#pragma once

#include <boost/asio/awaitable.hpp>
#include <string>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap {

/// The interface of a ReservationTask for its parts: they change the reservation only through this.
/// ReservationTask implements it and outlives the parts. One thread.
class ReservationControl {
 public:
  virtual ~ReservationControl() = default;

  // Each throws Error{io, corrupt} if the disk refuses a required record; then nothing has
  // happened.
  virtual void apply(handover::TargetEvent event) = 0;
  virtual void apply(const handover::Message& said) = 0;
  /// `why` becomes the reservation's error if the message changes its state and it has none yet.
  virtual void apply(const handover::Message& said, Error why) = 0;
  /// Handles the standby's report that it holds the whole state.
  virtual void apply(const handover::Content& verified) = 0;
  /// Applies an event. `error` becomes the reservation's error if the event changes its state and
  /// it has none yet.
  virtual void fail(handover::TargetEvent event, Error error) = 0;
  /// TargetSide::tick(): repeats the notice to the source.
  virtual void tick() = 0;

  /// Runs `work` in the background. The task and its parts stay in memory until `work` has ended.
  virtual void spawn(std::string name, boost::asio::awaitable<void> work) = 0;
};

}  // namespace cardswap
