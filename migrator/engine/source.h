#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "migrator/core/error.h"
#include "migrator/core/layout.h"
#include "migrator/core/migration_spec.h"
#include "migrator/core/stats.h"
#include "migrator/engine/state_window.h"
#include "migrator/engine/update_log.h"

namespace cardswap {

struct SourceOptions {
  std::string migration;
  std::string host;
  std::uint16_t port = 0;
  std::string token;
  std::string data_key;  ///< 64 hexadecimal digits: everything is sealed with it; empty: nothing is
  MigrationSpec spec;
  std::string transports;                       ///< UCX_TLS or TLS@NET_DEVICES; or empty
  std::string peers = {};                       ///< addresses of the target; empty: any
  double handover_ms = 0;                       ///< from equal digests to the grant; 0: unknown
  std::chrono::milliseconds silence_max{3000};  ///< nothing heard for so long: link_lost
};

/// What the training program is to the source engine. Thread-safe; must outlive the Source.
class SourceProgram {
 public:
  virtual ~SourceProgram() = default;
  /// The regions as of the latest boundary. The bytes may change while they are read.
  virtual StateView state_view() = 0;
  /// Boundaries passed so far.
  virtual std::uint64_t step() = 0;
  /// Median of the latest step times; 0 before two boundaries.
  virtual double median_step_ms() = 0;
  /// Makes every step take 1 / (1 - share) times as long; 0: as it comes.
  virtual void throttle(double /*share*/) {}
  /// From here on every optimizer step is appended to `log` before it is taken, and `window` is
  /// closed around it, until the log is closed. Every entry of a step is appended before the
  /// snapshot as of that step can be had. False: `log` and `window` are not used.
  virtual bool begin_log(std::shared_ptr<UpdateLog> /*log*/,
                         std::shared_ptr<StateWindow> /*window*/) {
    return false;
  }
};

/// The state of a trainer that stands at a boundary and will not move while the Source lives.
struct FrozenState {
  StateView state_view;
  std::vector<std::byte>
      values;  ///< counters, RNG, options: everything tracked that is not a region
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< steady_clock
};

/// Called on the engine's thread; must not block for long and must not destroy the Source.
struct SourceEvents {
  std::function<void(const MigrationStats&)> progress;
  /// A freeze is due; again after each put_off.
  std::function<void(double expected_downtime_ms)> converged;
  std::function<void(const Digest& root, const MigrationStats&)> verified;
  std::function<void(const Error&)> failed;  ///< once; nothing else is called after it
  /// The freeze holds: the program stands until the migration is over.
  std::function<void(std::uint64_t step)> frozen = {};
  /// What the freeze found left would stop the program for longer than allowed: it is to go on, and
  /// freeze() comes again after the next `converged`. Empty: a freeze is never put off.
  std::function<void(const std::string& why)> put_off = {};
};

/// The sending end of a migration: connects, sends the base copy and rounds while the program
/// trains, then the rest once it is frozen, and reports when every tracked byte has the same digest
/// on both sides. Owns one thread; the destructor cancels, closes the link and joins, in under 1 s.
class Source {
 public:
  Source(SourceOptions options, SourceProgram& program, SourceEvents events);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// Any thread; once, and once more after each put_off. From `frozen` on `state` is what is sent
  /// and compared.
  void freeze(FrozenState state);
  /// Any thread: a boundary was passed, the engine may have been waiting for it.
  void stepped();

 private:
  class Engine;
  std::unique_ptr<Engine> engine_;
};

}  // namespace cardswap
