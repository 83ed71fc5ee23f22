#pragma once

#include <span>

#include "agent/handover/protocol/protocol.h"

namespace cardswap::handover {

/// What the journal holds of a migration on its target.
struct TargetRecord {
  TargetState state = TargetState::nothing;
  Epoch epoch = 0;    ///< of this migration; the standby's once granted
  Content content{};  ///< what the standby holds; from `verified` on
  /// Whether it was granted by the operator's word, and its source must still hear of it.
  bool notice_pending = false;
  /// Whether a keeper holds the state here, for a store: it is never granted the job.
  bool to_store = false;
  bool operator==(const TargetRecord&) const = default;
};

/// The target's agent in a handover: it takes part, and never guesses the decision.
///
/// A value, like SourceSide. `failed` is its proof to the source that nothing steps here.
class TargetSide {
 public:
  explicit TargetSide(const TargetRecord& record, std::span<const TargetRule> rules = kTargetRules)
      : rules_(rules), record_(record) {}

  [[nodiscard]] const TargetRecord& record() const { return record_; }
  [[nodiscard]] TargetState state() const { return record_.state; }

  /// Takes an event of the standby's life, silence or the operator's word.
  Effects on(TargetEvent event);
  /// Takes a message. Every message but a decision is answered with the state.
  Effects on(const Message& message);
  /// Notes that the standby holds the whole state.
  Effects verified(const Content& content);
  /// What to do for a side that was made from a record that a former agent left.
  Effects recover() { return on(TargetEvent::restarted); }
  /// What is worth saying again: time has passed without news.
  [[nodiscard]] Effects tick() const;

  [[nodiscard]] Message status() const;

 private:
  [[nodiscard]] bool may_be(TargetEvent event) const;
  Effects granted(const Message& message);
  Effects dropped(Epoch epoch);
  Effects on_source_contact();

  std::span<const TargetRule> rules_;
  TargetRecord record_;
};

}  // namespace cardswap::handover
