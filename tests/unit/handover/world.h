#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <type_traits>

#include "agent/handover/protocol/source_side.h"
#include "agent/handover/protocol/target_side.h"
#include "runtime/roles/trainer_side.h"
#include "tests/support/model/big_table.h"

/// A small world around the three real sides: channels, disks, a network, faults and an operator.
/// Its agents are SourceSide and TargetSide themselves, its trainers two TrainerSides.
namespace cardswap::handover::model {

inline constexpr Epoch kBase = 1;     ///< the source's trainer steps under it
inline constexpr Epoch kGranted = 2;  ///< what this migration grants
inline constexpr Epoch kReclaimed = kGranted + 1;
inline constexpr Epoch kTaken = kGranted + kForcedLead;  ///< by the operator's word
inline constexpr std::size_t kInFlight = 2;

/// None, or a step from 0 to 3 with the right bytes (1..4) or wrong ones (5..8).
using Held = std::uint8_t;
[[nodiscard]] Content content_of(Held held);
[[nodiscard]] Held held_of(const Content& content);

/// Of a trainer's process; what it may do is its TrainerState's.
enum class Life : std::uint8_t {
  none,
  starting,
  alive,
  left,    ///< its job moved, and it ended by itself
  halted,  ///< stopped by its agent: it hears and does nothing
  dead,
};

/// What an agent says to a trainer, in order.
enum class Word : std::uint8_t {
  none,
  begin_sync,
  freeze,
  release_base,
  release_reclaimed,
  release_taken,
  retire,
  grant,
  grant_of_another_state,
  resume,
};
using Words = std::array<std::uint8_t, 3>;

/// One state of everything. Bytes only, so that equal worlds are equal bytes.
struct World {
  struct Source {
    std::uint8_t state, own, content, open;                      // in memory
    std::uint8_t disk_state, disk_own, disk_content, disk_open;  // in the journal
    std::uint8_t ours, theirs;
    std::uint8_t up, attached;
    std::uint8_t life, trainer, step, epoch, was_frozen;  // its trainer
    std::uint8_t copied;    // the step at which its state was copied, plus 1; 0: it was not
    std::uint8_t compared;  // what was copied is what the target has
    Words words;
    bool operator==(const Source&) const = default;
  } source;
  struct Target {
    std::uint8_t state, epoch, content, open;
    std::uint8_t disk_state, disk_epoch, disk_content, disk_open;
    std::uint8_t up, attached;
    std::uint8_t life, trainer, held, steps, killed, second;  // its standby
    Words words;
    bool operator==(const Target&) const = default;
  } target;
  std::array<std::uint8_t, kInFlight> net;  // sorted codes, zeros first
  std::uint8_t done;                        // steps completed for good
  std::uint8_t released;                    // the highest epoch that was let step
  std::uint8_t forced;
  std::uint8_t blind;   // forced while the other side's process lived
  std::uint8_t faults;  // still allowed
  std::uint8_t source_died, target_died, words_lost;

  bool operator==(const World&) const = default;
};
static_assert(std::has_unique_object_representations_v<World>);

/// What may happen, and what is looked for.
struct Options {
  std::span<const SourceRule> source_rules = kSourceRules;
  std::span<const TargetRule> target_rules = kTargetRules;
  std::span<const TrainerRule> trainer_rules = kTrainerRules;
  /// The order in which an agent acts; a test may spoil it.
  std::function<void(Effects&)> reorder;
  int faults = 2;
  bool operator_acts = true;
  /// Whether the migration is a snapshot: the target is a keeper, which stores what it holds.
  bool to_store = false;
  /// Whether the source's engine copies what its trainer is, and lets it go on: as for a snapshot.
  bool copies = false;
  /// A runtime whose job moved lets its program take no step, whatever that does with the answer.
  bool runtime_holds = true;
};

/// How one world became the next, to be told.
struct Step {
  enum class By : std::uint8_t {
    deliver,
    deliver_twice,
    lose,
    source_event,
    source_tick,
    source_attached,
    source_verified,
    source_recovers,
    target_event,
    target_verified,
    target_attached,
    target_tells,
    target_recovers,
    target_recovers_without_journal,
    source_trainer_word,
    source_trainer_is_frozen,
    source_trainer_is_put_off,
    source_trainer_is_copied,
    source_trainer_is_frozen_anew,
    both_rehearse,
    source_trainer_rehearsed,
    standby_rehearsed,
    source_trainer_steps,
    source_trainer_dies,
    source_trainer_stays,
    target_trainer_word,
    target_trainer_steps,
    target_trainer_dies,
    standby_parks,
    state_arrives,
    state_arrives_wrong,
    source_crashes,
    target_crashes,
    operator_stops_source,
    operator_stops_target,
  };
  By by = By::deliver;
  std::uint8_t detail = 0;  ///< a message's code, a SourceEvent, a TargetEvent or a Word
  /// 0: all acts were done; n: the agent crashed after n of them; kDiskFull: the journal refused.
  std::uint8_t cut = 0;
  bool fault = false;
  static constexpr std::uint8_t kDiskFull = 15;
};
[[nodiscard]] std::string to_string(const Step& step);

[[nodiscard]] World first_world(const Options& options);
using Nexts = cardswap::model::Nexts<World, Step>;
/// Adds every world that may come next.
void for_each_next(const World& world, const Options& options, Nexts& found);
/// Which invariant of docs/architecture.md is broken, or empty.
[[nodiscard]] const char* broken_invariant(const World& world);
/// Done, given up with the source training, or waiting for an operator.
[[nodiscard]] bool is_settled(const World& world);

}  // namespace cardswap::handover::model
