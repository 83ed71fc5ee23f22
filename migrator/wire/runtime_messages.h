#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/core/digest.h"
#include "migrator/plan/lateness.h"
#include "migrator/plan/migration_spec.h"
#include "migrator/plan/migration_stats.h"

/// What a trainer's runtime and its agent say to each other over the agent's unix socket.
///
/// A frame is u32 size (of what follows), u16 message number, then the fields in the order in which
/// they stand here (core/wire_reader.h's encoding). Numbers are the index in `Message` plus 1 and
/// never change their meaning; a new message goes at the end and raises kProtocolVersion. Either
/// side closes the connection on a frame it cannot read; the agent says why with `Refused` first.
///
// clang-format off
/// A primary:   Hello -> Welcome{granted} ; Tracked, Stepped ... ; Ended
/// A standby:   Hello -> Welcome{!granted} ; Tracked ; Parked -> ... Verified -> Grant -> Resumed -> FirstStep
/// A source:    BeginSync -> SyncProgress... Converged -> Freeze -> Frozen -> Verified
///                -> Retire (committed: the loop ends, or never passes a boundary again)
///                or Release (aborted: the loop goes on; answered by Released)
/// A keeper:    as a standby, up to Verified -> Stored
/// A source:    TimeSteps -> LateSteps... ; a target, from its first step on: FirstSteps...
/// Any time:    ListState -> StateList...
// clang-format on
///
/// With Arrival::criu the target's part up to Verified is a holder's, which keeps the memory until
/// the process is there. At the source: Verified -> Depart -> Departed, then CRIU dumps it; a
/// Release, on this connection or the next, takes it back. The process that CRIU restored hears
/// Arrived on the connection that it was restored with -> Verified -> Grant -> Resumed ...
/// Any time: Failed{migration} from the runtime (the engine gave up; it waits for Release).
namespace cardswap::channel {

inline constexpr std::uint32_t kProtocolVersion = 8;
inline constexpr std::uint32_t kFrameBytesMax = 1U << 20;
inline constexpr std::size_t kObstaclesMax = 64;  ///< the last one says how many more there are
inline constexpr std::size_t kItemsMax = 64;
inline constexpr std::size_t kPagesMax = 16;                ///< of one answer
inline constexpr std::size_t kItemTextBytesMax = 1U << 10;  ///< longer ones are cut

/// Whether the process is the job, or waits to become it.
enum class Role : std::uint8_t { primary, standby };
constexpr Role last_of(Role) { return Role::standby; }

// ---- runtime -> agent

/// First frame of every connection, a reconnection after an agent's restart included.
struct Hello {
  std::uint32_t protocol_version = kProtocolVersion;
  std::string job;
  std::string token;      ///< from CARDSWAP_TOKEN
  std::uint64_t pid = 0;  ///< checked against SO_PEERCRED
  Role role = Role::primary;
  std::string runtime_version;
  std::string framework;      ///< "libtorch 2.11.0", "holder", "keeper", or "none"
  std::uint64_t epoch = 0;    ///< the epoch this process was granted; 0 before any grant
  std::string migration;      ///< the migration whose engine runs or whose freeze holds; or empty
  bool frozen = false;        ///< parked at a boundary and waiting for the agent's word
  std::uint64_t network = 0;  ///< inode of its network namespace; 0: not known
  bool operator==(const Hello&) const = default;
};
/// Something that keeps a job from being moved: an optimizer or a state that is not tracked, or a
/// value that cannot be saved.
struct Obstacle {
  std::string what;     ///< "optimizer of type torch::optim::AdamW is stepped but not tracked"
  std::string hint;     ///< what the program's author can do
  bool always = false;  ///< also in the way of Arrival::criu
  bool operator==(const Obstacle&) const = default;
};
/// What is tracked, sent at the first boundary, whenever it is found to have changed, and again
/// after a reconnection.
struct Tracked {
  std::uint64_t state_bytes = 0;
  std::uint32_t regions = 0;
  Digest layout;
  std::uint64_t replayed_bytes = 0;     ///< of the state: what replayable optimizers rewrite
  std::uint64_t update_bytes = 0;       ///< gradients of one step of theirs
  std::uint64_t relocatable_bytes = 0;  ///< of the state: what Arrival::criu can send ahead
  std::vector<Obstacle> obstacles;      ///< kObstaclesMax at most
  bool operator==(const Tracked&) const = default;
};
/// Boundaries passed by this job so far (it moves with the job); at most ten such messages a
/// second.
struct Stepped {
  std::uint64_t step = 0;
  double median_step_ms = 0;
  bool operator==(const Stepped&) const = default;
};
/// The standby did its warm-up step, stands in its first boundary and listens for the source.
struct Parked {
  std::string host;
  std::uint16_t port = 0;
  std::uint64_t state_bytes = 0;
  bool operator==(const Parked&) const = default;
};
/// The engine's figures: at most ten a second, and one at each change of phase.
struct SyncProgress {
  std::string migration;
  MigrationStats stats;
  bool operator==(const SyncProgress&) const = default;
};
/// The predicted downtime is within the limit; the engine goes on syncing until Freeze comes.
struct Converged {
  std::string migration;
  double expected_downtime_ms = 0;
  bool operator==(const Converged&) const = default;
};
/// The training thread stands at a boundary and stays there until Release or Retire.
struct Frozen {
  std::string migration;
  std::uint64_t step = 0;
  bool operator==(const Frozen&) const = default;
};
/// Source: digests of every tracked byte agree on both sides. Target: it holds a whole state with
/// this root. The agents compare the two.
struct Verified {
  std::string migration;
  std::uint64_t step = 0;
  Digest root;
  MigrationStats stats;
  bool operator==(const Verified&) const = default;
};
/// The engine gave up. A source that is frozen waits for Release.
struct Failed {
  std::string migration;
  Code code = Code::internal;
  std::string failure;
  std::string hint;
  bool lost = false;  ///< its memory is gone or is another: this process never steps again
  bool operator==(const Failed&) const = default;
};
/// Answer to Release: the engine is gone and the loop goes on.
struct Released {
  std::string migration;
  bool operator==(const Released&) const = default;
};
/// The target's loop goes on. Downtime is by the target's clock; `clock_error_ms` bounds its error.
struct Resumed {
  std::string migration;
  std::uint64_t step = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  bool operator==(const Resumed&) const = default;
};
/// The target has completed its first own step (the boundary after `Resumed.step`).
struct FirstStep {
  std::string migration;
  std::uint64_t step = 0;
  bool operator==(const FirstStep&) const = default;
};
/// The session was closed in an orderly way. `moved`: because of Retire.
struct Ended {
  std::uint64_t step = 0;
  bool moved = false;
  bool operator==(const Ended&) const = default;
};
/// Answer to Depart: the engine is gone, the memory that was sent ahead is with the keeper, and
/// this connection is all that is open besides what the program opened itself. Nothing is sent
/// after it; the agent sends nothing before the dump is over either.
struct Departed {
  std::string migration;
  std::uint64_t socket_inode = 0;  ///< of this connection's end here
  Digest root;                     ///< as Verified had it
  bool operator==(const Departed&) const = default;
};
/// One tracked thing of a StateList, or one that was seen and is not tracked.
struct StateItem {
  std::string name;  ///< as it is tracked; or what it is
  std::string kind;  ///< "module", "optimizer", "memory", "value", "gradients", "obstacle"
  std::string type;  ///< of the program's object
  std::string device;
  std::string dtype;  ///< of its tensors; "mixed"
  std::uint64_t bytes = 0;
  std::uint64_t tensors = 0;
  bool tracked = true;
  std::string moves;    ///< "replayed", "replayed in part", "rounds", "value"; or empty
  std::string changed;  ///< "yes", "no" since the first boundary; empty: not known
  std::string note;     ///< why it is in the way, and the like
  bool operator==(const StateItem&) const = default;
};
/// Answer to ListState, built at the next boundary: one page of it, or the only one.
struct StateList {
  std::uint64_t request = 0;
  std::uint64_t step = 0;  ///< the boundary
  std::uint32_t page = 0;  ///< how many went before
  bool last = true;
  std::vector<StateItem> items;  ///< kItemsMax at most
  std::string refusal;           ///< why there is no list, said at once; or empty
  bool operator==(const StateList&) const = default;
};
/// How late a source's steps are since TimeSteps: at most ten a second, when it stands, when it
/// ends, and again after a reconnection.
struct LateSteps {
  std::string migration;
  Lateness lateness;        ///< of each step that is over, the way to the next one included
  double open_ms = 0;       ///< the one at whose end it stands, up to there; 0: it does not stand
  std::uint32_t after = 0;  ///< of these, begun since Release: kStepsAfter at most
  bool over = false;        ///< nothing more is told
  bool operator==(const LateSteps&) const = default;
};
/// What a target's first own steps took, told as LateSteps is.
struct FirstSteps {
  std::string migration;
  std::vector<double> took_ms;  ///< from a step's beginning to the next one's; kStepsAfter at most
  bool over = false;
  bool operator==(const FirstSteps&) const = default;
};

/// A keeper has published what Verified was about, and ends.
struct Stored {
  std::string migration;
  std::uint64_t number = 0;     ///< of the snapshot among the job's in that store
  std::string manifest;         ///< its id, in hexadecimal
  std::uint64_t new_bytes = 0;  ///< of the state, that the store did not have
  std::uint64_t written_bytes = 0;
  bool operator==(const Stored&) const = default;
};

// ---- agent -> runtime

/// Answer to Hello: what this process is, and, to a standby, where it takes its data.
struct Welcome {
  std::uint64_t epoch = 0;
  bool granted = false;    ///< may step; false for a standby, which does one warm-up step and parks
  std::string migration;   ///< standby: the migration it was started for
  std::string data_host;   ///< standby: address to listen on for the source
  std::string data_token;  ///< standby: what the source must present
  std::string transports;  ///< UCX_TLS for the data plane, or TLS@NET_DEVICES; or empty
  std::string data_key;    ///< standby: what the data is sealed with, in hexadecimal; or empty
  std::string data_peers;  ///< standby: addresses of the source, a blank between; empty: any
  bool operator==(const Welcome&) const = default;
};
/// Answer to a Hello or a frame that the agent does not take: why it closes the connection.
struct Refused {
  Code code = Code::refused;
  std::string failure;
  std::string hint;
  bool operator==(const Refused&) const = default;
};
/// Tells a source to begin: the engine starts at one of the next boundaries.
struct BeginSync {
  std::string migration;
  std::string host;
  std::uint16_t port = 0;
  std::string token;
  MigrationSpec spec;
  std::string transports;
  double handover_ms = 0;  ///< what the agents take from equal digests to the grant; 0: unknown
  std::string data_key;    ///< what the data is sealed with, in hexadecimal; or empty
  std::string data_peers;  ///< addresses of the target, a blank between; empty: any
  bool operator==(const BeginSync&) const = default;
};
/// Tells a source to stand at its next boundary. Answered by Frozen.
struct Freeze {
  std::string migration;
  bool operator==(const Freeze&) const = default;
};
/// The job goes on here, or stays a standby: nothing of the migration is left. Answered by
/// Released.
struct Release {
  std::string migration;
  bool operator==(const Release&) const = default;
};
/// The job is elsewhere: this process takes no further step, and its loop ends.
struct Retire {
  std::string migration;
  bool operator==(const Retire&) const = default;
};
/// Tells a standby that holds the whole state that the job is its own. Until here it dies with its
/// agent (PR_SET_PDEATHSIG); from here on it outlives that one.
struct Grant {
  std::string migration;
  std::uint64_t epoch = 0;
  Digest root;  ///< must be what this target verified
  bool operator==(const Grant&) const = default;
};
/// Tells a source whose digests agree to get ready to be dumped. Answered by Departed or Failed.
struct Depart {
  std::string migration;
  std::string keeper;            ///< socket of a `cardswap-holder --keep`
  std::uint64_t keeper_pid = 0;  ///< whoever else answers there is not given the memory
  bool operator==(const Depart&) const = default;
};
/// Tells a restored process where it is now. Answered by Verified or Failed.
struct Arrived {
  std::string migration;
  std::uint64_t epoch = 0;  ///< what this process may step under until the grant: 0, none
  std::string holder;       ///< socket of the holder that has the memory
  std::string socket;       ///< what CARDSWAP_SOCKET, CARDSWAP_TOKEN and CARDSWAP_JOB are here
  std::string token;
  std::string job;
  Digest root;  ///< of what the holder has; must be what this process verified before it left
  bool operator==(const Arrived&) const = default;
};

/// What does the state consist of? Answered by StateList.
struct ListState {
  std::uint64_t request = 0;
  bool operator==(const ListState&) const = default;
};
/// A migration was asked for: its steps are timed from here on. Answered by LateSteps.
struct TimeSteps {
  std::string migration;
  bool operator==(const TimeSteps&) const = default;
};

using Message =
    std::variant<Hello, Tracked, Stepped, Parked, SyncProgress, Converged, Frozen, Verified, Failed,
                 Released, Resumed, FirstStep, Ended, Welcome, Refused, BeginSync, Freeze, Release,
                 Retire, Grant, Depart, Departed, Arrived, StateList, ListState, LateSteps,
                 FirstSteps, TimeSteps, Stored>;

/// A whole frame, size included.
[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Reads one frame's body (what follows the size). Throws Error{bad_request}.
[[nodiscard]] Message decode(std::span<const std::byte> body);

}  // namespace cardswap::channel
