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
#include "migrator/wire/follow_messages.h"
#include "migrator/wire/gang_messages.h"
#include "migrator/wire/log_messages.h"

/// The messages between a trainer's runtime and its agent, over the agent's unix socket.
///
/// A frame is a u32 size (of the bytes after it), a u16 message number, then the fields in the
/// order in which they stand here, in the encoding of core/wire_reader.h. The number is the index
/// in `Message` plus 1 and never changes its meaning; a new message is added at the end and raises
/// kProtocolVersion. Either side closes the connection on a frame that it cannot read; the agent
/// sends `Refused` with the reason first.
///
// clang-format off
/// A primary:   Hello -> Welcome{granted} ; Tracked, Stepped ... ; Ended
/// A standby:   Hello -> Welcome{!granted} ; Tracked ; Parked -> ... Verified -> Grant -> Resumed -> FirstStep
/// A source:    BeginSync -> SyncProgress... Converged -> Freeze -> Frozen -> Verified
///                -> Retire (committed: the loop ends, or never passes a boundary again)
///                or Release (aborted: the loop goes on; answered by Released)
/// A keeper:    as a standby, up to Verified -> Stored
/// Of a gang, a rank that stays:
///              BuildNext -> NextBuilt ; Arm -> Armed | Late ; Reached ; Check -> Checked | CheckFailed
///                -> SwitchOver -> CommunicatorsTook, FirstStep ; CloseOld
///                or Release (given up: the loop goes on as before; answered by Released)
/// Of a gang, a rank that leaves: as a source, with Arm, Armed | Late, Reached and Check in place of Freeze
/// A source:    TimeSteps -> LateSteps... ; a target, from its first step on: FirstSteps...
/// A rank:      RankPlace, once its groups are made
/// Any time:    ListState -> StateList...
/// Who follows a rank that has moved away: Follow -> Followed... ; Deliver
/// A job:       HoldAt -> Held (it stands at a step, in no migration) ... HoldAt -> it goes on
/// A job:       KeepLog -> Logged...
// clang-format on
///
/// With ArrivalMode::criu a holder plays the target up to Verified, and keeps the memory until the
/// process is there. At the source: Verified -> Depart -> Departed, then CRIU dumps the process; a
/// Release, on this connection or the next one, lets it go on. The process that CRIU has restored
/// gets Arrived on the connection with which it was restored -> Verified -> Grant -> Resumed ...
/// Any time: Failed{migration} from the runtime (the engine gave up; it waits for Release).
namespace cardswap::channel {

inline constexpr std::uint32_t kProtocolVersion = 11;
inline constexpr std::uint32_t kFrameBytesMax = 1U << 20;
inline constexpr std::size_t kObstaclesMax = 64;  ///< if there are more, the last one has the count
inline constexpr std::size_t kItemsMax = 64;      ///< on one page of a StateList
inline constexpr std::size_t kPagesMax = 16;      ///< of one answer to ListState
inline constexpr std::size_t kItemTextBytesMax = 1U << 10;  ///< a longer text is cut

/// Whether the process runs the job, or is a standby that waits to take it over.
enum class Role : std::uint8_t { primary, standby };
constexpr Role last_of(Role) { return Role::standby; }

// ---- runtime -> agent

/// The first frame of every connection, also of a reconnection after an agent's restart.
struct Hello {
  std::uint32_t protocol_version = kProtocolVersion;
  std::string job;
  std::string token;      ///< from CARDSWAP_TOKEN
  std::uint64_t pid = 0;  ///< checked against SO_PEERCRED
  Role role = Role::primary;
  std::string runtime_version;
  std::string framework;  ///< "libtorch 2.11.0", "torch 2.11.0", "python", "holder", "keeper", ...
  std::uint64_t epoch = 0;    ///< the epoch this process was granted; 0 before any grant
  std::string migration;      ///< the migration in progress in this process; or empty
  bool frozen = false;        ///< parked at a boundary until the agent sends Release or Retire
  std::uint64_t network = 0;  ///< inode of the process's network namespace; 0: not known
  std::uint32_t rank = 0;     ///< of the process among the job's, on all hosts
  std::uint32_t ranks = 1;    ///< how many the job has; 1: it is a job of one process
  bool operator==(const Hello&) const = default;
};
/// A reason why a job cannot be moved: an optimizer or a state that is not tracked, or a value that
/// cannot be saved.
struct Obstacle {
  std::string what;     ///< "optimizer of type torch::optim::AdamW is stepped but not tracked"
  std::string hint;     ///< what the program's author can do
  bool always = false;  ///< it also prevents ArrivalMode::criu
  bool operator==(const Obstacle&) const = default;
};
/// What the program tracks. Sent at the first boundary, after each change that is noticed, and
/// again after a reconnection.
struct Tracked {
  std::uint64_t state_bytes = 0;
  std::uint32_t regions = 0;
  Digest layout;
  std::uint64_t replayed_bytes = 0;     ///< of state_bytes: what replayable optimizers rewrite
  std::uint64_t update_bytes = 0;       ///< gradients of one step of these optimizers
  std::uint64_t relocatable_bytes = 0;  ///< of state_bytes: what ArrivalMode::criu can send ahead
  std::vector<Obstacle> obstacles;      ///< at most kObstaclesMax
  bool operator==(const Tracked&) const = default;
};
/// How many boundaries the job has passed; the count moves with the job. At most ten such messages
/// a second.
struct Stepped {
  std::uint64_t step = 0;
  double median_step_ms = 0;
  bool operator==(const Stepped&) const = default;
};
/// The standby has taken its warm-up step, is parked at its first boundary and listens for the
/// source.
struct Parked {
  std::string host;
  std::uint16_t port = 0;
  std::uint64_t state_bytes = 0;
  bool operator==(const Parked&) const = default;
};
/// The engine's figures, each time that it makes them (MigrationStats).
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
/// The training thread is parked at a boundary until Release or Retire. Or, of a snapshot, it stood
/// at one, and trains on: what is sent is a copy of what its state was.
struct Frozen {
  std::string migration;
  std::uint64_t step = 0;
  bool trains_on = false;
  bool operator==(const Frozen&) const = default;
};
/// Sent by a source: the digests of every tracked byte are equal on both sides. Sent by a target:
/// it holds a whole state with this state digest. The agents compare the two digests. A keeper
/// repeats it while its store takes the state.
struct Verified {
  std::string migration;
  std::uint64_t step = 0;
  Digest state_digest;
  MigrationStats stats;
  bool operator==(const Verified&) const = default;
};
/// The engine gave up, or a message could not be obeyed. A frozen source waits for Release.
struct Failed {
  std::string migration;
  Code code = Code::internal;
  std::string failure;
  std::string hint;
  bool lost = false;  ///< the memory is gone or wrong: this process never takes a step again
  bool operator==(const Failed&) const = default;
};
/// Answer to Release: the engine is gone and the loop goes on; a standby stays one. Of a gang: the
/// next communicator is gone, and the loop goes on with the one that it has.
struct Released {
  std::string migration;
  bool operator==(const Released&) const = default;
};
/// The target's loop goes on. `downtime_ms` is by the target's clock, with an error of at most
/// `clock_error_ms`.
struct Resumed {
  std::string migration;
  std::uint64_t step = 0;
  double downtime_ms = 0;
  double clock_error_ms = 0;
  bool operator==(const Resumed&) const = default;
};
/// The target has completed its own first step (the boundary after `Resumed::step`). Sent by a rank
/// that stays too, after its first step with the next communicator.
struct FirstStep {
  std::string migration;
  std::uint64_t step = 0;
  bool operator==(const FirstStep&) const = default;
};
/// The program has closed the session. `moved`: because of Retire.
struct Ended {
  std::uint64_t step = 0;
  bool moved = false;
  bool operator==(const Ended&) const = default;
};
/// Answer to Depart: the engine is gone, the custodian has the memory that was sent ahead, and the
/// runtime has no descriptor open except this connection. Neither side sends anything after it
/// until the dump is over.
struct Departed {
  std::string migration;
  std::uint64_t socket_inode = 0;  ///< of the runtime's end of this connection
  Digest state_digest;             ///< as Verified had it
  bool operator==(const Departed&) const = default;
};
/// An item of a StateList: a thing that is tracked, or one that was found and is not tracked.
struct StateItem {
  std::string name;  ///< under which it is tracked; else a description
  std::string kind;  ///< "module", "optimizer", "memory", "value", "gradients", "obstacle"
  std::string type;  ///< type of the program's object
  std::string device;
  std::string dtype;  ///< of its tensors; "mixed" if they differ
  std::uint64_t bytes = 0;
  std::uint64_t tensors = 0;
  bool tracked = true;
  std::string
      moves;  ///< how it is sent: "replayed", "replayed in part", "rounds", "value"; or empty
  std::string changed;  ///< since the first boundary: "yes" or "no"; empty: not known
  std::string note;     ///< for people, for example why it prevents a move
  bool operator==(const StateItem&) const = default;
};
/// One page of the answer to ListState. The answer is made at the next boundary.
struct StateList {
  std::uint64_t request = 0;     ///< ListState::request
  std::uint64_t step = 0;        ///< the boundary
  std::uint32_t page = 0;        ///< counts from 0
  bool last = true;              ///< no further page follows
  std::vector<StateItem> items;  ///< at most kItemsMax
  std::string refusal;           ///< why there is no list (sent at once); empty: there is one
  bool operator==(const StateList&) const = default;
};
/// How late a source's steps are since TimeSteps. At most ten such messages a second; also sent
/// when the program is parked, at the end, and again after a reconnection.
struct LateSteps {
  std::string migration;
  Lateness lateness;   ///< of the steps that are over, each up to the beginning of the next one
  double open_ms = 0;  ///< duration of the step at whose end it is parked; 0: it is not parked
  std::uint32_t after = 0;  ///< how many of the steps began since Release; at most kStepsAfter
  bool over = false;        ///< the last message
  bool operator==(const LateSteps&) const = default;
};
/// The durations of a target's own first steps, sent as LateSteps is.
struct FirstSteps {
  std::string migration;
  std::vector<double> took_ms;  ///< each up to the beginning of the next step; at most kStepsAfter
  bool over = false;            ///< the last message
  bool operator==(const FirstSteps&) const = default;
};

/// A keeper has published the state of its Verified as a snapshot, and ends.
struct Stored {
  std::string migration;
  std::uint64_t number = 0;         ///< of the snapshot, among the job's in that store
  std::string manifest;             ///< the id of its manifest, in hexadecimal
  std::uint64_t new_bytes = 0;      ///< bytes of the state that the store did not have
  std::uint64_t written_bytes = 0;  ///< bytes of all objects that were written
  /// Why the snapshot has not the tag that was asked for; empty: it has it, or none was. An older
  /// keeper does not say, and where it is empty it is not written: then an older agent reads this.
  std::string tag_error = {};
  bool operator==(const Stored&) const = default;
};

/// The training thread stands at the step of Welcome::hold_at or HoldAt. Sent again after a
/// reconnection.
struct Held {
  std::uint64_t step = 0;
  Digest state_digest;  ///< what a snapshot of this step has; zeros: see `failure`
  std::string failure;  ///< why the state could not be read; or empty
  bool operator==(const Held&) const = default;
};

// ---- agent -> runtime

/// Answer to Hello: whether the process may step, and for a standby where it receives its data.
struct Welcome {
  std::uint64_t epoch = 0;
  bool granted = false;    ///< it may step; a standby may not: it takes a warm-up step and parks
  std::string migration;   ///< standby: the migration for which it was started
  std::string data_host;   ///< standby: address to listen on for the source
  std::string data_token;  ///< standby: the token that the source must send
  std::string transports;  ///< UCX_TLS for the data plane, or TLS@NET_DEVICES; or empty
  std::string data_key;    ///< standby: key of the data in hexadecimal; empty: it is not encrypted
  std::string
      allowed_addresses;      ///< standby: addresses of the source, separated by blanks; empty: any
  std::uint64_t hold_at = 0;  ///< as HoldAt::step
  std::uint64_t again_until = 0;  ///< steps up to this one were taken before; 0: none
  std::string agent_address{};  ///< HOST:PORT at which other agents reach this one; empty: nowhere
  GangPlace gang{};             ///< a newcomer: its place in the gang by which it arrives
  bool operator==(const Welcome&) const = default;
};
/// Answer to a Hello or a frame that the agent does not accept: why it closes the connection.
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
  double handover_ms = 0;         ///< expected time from equal digests to the grant; 0: unknown
  std::string data_key;           ///< key of the data in hexadecimal; empty: it is not encrypted
  std::string allowed_addresses;  ///< addresses of the target, separated by blanks; empty: any
  bool of_gang = false;           ///< `migration` is a gang: Arm and Check come in place of Freeze
  bool operator==(const BeginSync&) const = default;
};
/// Tells a source to park at its next boundary. Answered by Frozen, at a later boundary if the
/// freeze would take too long now.
struct Freeze {
  std::string migration;
  bool operator==(const Freeze&) const = default;
};
/// The migration is over for this process: a source goes on, a standby stays a standby. Answered by
/// Released.
struct Release {
  std::string migration;
  bool operator==(const Release&) const = default;
};
/// The job runs elsewhere: this process takes no further step, and its loop ends.
struct Retire {
  std::string migration;
  bool operator==(const Retire&) const = default;
};
/// Tells a standby that holds the whole state that it is now the job. Until then it dies with its
/// agent (PR_SET_PDEATHSIG); from then on it outlives its agent.
struct Grant {
  std::string migration;
  std::uint64_t epoch = 0;
  Digest state_digest;  ///< must be what this target verified
  bool operator==(const Grant&) const = default;
};
/// Tells a verified source to prepare for its dump. Answered by Departed or Failed.
struct Depart {
  std::string migration;
  std::string custodian;            ///< socket of a `cardswap-holder --custody`
  std::uint64_t custodian_pid = 0;  ///< no other process at that socket gets the memory
  bool operator==(const Depart&) const = default;
};
/// Tells a restored process where it is now. Answered by Verified or Failed.
struct Arrived {
  std::string migration;
  std::uint64_t epoch = 0;  ///< the epoch until the grant: 0, so that the process may not step
  std::string holder;       ///< socket of the holder that has the memory
  std::string socket;       ///< the value of CARDSWAP_SOCKET on this host
  std::string token;        ///< the value of CARDSWAP_TOKEN on this host
  std::string job;          ///< the value of CARDSWAP_JOB on this host
  Digest state_digest;  ///< of the holder's memory; must equal what this process verified at the
                        ///< source
  bool operator==(const Arrived&) const = default;
};

/// Asks for a list of the state. Answered by StateList.
struct ListState {
  std::uint64_t request = 0;
  bool operator==(const ListState&) const = default;
};
/// A migration was requested: the job's steps are timed from now on. Answered by LateSteps.
struct TimeSteps {
  std::string migration;
  bool operator==(const TimeSteps&) const = default;
};

/// Tells the job to stand at the first boundary of `step` or later, until the next such message; 0:
/// nowhere, and to go on. Answered by Held when it stands.
struct HoldAt {
  std::uint64_t step = 0;
  bool operator==(const HoldAt&) const = default;
};

using Message =
    std::variant<Hello, Tracked, Stepped, Parked, SyncProgress, Converged, Frozen, Verified, Failed,
                 Released, Resumed, FirstStep, Ended, Welcome, Refused, BeginSync, Freeze, Release,
                 Retire, Grant, Depart, Departed, Arrived, StateList, ListState, LateSteps,
                 FirstSteps, TimeSteps, Stored, BuildNext, NextBuilt, Arm, Armed, Late, Reached,
                 Check, Checked, CheckFailed, SwitchOver, CloseOld, Held, HoldAt, RankPlace,
                 CommunicatorsTook, Follow, Followed, Deliver, Logged, KeepLog>;

/// Makes a whole frame, with its size.
[[nodiscard]] std::vector<std::byte> encode(const Message& message);
/// Reads the body of one frame (the bytes after the size). Throws Error{bad_request}.
[[nodiscard]] Message decode(std::span<const std::byte> body);

}  // namespace cardswap::channel
