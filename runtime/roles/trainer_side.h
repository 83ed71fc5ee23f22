#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "migrator/wire/runtime_messages.h"
#include "runtime/roles/rules.h"

namespace cardswap {

/// A trainer in a handover: it obeys its agent, and decides nothing.
///
/// A value, like SourceSide and TargetSide: words in, orders out, no I/O, no threads. A word that
/// has no rule in a state (a late one, a second one, one of another migration) changes nothing and
/// asks for nothing. The caller carries the orders out, and tells this side the result.
class TrainerSide {
 public:
  explicit TrainerSide(std::span<const TrainerRule> rules = kTrainerRules) : rules_(rules) {}
  /// A side that has come to `state` with `migration`, holding what `root` is of.
  TrainerSide(TrainerState state, std::string migration, Arrival arrival,
              std::optional<Digest> root, std::span<const TrainerRule> rules = kTrainerRules)
      : rules_(rules),
        state_(state),
        migration_(std::move(migration)),
        arrival_(arrival),
        root_(root) {}

  [[nodiscard]] TrainerState state() const { return state_; }
  /// The migration that it is in; empty: none.
  [[nodiscard]] const std::string& migration() const { return migration_; }
  [[nodiscard]] Arrival arrival() const { return arrival_; }
  /// The digest of what both sides hold, or of what this standby holds.
  [[nodiscard]] const std::optional<Digest>& root() const { return root_; }

  /// Takes an agent's word. What is no word to a trainer is ignored.
  TrainerAction on(const channel::Message& message);
  /// Takes a word of an engine, of the training thread, or on what became of an action: in the
  /// present migration.
  TrainerAction on(TrainerEvent event);
  /// Takes such a word unless `migration` is not the present one: engines end a little late.
  TrainerAction on(TrainerEvent event, std::string_view migration);
  /// Takes digests_equal, state_verified or memory_arrived, with what they are of.
  TrainerAction verified(TrainerEvent event, std::string_view migration, const Digest& root);
  /// Notes that the agent welcomed this process as the standby of `migration`.
  TrainerAction stand_by(std::string migration);

 private:
  TrainerAction begin(const channel::BeginSync& begin);
  TrainerAction released(std::string_view migration);

  std::span<const TrainerRule> rules_;
  TrainerState state_ = TrainerState::training;
  std::string migration_;
  Arrival arrival_ = Arrival::standby;
  std::optional<Digest> root_;
};

}  // namespace cardswap
