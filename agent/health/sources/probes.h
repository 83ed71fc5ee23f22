#pragma once

#include "agent/health/sources/health_context.h"

namespace cardswap::health {

/// The policy's probes as a source: programs that are run and files that are read, each for ever,
/// as a task of its own. One thread.
class Probes {
 public:
  explicit Probes(const HealthScope& scope)
      : io_(scope.context.io), tasks_(scope.context.tasks), journalled_(scope.journalled) {}
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  /// Starts the engine's policy's; those of a former policy end.
  void start();

 private:
  asio::awaitable<void> follow(Probe probe, unsigned generation);

  asio::io_context& io_;
  TaskGroup& tasks_;
  JournalledEngine& journalled_;
  unsigned generation_ = 0;  ///< probes of a former policy see it and end
};

}  // namespace cardswap::health
