#pragma once

#include <span>

#include "agent/handover/protocol/protocol.h"

namespace cardswap::handover {

/// The part of a reservation's record that the target's protocol owns.
struct TargetDurable {
  TargetState state = TargetState::nothing;
  Epoch epoch = 0;    ///< the epoch that the source would grant; the standby's once granted
  Content content{};  ///< what the standby holds; set from `verified` on
  /// Whether an operator gave the job to this target, and its source does not know it yet.
  bool notice_pending = false;
  /// Whether it is a snapshot: a keeper holds the state here, and is never granted the job.
  bool to_store = false;
  bool operator==(const TargetDurable&) const = default;
};

/// The target's agent in a handover: it follows the source's decision and never guesses it.
///
/// A value, like SourceSide. Its state `failed` proves to the source that no process steps here.
class TargetSide {
 public:
  explicit TargetSide(const TargetDurable& record, std::span<const TargetRule> rules = kTargetRules)
      : rules_(rules), durable_(record) {}

  [[nodiscard]] const TargetDurable& durable() const { return durable_; }
  [[nodiscard]] TargetState state() const { return durable_.state; }

  /// Handles an event of the standby's life, silence or an operator's decision.
  Effects on(TargetEvent event);
  /// Handles a message of the source. Every message except a decision is answered with the state.
  Effects on(const Message& message);
  /// Handles the standby's report that it holds the whole state.
  Effects verified(const Content& content);
  /// Goes on from a record that a former agent left; call it once, before any other event.
  Effects after_restart() { return on(TargetEvent::restarted); }
  /// The effects of time passing: the source is told again of an operator's decision, while it does
  /// not know it.
  [[nodiscard]] Effects tick() const;

  /// This side's state as a message.
  [[nodiscard]] Message status() const;

 private:
  [[nodiscard]] bool may_be(TargetEvent event) const;
  Effects granted(const Message& message);
  Effects dropped(Epoch epoch);
  Effects on_source_contact();

  std::span<const TargetRule> rules_;
  TargetDurable durable_;
};

}  // namespace cardswap::handover
