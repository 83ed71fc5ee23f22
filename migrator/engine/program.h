#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/layout.h"
#include "migrator/engine/state_view.h"
#include "migrator/engine/update.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/migration_stats.h"

// What a training program is to the engine, at either end: what it is asked, what it is told, and
// with which options.

namespace cardswap {

class StateWindow;
class UpdateLog;

/// Where a source engine connects to, and what its migration was asked for.
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
  /// Whether it takes no further step, so that none is waited for: its state comes from a store.
  virtual bool is_standing() { return false; }
  /// Makes every step take 1 / (1 - share) times as long; 0: as it comes.
  virtual void throttle(double /*share*/) {}
  /// Begins the log: from here on every optimizer step is appended to `log` before it is taken, and
  /// `window` is closed around it, until the log is closed. Every entry of a step is appended
  /// before the StateView of that step can be had. False: `log` and `window` are not used.
  virtual bool begin_log(std::shared_ptr<UpdateLog> /*log*/,
                         std::shared_ptr<StateWindow> /*window*/) {
    return false;
  }
  /// Why no other process can take a step of this program as it does; none: one can.
  virtual std::optional<std::string> cannot_rehearse() { return std::nullopt; }
  /// Which tracked things differ between two blocks of FrozenState::values, by name.
  virtual std::vector<std::string> differing_values(std::span<const std::byte> /*here*/,
                                                    std::span<const std::byte> /*there*/) {
    return {};
  }
};

/// The state of a trainer that stands at a boundary, and will not move while the Source lives
/// unless that lets it.
struct FrozenState {
  StateView state_view;
  std::vector<std::byte>
      values;  ///< counters, RNG, options: everything tracked that is not a region
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< steady_clock
};

/// Called on the engine's thread; must not block for long and must not destroy the Source.
struct SourceCallbacks {
  std::function<void(const MigrationStats&)> progress;
  /// A freeze is due; again after each put_off.
  std::function<void(double expected_downtime_ms)> converged;
  std::function<void(const Digest& root, const MigrationStats&)> verified;
  std::function<void(const Error&)> failed;  ///< once; nothing else is called after it
  /// The freeze holds: the program stands until the migration is over.
  std::function<void(std::uint64_t step)> frozen = {};
  /// The freeze is put off: what it found left would stop the program for longer than allowed. The
  /// program is to go on, and freeze() comes again after the next `converged`. Empty: a freeze is
  /// never put off.
  std::function<void(const std::string& why)> put_off = {};
  /// The target has the whole state, unconfirmed: the program is to take one step more, and
  /// freeze() comes again behind it. Empty: a step is never rehearsed.
  std::function<void()> rehearse = {};
};

/// Where a target engine listens, and whom it admits.
struct TargetOptions {
  std::string migration;
  std::string listen_host;  ///< numeric address
  std::string token;        ///< the source must present it; compared in constant time
  std::string transports;   ///< UCX_TLS; empty: as UCX chooses
  std::chrono::milliseconds silence_max{3000};
  std::string data_key;    ///< as SourceOptions has it; empty: nothing is sealed
  std::string peers = {};  ///< addresses of the source, a blank between; empty: any
  std::vector<std::shared_ptr<Device>> devices = {};  ///< on which the program's memory is
};

/// The parked standby, as the target engine sees it while the training thread is parked; it
/// outlives the Target. Calls come one at a time. adopt() and replay() run on threads that the
/// engine starts for them, while it serves its link and may call device_of(); all other calls come
/// on the engine's thread.
class TargetProgram {
 public:
  virtual ~TargetProgram() = default;
  /// Makes this program's tracked memory match `wanted` (optimizer state that only one side has is
  /// made or dropped) and returns it. Throws Error{layout_differs} naming what differs.
  virtual StateView adopt(const Layout& wanted) = 0;
  /// Loads the values, saves them again and returns that: equal bytes prove that they arrived.
  virtual std::vector<std::byte> apply_values(std::span<const std::byte> values) = 0;
  /// Where a parameter's gradients are to be for replay(); by the layout that was adopted last.
  virtual Device& device_of(ParameterId /*parameter*/) { return cpu_device(); }
  /// Does the source's optimizer step again, for the parameters whose gradients it has, and returns
  /// when that is done. Chunks of other parameters may land meanwhile.
  virtual void replay(const ReceivedUpdate& /*update*/) {
    throw Error(Code::bad_request, "this program cannot replay updates");
  }
  /// Takes one step more, as in its warm-up, from the whole state of `step`, on the program's own
  /// thread: returns at once, and Target::rehearsed() tells when it stands behind that step.
  virtual void rehearse(std::uint64_t /*step*/) {
    throw Error(Code::bad_request, "this program takes no step beside its source's");
  }
};

/// The state that a target holds when both sides agree on it.
struct VerifiedState {
  Digest root;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< the source's last step, on this process's steady_clock
  std::int64_t clock_error_ns = 0;
};

/// Called on the engine's thread; must not destroy the Target.
struct TargetCallbacks {
  std::function<void(const VerifiedState&)> verified;
  std::function<void(const Error&)> failed;  ///< once; includes a source that cancelled or is gone
};

}  // namespace cardswap
