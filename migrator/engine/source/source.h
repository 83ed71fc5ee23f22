#pragma once

#include <memory>

#include "migrator/engine/program.h"

namespace cardswap {

/// The sending end of a migration. Connects, syncs the state while the program trains, sends the
/// rest once the program is frozen, and reports when every tracked byte has the same digest on both
/// sides. Owns one thread; the destructor cancels, closes the link and joins, in under 1 s.
/// Failures are reported by SourceCallbacks::failed.
class Source {
 public:
  /// Starts the thread and returns. `program` outlives this.
  Source(SourceOptions options, SourceProgram& program, SourceCallbacks callbacks);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Hands the frozen state to the engine. Any thread; once, and once more after each `put_off` or
  /// `rehearse`. After the callback `frozen` this state is the one that is sent and compared.
  void freeze(FrozenState state);
  /// Wakes the engine after a boundary, for which it may be waiting. Any thread.
  void stepped();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cardswap
