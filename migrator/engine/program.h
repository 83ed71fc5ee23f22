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
#include "migrator/core/notes.h"
#include "migrator/engine/received_update.h"
#include "migrator/engine/state_view.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/migration_stats.h"

// The engine's view of a training program at either end: options, questions to the program, and
// callbacks.

namespace cardswap {

class LoggedUpdates;
class StateWindow;
class UpdateLog;

/// Where a source engine connects, and the options of its migration.
struct SourceOptions {
  std::string migration;
  std::string host;
  std::uint16_t port = 0;
  std::string token;
  std::string data_key;  ///< 64 hexadecimal digits; the link is encrypted. Empty: it is not
  MigrationSpec spec;
  std::string transports;  ///< as LinkOptions has it; empty: UCX chooses
  /// Addresses of the target, as LinkOptions has them. Empty: any.
  std::string allowed_addresses = {};
  double handover_ms = 0;  ///< expected time from equal digests to the grant; 0: unknown
  /// How many bytes of the frozen state may be copied in this process's memory, so that the program
  /// goes on while they are sent. 0, or without SourceCallbacks::copied: it stands until then.
  std::uint64_t copy_bytes_max = 0;
  /// A target that is silent for longer is lost (Error{link_lost}).
  std::chrono::milliseconds silence_max{3000};
};

/// The training program as the source engine sees it. Thread-safe; must outlive the Source.
class SourceProgram {
 public:
  virtual ~SourceProgram() = default;
  /// The regions as of the latest boundary. The bytes may change while they are read.
  virtual StateView state_view() = 0;
  /// Boundaries passed so far.
  virtual std::uint64_t step() = 0;
  /// Median of the latest step times in ms; 0 before two boundaries.
  virtual double median_step_ms() = 0;
  /// Whether the program takes no further step, because its state comes from a store: the engine
  /// waits for none.
  virtual bool takes_no_steps() { return false; }
  /// Slows every step down by the factor 1 / (1 - share); 0: full speed. 0 <= share < 1.
  virtual void throttle(double /*share*/) {}
  /// Begins the update log. From here on, until the log is closed, the program appends every
  /// optimizer step to `log` before it takes it, and closes `window` around it. All entries of a
  /// step are appended before state_view() gives that step. False: the program has no log; it does
  /// not use `log` and `window`. Owners of both: the program and the engine.
  virtual bool begin_log(std::shared_ptr<UpdateLog> /*log*/,
                         std::shared_ptr<StateWindow> /*window*/) {
    return false;
  }
  /// The updates that lead from state_view(), which does not change, to the state that it is to
  /// give: its frozen state is as of the last of them, and has that one's values. Null: there are
  /// none. They outlive the Source.
  virtual LoggedUpdates* logged_updates() { return nullptr; }
  /// Why no step of this program can be rehearsed. Nullopt: it can.
  virtual std::optional<std::string> cannot_rehearse() { return std::nullopt; }
  /// The names of the tracked things that differ between two blocks of FrozenState::values.
  virtual std::vector<std::string> differing_values(std::span<const std::byte> /*here*/,
                                                    std::span<const std::byte> /*there*/) {
    return {};
  }
};

/// The state of a trainer that is parked at a boundary. It stays parked while the Source lives,
/// until SourceCallbacks::put_off, rehearse or copied.
struct FrozenState {
  StateView state_view;
  /// Counters, RNG states, options: everything that is tracked and is not a region.
  std::vector<std::byte> values;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< steady_clock
  Notes notes = {};                   ///< what the program has noted up to this boundary
};

/// Called on the engine's thread. A callback must not throw, must not block for long and must not
/// destroy the Source.
struct SourceCallbacks {
  std::function<void(const MigrationStats&)> progress;
  /// A freeze is due: the program is to be parked, and Source::freeze() called. Called again after
  /// each put_off.
  std::function<void(double expected_downtime_ms)> converged;
  /// The target holds the whole frozen state; `state_digest` is the digest of it. Called once.
  std::function<void(const Digest& state_digest, const MigrationStats&)> verified;
  std::function<void(const Error&)> failed;  ///< once; no other callback follows
  /// The freeze is accepted: the program must stay parked until the migration is over.
  std::function<void(std::uint64_t step)> frozen = {};
  /// The freeze is put off, because more is left to send than the limit allows. The program must go
  /// on; Source::freeze() is called again after the next `converged`. Empty: a freeze is never put
  /// off.
  std::function<void(const std::string& why)> put_off = {};
  /// The target has the whole state, and nothing is committed: the program must take one step, and
  /// Source::freeze() is called again after it. Empty: a step is never rehearsed.
  std::function<void()> rehearse = {};
  /// The state of that step is copied as far as the target lacks it: the program must go on at
  /// once. Called in place of `frozen`; `verified` or `failed` follows. Empty: the program stays
  /// parked.
  std::function<void(std::uint64_t step)> copied = {};
};

/// Where a target engine listens, and which source it admits.
struct TargetOptions {
  std::string migration;
  std::string listen_host;  ///< numeric address
  std::string token;        ///< the source must send it; compared in constant time
  std::string transports;   ///< as LinkOptions has it; empty: UCX chooses
  /// A source that is silent for longer is lost (Error{link_lost}).
  std::chrono::milliseconds silence_max{3000};
  std::string data_key;  ///< as in SourceOptions; empty: nothing is encrypted
  /// Addresses of the source, as LinkOptions has them. Empty: any.
  std::string allowed_addresses = {};
  std::vector<std::shared_ptr<Device>> devices = {};  ///< the devices with the program's memory
};

/// The parked standby as the target engine sees it; it must outlive the Target. The training thread
/// is parked during all calls. adopt() and replay() run on threads that the engine starts for them,
/// one call at a time; the engine serves its link meanwhile and may call device_of(). All other
/// calls come on the engine's thread.
class TargetProgram {
 public:
  virtual ~TargetProgram() = default;
  /// Makes this program's tracked memory match `wanted`, and returns it: creates or drops optimizer
  /// state that only one side has. Throws Error{layout_differs}, whose text names the differences,
  /// and any other Error that explains why there is no memory for it: the migration fails with it.
  virtual StateView adopt(const Layout& wanted) = 0;
  /// The digests of chunks whose bytes this program has elsewhere than in its memory, such as in a
  /// store: by the layout adopted last, cut into chunks of `chunk_bytes`, one for each. Nullopt, or
  /// an empty vector: they are nowhere else. Such a chunk is not digested, and is not sent if the
  /// source has the same. Called after adopt(), on its thread.
  virtual std::vector<std::optional<Digest>> held_elsewhere(std::uint64_t /*chunk_bytes*/) {
    return {};
  }
  /// Loads the values, saves them again and returns the saved bytes: if they are equal, the values
  /// have arrived.
  virtual std::vector<std::byte> apply_values(std::span<const std::byte> values) = 0;
  /// The device on which replay() wants a parameter's gradient; by the layout adopted last.
  virtual Device& device_of(ParameterId /*parameter*/) { return cpu_device(); }
  /// Repeats the source's optimizer step for the parameters whose gradients `update` has, and
  /// returns when that is done. Chunks of other parameters may land meanwhile.
  virtual void replay(const ReceivedUpdate& /*update*/) {
    throw Error(Code::bad_request, "this program cannot replay updates");
  }
  /// Has the program take one step from the whole state of `step`, as in its warm-up, on its own
  /// thread. Returns at once; Target::rehearsed() is called when the program is parked after that
  /// step.
  virtual void rehearse(std::uint64_t /*step*/) {
    throw Error(Code::bad_request, "this program takes no step beside its source's");
  }
};

/// The state that a target holds when both sides agree on it.
struct VerifiedState {
  Digest state_digest;
  std::uint64_t step = 0;
  std::int64_t last_step_end_ns = 0;  ///< the source's last step, on this process's steady_clock
  std::int64_t clock_error_ns = 0;
  std::uint64_t chunk_bytes =
      0;             ///< of the chunks whose digests made `state_digest`; 0: not known here
  Notes notes = {};  ///< what the source's program had noted by then
  /// The chunks that were never sent, for TargetProgram::held_elsewhere() named them with the
  /// digest that they have in this state. Their memory has other bytes.
  std::vector<ChunkId> elsewhere = {};
};

/// Called on the engine's thread. A callback must not throw and must not destroy the Target.
struct TargetCallbacks {
  /// Both sides agree on this state. Called again if the source sends again after it.
  std::function<void(const VerifiedState&)> verified;
  /// Called once, also when the source has cancelled or is gone.
  std::function<void(const Error&)> failed;
};

}  // namespace cardswap
