#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>

#include "agent/gang/protocol/gang_side.h"
#include "agent/gang/protocol/rank_side.h"
#include "agent/handover/protocol/source_side.h"
#include "agent/handover/protocol/target_side.h"
#include "runtime/roles/staying_side.h"
#include "tests/support/model/big_table.h"

/// A small world around a gang's real sides: a job of two or three ranks in lockstep, one or two of
/// which move; disks, a network, faults and an operator. Its agents are a GangSide, a RankSide for
/// each rank and a TargetSide for each newcomer. The trainer of a rank that stays is a StayingSide;
/// those of leavers and newcomers are played.
namespace cardswap::gang::model {

inline constexpr Epoch kBase = 1;     ///< the job steps under it
inline constexpr Epoch kGranted = 2;  ///< what the gang leads to
inline constexpr Epoch kReclaimed = 3;
inline constexpr Epoch kTaken = kGranted + handover::kForcedLead;  ///< by an operator's decision
inline constexpr std::uint8_t kTakenByte = 4;

inline constexpr std::size_t kRanks = 3;
inline constexpr std::size_t kNewcomers = 2;
inline constexpr std::size_t kInFlight = 3;

/// None, or a step from 0 to 3 with the right bytes (1..4) or wrong ones (5..8).
using Held = std::uint8_t;
[[nodiscard]] Content content_of(Held held);
[[nodiscard]] Held held_of(const Content& content);
[[nodiscard]] std::uint8_t byte_of(Epoch epoch);
[[nodiscard]] Epoch epoch_of(std::uint8_t byte);
[[nodiscard]] std::uint8_t byte(auto value) { return static_cast<std::uint8_t>(value); }

/// Of a trainer's process.
enum class Life : std::uint8_t { none, alive, left, halted, dead };

/// One message under way; all zeros: none.
struct Letter {
  /// Whose it is, and for whom.
  enum class Way : std::uint8_t { none, to_rank, from_rank, to_newcomer, from_newcomer };
  std::uint8_t way;
  std::uint8_t rank;  ///< of the rank, or of the newcomer's rank
  std::uint8_t kind;  ///< an Order::Kind, a RankState or a Message::Kind
  std::uint8_t asks;  ///< a rank; or what was decided, or a newcomer's state
  std::uint8_t epoch;
  std::uint8_t step;
  std::uint8_t held;
  auto operator<=>(const Letter&) const = default;
};

/// One state of everything. Bytes only, so that equal worlds are equal bytes.
struct World {
  struct Conductor {
    std::uint8_t state, own, step, open;  // in memory
    std::array<std::uint8_t, kNewcomers> content;
    std::uint8_t disk_state, disk_own, disk_step, disk_open;  // in the journal
    std::array<std::uint8_t, kNewcomers> disk_content;
    struct Heard {
      std::uint8_t state, step, content, clear;
      bool operator==(const Heard&) const = default;
    };
    std::array<Heard, kRanks> ranks;
    std::array<Heard, kNewcomers> newcomers;
    std::uint8_t up;
    bool operator==(const Conductor&) const = default;
  } conductor;
  /// A rank of the old membership: what its agent has of it, and its trainer.
  struct Rank {
    std::uint8_t state, own, step, held;
    std::uint8_t disk_state, disk_own, disk_step, disk_held;
    std::uint8_t up, attached;
    std::uint8_t trainer;  // a StayingState, of a rank that stays
    // Its trainer: how many steps it has done, whether it is in one, and where its gate parks it
    // (0: nowhere, n: at step n - 1).
    std::uint8_t life, done, in_step, gate;
    std::uint8_t next;   // it uses the next communicator
    std::uint8_t epoch;  // under which it steps
    std::uint8_t lacks_old, has_next;
    std::uint8_t asked;  // bits: build, check, an answer that its gate was passed
    bool operator==(const Rank&) const = default;
  };
  std::array<Rank, kRanks> ranks;
  /// The standby of a rank that moves: what its agent has of it, and its trainer.
  struct Newcomer {
    std::uint8_t state, epoch, content;
    std::uint8_t disk_state, disk_epoch, disk_content;
    std::uint8_t up, attached;
    std::uint8_t life, held, granted, done, in_step, waits, killed, second;
    bool operator==(const Newcomer&) const = default;
  };
  std::array<Newcomer, kNewcomers> newcomers;
  std::array<Letter, kInFlight> net;  // sorted, none first

  std::uint8_t stay, leave;                // how many
  std::array<std::uint8_t, kRanks> done;   // steps that a rank completed, whoever did
  std::array<std::uint8_t, 4> step_epoch;  // under which each step was completed
  std::uint8_t mixed, miscounted, early;
  std::uint8_t patient, until_frozen;
  std::uint8_t faults, patience, died, newcomer_died, journal_lost, forced, blind;

  bool operator==(const World&) const = default;
};
static_assert(std::has_unique_object_representations_v<World>);

/// Which part of a gang's way is searched; with all of it in one go a fault makes too many states.
enum class Stretch : std::uint8_t {
  whole,
  until_frozen,  ///< a step is agreed
  from_frozen,   ///< the same, and the ranks are on their way there
  from_ready,    ///< each rank has promised, and the conductor has yet to hear of it
};

/// What may happen, and what is looked for.
struct Options {
  std::size_t stay = 1;
  std::size_t leave = 1;
  Stretch stretch = Stretch::whole;
  std::span<const GangRule> gang_rules = kGangRules;
  std::span<const RankRule> rank_rules = kRankRules;
  std::span<const StayingRule> staying_rules = kStayingRules;
  std::span<const handover::TargetRule> target_rules = handover::kTargetRules;
  /// What an agent does; a test may spoil it.
  std::function<void(GangEffects&)> spoil_gang;
  std::function<void(RankEffects&)> spoil_rank;
  int faults = 1;
  std::size_t in_flight = 2;
  bool operator_acts = true;
  /// How often somebody loses patience with an agent that is there, or cannot do what it is asked.
  int impatience = 1;
  /// Nobody cancels, fails or loses patience: the job has to move.
  bool patient = false;
};

/// How one world became the next, to be told.
struct Step {
  enum class By : std::uint8_t {
    deliver,
    deliver_twice,
    lose,
    gang_event,
    gang_ticks,
    gang_ticks_newcomer,
    gang_recovers,
    gang_crashes,
    rank_event,
    rank_checked,
    rank_attached,
    rank_recovers,
    rank_crashes,
    trainer_begins,
    trainer_completes,
    trainer_dies,
    newcomer_event,
    newcomer_parks,
    newcomer_verified,
    newcomer_attached,
    newcomer_recovers,
    newcomer_recovers_without_journal,
    newcomer_crashes,
    newcomer_begins,
    newcomer_completes,
    newcomer_dies,
    state_arrives,
    state_arrives_wrong,
  };
  By by = By::deliver;
  std::uint8_t detail = 0;  ///< an event, by the one that has it
  std::uint8_t rank = 0;
  Letter letter{};
  /// 0: all acts were done; n: the agent crashed after n of them; kDiskFull: the journal refused.
  std::uint8_t cut = 0;
  bool fault = false;
  static constexpr std::uint8_t kDiskFull = 15;
};
[[nodiscard]] std::string to_string(const Step& step);

[[nodiscard]] World first_world(const Options& options);
using Nexts = cardswap::model::Nexts<World, Step>;
/// Every world that may come next.
void for_each_next(const World& world, const Options& options, Nexts& found);
/// Which invariant of docs/architecture.md is broken, or null.
[[nodiscard]] const char* broken_invariant(const World& world);
/// Moved, given up with all ranks training, or waiting for an operator.
[[nodiscard]] bool is_settled(const World& world);

}  // namespace cardswap::gang::model
