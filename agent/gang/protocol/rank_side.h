#pragma once

#include <span>

#include "agent/gang/protocol/gang_protocol.h"

namespace cardswap::gang {

/// What the journal holds of a rank in a gang, at the rank's agent.
struct RankRecord {
  RankState state = RankState::training;
  Part part = Part::stays;
  Epoch epoch = 0;         ///< the gang's: what the job has when it is done
  Epoch own_epoch = 0;     ///< under which this rank goes on where it is released
  std::uint64_t step = 0;  ///< as RankStatus has it
  Content content{};       ///< of one that leaves, from `ready` on
  bool operator==(const RankRecord&) const = default;
};

/// The agent of a rank in a gang: it takes part, and behind its promise it never guesses.
///
/// A value, like SourceSide and TargetSide: an agent works on a copy and keeps it once every
/// required journal act has succeeded. Events that have no rule in a state (late ones, second ones,
/// orders for the other part) change nothing.
class RankSide {
 public:
  explicit RankSide(const RankRecord& record, std::span<const RankRule> rules = kRankRules)
      : rules_(rules), record_(record) {}

  [[nodiscard]] const RankRecord& record() const { return record_; }
  [[nodiscard]] RankState state() const { return record_.state; }

  /// Takes an order; each is answered with the state that it led to.
  RankEffects on(const Order& order);
  /// Takes a word of the trainer, silence or a restart. `step` comes with prepared and gate_passed
  /// (the first at which the gate could stand), gate_set and reached (the one that it is set to).
  RankEffects on(RankEvent event, std::uint64_t step = 0);
  /// Takes the trainer's word that its check found nothing wrong, with what one that leaves holds.
  RankEffects checked(const Content& content);
  /// What to say to a trainer that still holds on to this gang and came (back) to a restarted
  /// agent.
  [[nodiscard]] RankEffects attached() const;
  /// What to do for a side that was made from a record that a former agent left.
  RankEffects recover() { return on(RankEvent::restarted); }

  [[nodiscard]] RankStatus status() const;

 private:
  RankEffects apply(RankEvent event, std::uint64_t step);
  RankEffects act_on(const Order& order);

  std::span<const RankRule> rules_;
  RankRecord record_;
};

}  // namespace cardswap::gang
