#pragma once

#include <memory>

#include "migrator/engine/program.h"

namespace cardswap {

/// The sending end of a migration: connects, sends the base copy and rounds while the program
/// trains, then the rest once it is frozen, and reports when every tracked byte has the same digest
/// on both sides. Owns one thread; the destructor cancels, closes the link and joins, in under 1 s.
class Source {
 public:
  Source(SourceOptions options, SourceProgram& program, SourceCallbacks callbacks);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Hands the frozen state to the engine. Any thread; once, and once more after each put_off. From
  /// `frozen` on `state` is what is sent and compared.
  void freeze(FrozenState state);
  /// Tells the engine that a boundary was passed, for which it may have been waiting. Any thread.
  void stepped();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cardswap
