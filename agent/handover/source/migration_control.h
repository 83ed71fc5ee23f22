#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap {

/// The interface of a MigrationTask for its parts: they change the migration, check its limits and
/// fail it only through this. MigrationTask implements it and outlives the parts. One thread.
class MigrationControl {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~MigrationControl() = default;

  /// Handles a status message of the target. Throws Error{io, corrupt} if the disk refuses; then
  /// nothing has happened.
  virtual void apply(const handover::Message& status) = 0;
  /// Asks the target for its state; returns at once.
  virtual void poll() = 0;

  /// Notes that the migration cannot go on; the walk acts on it at its next wait. Only the first
  /// error counts, and none after the commit.
  virtual void fail(Error error) = 0;
  /// Throws the error of fail(); from `until` on Error{timed_out, not_converging}.
  virtual void check(Deadline until) const = 0;
  /// The time by which the walk must be done; far in the future if there is no time-out.
  [[nodiscard]] virtual Deadline deadline() const = 0;

  /// Waits while a failpoint holds the migration at the state or phase `name`; else returns at
  /// once. `name` must outlive the call. Before the commit it throws what check() throws.
  virtual boost::asio::awaitable<void> wait_at_failpoint(std::string_view name) = 0;
  /// Runs `work` in the background. The task and its parts stay in memory until `work` has ended.
  virtual void spawn(std::string name, boost::asio::awaitable<void> work) = 0;
};

}  // namespace cardswap
