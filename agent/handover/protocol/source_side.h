#pragma once

#include <optional>
#include <span>

#include "agent/handover/protocol/protocol.h"
#include "agent/handover/protocol/source_rules.h"

namespace cardswap::handover {

/// What the journal holds of a migration on its source.
struct SourceRecord {
  State state = State::planned;
  Epoch epoch = 0;      ///< the epoch that the target is granted
  Epoch own_epoch = 0;  ///< under which the source's trainer steps, when it may
  Content content{};    ///< what was committed or captured; from there on
  /// Whether it was taken back by the operator's word, and the target must still say that nothing
  /// steps there.
  bool notice_pending = false;
  /// Whether its target only keeps the state, for a store: nothing is ever granted.
  bool to_store = false;
  bool operator==(const SourceRecord&) const = default;
};

/// How far above the granted epoch the operator's word lifts a job: what its copy may have reached
/// meanwhile, by restarts and moves that nobody here heard of, stays below it.
inline constexpr Epoch kForcedLead = 100;

/// What the side has heard and forgets when it restarts.
struct SourceSeen {
  std::optional<Content> ours;    ///< the trainer's word for what both sides hold
  std::optional<Content> theirs;  ///< the target's agent's word for the same
  bool operator==(const SourceSeen&) const = default;
};

/// The source's agent in a handover: it coordinates and owns the decision.
///
/// A value: `record()` is what belongs on disk, `seen()` is forgotten by a restart. An agent works
/// on a copy and keeps it once every required journal act has succeeded. Events that have no rule
/// in a state (late ones, second ones) change nothing and ask for nothing.
class SourceSide {
 public:
  explicit SourceSide(const SourceRecord& record, const SourceSeen& seen = {},
                      std::span<const Rule> rules = kSourceRules)
      : rules_(rules), record_(record), seen_(seen) {}

  [[nodiscard]] const SourceRecord& record() const { return record_; }
  [[nodiscard]] const SourceSeen& seen() const { return seen_; }
  [[nodiscard]] State state() const { return record_.state; }

  /// Takes an event of the walk, a failure, silence or the operator's word.
  Effects on(Event event);
  Effects on(const Message& message);
  /// Takes the trainer's word: both sides' engines compared their digests.
  Effects verified(const Content& content);
  /// What to do for a runtime that still holds on to this migration and came (back) to a restarted
  /// agent.
  [[nodiscard]] Effects attached() const;
  /// What is worth saying again: time has passed without news.
  [[nodiscard]] Effects tick() const;
  /// What is worth asking when the target has answered already.
  [[nodiscard]] Effects poll() const;
  /// What to do for a side that was made from a record that a former agent left.
  Effects recover();

  [[nodiscard]] Decision decision() const;

 private:
  Effects compare();
  Effects stored(const Content& content);
  Effects after_the_end(const Message& message);
  [[nodiscard]] Message message(Message::Kind kind) const;

  std::span<const Rule> rules_;
  SourceRecord record_;
  SourceSeen seen_;
};

}  // namespace cardswap::handover
