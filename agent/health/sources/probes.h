#pragma once

#include "agent/health/sources/health_context.h"

namespace cardswap::health {

/// The probes of the policy as a source: programs that are run and files that are read, each in a
/// task of its own, until the policy is replaced. One thread.
class Probes {
 public:
  explicit Probes(const HealthScope& scope)
      : io_(scope.context.io), tasks_(scope.context.tasks), journalled_(scope.journalled) {}
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  /// Starts the probes of the engine's present policy. The tasks of an earlier policy end without
  /// reporting again.
  void start();

 private:
  asio::awaitable<void> follow(Probe probe, unsigned generation);

  asio::io_context& io_;
  TaskGroup& tasks_;
  JournalledEngine& journalled_;
  unsigned generation_ = 0;  ///< tasks of an earlier policy see that it has changed, and end
};

}  // namespace cardswap::health
