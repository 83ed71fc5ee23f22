#pragma once

#include <optional>
#include <span>

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/protocol/source_rules.h"

namespace cardswap::handover {

/// The part of a migration's record that the source's protocol owns.
struct SourceDurable {
  SourceState state = SourceState::planned;
  Epoch epoch = 0;      ///< the epoch that the target is granted
  Epoch own_epoch = 0;  ///< the epoch under which the source's trainer steps, when it may
  Content content{};    ///< the content that was committed or captured; set from then on
  /// Whether an operator took the job back, and the target has not yet confirmed that no process
  /// steps there.
  bool notice_pending = false;
  /// Whether it is a snapshot: the target only keeps the state, and nothing is ever granted.
  bool to_store = false;
  bool operator==(const SourceDurable&) const = default;
};

/// How far above the granted epoch an operator's decision raises a job's epoch. The target's copy
/// may have raised its own meanwhile, by restarts and moves unknown here: it stays below.
inline constexpr Epoch kForcedLead = 100;

/// The reports that the side has received; forgotten at a restart.
struct SourceSeen {
  std::optional<Content> ours;    ///< what both sides hold, as this side's trainer reports
  std::optional<Content> theirs;  ///< the same as the target's agent reports
  bool operator==(const SourceSeen&) const = default;
};

/// The source's agent in a handover: it coordinates and owns the decision.
///
/// A value: `record()` belongs on disk, `seen()` is forgotten by a restart. An agent changes a copy
/// and keeps it once every required journal effect has succeeded (Driver). An event without a rule
/// in the current state (a late or repeated one) changes nothing and returns no effects.
class SourceSide {
 public:
  explicit SourceSide(const SourceDurable& record, const SourceSeen& seen = {},
                      std::span<const SourceRule> rules = kSourceRules)
      : rules_(rules), durable_(record), seen_(seen) {}

  [[nodiscard]] const SourceDurable& durable() const { return durable_; }
  [[nodiscard]] const SourceSeen& seen() const { return seen_; }
  [[nodiscard]] SourceState state() const { return durable_.state; }

  /// Handles an event: a step of the migration, a failure, silence or an operator's decision.
  Effects on(SourceEvent event);
  /// Handles a message of the target. A message under another epoch is ignored.
  Effects on(const Message& message);
  /// Handles the trainer's report that both sides' engines hold `content`.
  Effects verified(const Content& content);
  /// The effects for a runtime that attaches while it still takes part in this migration: it is
  /// told again how the migration ended.
  [[nodiscard]] Effects attached() const;
  /// The effects of time passing without an answer: the message that fits the state is sent again.
  [[nodiscard]] Effects tick() const;
  /// The effects that ask the target for its state.
  [[nodiscard]] Effects poll() const;
  /// Goes on from a record that a former agent left; call it once, before any other event.
  Effects after_restart();

  /// What the source has decided so far. `superseded` counts as committed.
  [[nodiscard]] Decision decision() const;

 private:
  Effects compare();
  Effects stored(const Content& content);
  Effects after_the_end(const Message& message);
  [[nodiscard]] Message message(Message::Kind kind) const;

  std::span<const SourceRule> rules_;
  SourceDurable durable_;
  SourceSeen seen_;
};

}  // namespace cardswap::handover
