#pragma once

#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <string>
#include <string_view>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap {

/// What the parts of a migration under way share: its one door, its limits, its end. MigrationTask
/// implements it and outlives the parts. One thread.
class RunningMigration {
 public:
  using Deadline = std::chrono::steady_clock::time_point;

  virtual ~RunningMigration() = default;

  /// What the target says is an event. Throws the disk's refusal; then nothing of it has happened.
  virtual void apply(const handover::Message& status) = 0;
  /// Asks the target again what is worth asking.
  virtual void poll() = 0;

  /// Notes that it cannot go on, which its next wait notices. The first error counts, and none
  /// after the commit.
  virtual void fail(Error error) = 0;
  /// Throws what it failed with, or, at `until`, that its time is over.
  virtual void check(Deadline until) const = 0;
  [[nodiscard]] virtual Deadline deadline() const = 0;

  /// Stands still where `name`, between what is on disk and what it stands for, is a failpoint.
  /// Names are literals.
  virtual boost::asio::awaitable<void> wait_at_failpoint(std::string_view name) = 0;
  /// Runs `work`, and stays in memory, with all of its parts, until that has ended.
  virtual void spawn(std::string name, boost::asio::awaitable<void> work) = 0;
};

}  // namespace cardswap
