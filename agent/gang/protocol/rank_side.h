#pragma once

#include <span>

#include "agent/gang/protocol/gang_protocol.h"

namespace cardswap::gang {

/// The part of a rank's record that its protocol owns.
struct RankDurable {
  RankState state = RankState::training;
  Part part = Part::stays;
  Epoch epoch = 0;         ///< the epoch that the gang leads to
  Epoch own_epoch = 0;     ///< the epoch under which a released rank goes on
  std::uint64_t step = 0;  ///< as in RankStatus
  Content content{};       ///< what a rank that leaves holds; set from `ready` on
  bool operator==(const RankDurable&) const = default;
};

/// The agent of a rank in a gang: it obeys the conductor, and after its promise it never guesses.
///
/// A value, like SourceSide and TargetSide: `durable()` belongs on disk. An agent changes a copy
/// and keeps it once every required journal effect has succeeded (drive()). An event without a rule
/// in the current state (a late or repeated one, an order for the other part) changes nothing.
class RankSide {
 public:
  explicit RankSide(const RankDurable& record, std::span<const RankRule> rules = kRankRules)
      : rules_(rules), record_(record) {}

  [[nodiscard]] const RankDurable& durable() const { return record_; }
  [[nodiscard]] RankState state() const { return record_.state; }

  /// Handles an order. It is answered with the state that it led to, also if it changed nothing;
  /// an order under another epoch is ignored.
  RankEffects on(const Order& order);
  /// Handles a report of the trainer, silence or a restart. `step`: with prepared and gate_passed
  /// the first step at which the gate could park the trainer; with gate_set and reached the one
  /// that the gate is set to.
  RankEffects on(RankEvent event, std::uint64_t step = 0);
  /// Handles the trainer's report that its check found no difference; `content` is what a rank that
  /// leaves holds.
  RankEffects checked(const Content& content);
  /// The effects for a runtime that attaches while it still takes part in this gang: it is told
  /// again what the agent wants of it.
  [[nodiscard]] RankEffects attached() const;
  /// Goes on from a record that a former agent left; call it once, before any other event.
  RankEffects after_restart() { return on(RankEvent::restarted); }

  /// This side's state as a message.
  [[nodiscard]] RankStatus status() const;

 private:
  RankEffects apply(RankEvent event, std::uint64_t step);
  RankEffects act_on(const Order& order);

  std::span<const RankRule> rules_;
  RankDurable record_;
};

}  // namespace cardswap::gang
