#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "migrator/wire/runtime_messages.h"
#include "runtime/roles/rules.h"

namespace cardswap {

/// The state of a trainer in a handover. A trainer obeys its agent and decides nothing.
///
/// A value, like SourceSide and TargetSide: events in, actions out, no I/O, no threads. An event
/// that has no rule in the present state (a late one, a second one, one of another migration)
/// changes nothing and returns TrainerAction::none. The caller takes the action and tells this side
/// the result.
class TrainerSide {
 public:
  explicit TrainerSide(std::span<const TrainerRule> rules = kTrainerRules) : rules_(rules) {}
  /// A side in `state`, in `migration`, that holds the state with the digest `state_digest`. For
  /// tests.
  TrainerSide(TrainerState state, std::string migration, ArrivalMode arrival,
              std::optional<Digest> state_digest,
              std::span<const TrainerRule> rules = kTrainerRules)
      : rules_(rules),
        state_(state),
        migration_(std::move(migration)),
        arrival_(arrival),
        state_digest_(state_digest) {}

  [[nodiscard]] TrainerState state() const { return state_; }
  /// The migration under way; empty: none.
  [[nodiscard]] const std::string& migration() const { return migration_; }
  [[nodiscard]] ArrivalMode arrival() const { return arrival_; }
  /// The digest of the state that both sides hold, or that this standby holds. Nullopt: not
  /// verified.
  [[nodiscard]] const std::optional<Digest>& state_digest() const { return state_digest_; }

  /// Takes a message of the agent. A message that is not for a trainer is ignored.
  TrainerAction on(const channel::Message& message);
  /// Takes an event of an engine, of the training thread, or the result of an action, in the
  /// present migration.
  TrainerAction on(TrainerEvent event);
  /// Takes such an event; ignores it if `migration` is not the present one, because an engine may
  /// send events until it is destroyed.
  TrainerAction on(TrainerEvent event, std::string_view migration);
  /// Takes digests_equal, state_verified or memory_arrived. `state_digest` is the digest of the
  /// whole state.
  TrainerAction verified(TrainerEvent event, std::string_view migration,
                         const Digest& state_digest);
  /// Takes stands_by: the agent welcomed this process as the standby of `migration`.
  TrainerAction stand_by(std::string migration);

 private:
  TrainerAction begin(const channel::BeginSync& begin);
  TrainerAction released(std::string_view migration);

  std::span<const TrainerRule> rules_;
  TrainerState state_ = TrainerState::training;
  std::string migration_;
  ArrivalMode arrival_ = ArrivalMode::standby;
  std::optional<Digest> state_digest_;
};

}  // namespace cardswap
