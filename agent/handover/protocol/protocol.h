#pragma once

#include <cstddef>
#include <cstdint>

#include "agent/handover/protocol/effect_list.h"
#include "agent/handover/protocol/target_rules.h"
#include "migrator/core/digest.h"

/// The messages between the two sides of a handover, and the effects that a side asks of its agent.
/// Pure: events in, effects out, no I/O, no clocks. A Driver executes the effects in order. If
/// the disk refuses a required record, it does none of them: such an event has not happened.
namespace cardswap::handover {

using Epoch = std::uint64_t;

/// The state that a grant is for: the digest of every tracked byte, at a step.
struct Content {
  Digest state_digest;
  std::uint64_t step = 0;
  bool operator==(const Content&) const = default;
};

/// The source's decision; `pending` until it is made.
enum class Decision : std::uint8_t { pending, committed, aborted };

/// A message of one migration. The transport knows which migration; the epoch shows whether the
/// message is outdated.
struct Message {
  /// The kinds of messages, and who sends them.
  enum class Kind : std::uint8_t {
    reserve,   ///< source to target: make a reservation
    poll,      ///< source to target: report your state
    grant,     ///< source to target: the job is yours, if you hold `content`
    drop,      ///< source to target: given up; under a higher epoch: the job goes on here under it
    decision,  ///< source to target: the answer to `ask`
    status,    ///< target to source: `state`, and `content` from `verified` on
    ask,       ///< target to source: what was decided?
  };
  Kind kind = Kind::poll;
  Epoch epoch = 0;
  Content content{};
  Decision decision = Decision::pending;
  TargetState state = TargetState::nothing;
  bool operator==(const Message&) const = default;
};
constexpr Message::Kind last_of(Message::Kind) { return Message::Kind::ask; }
inline constexpr std::size_t kMessageKinds = kCountOf<Message::Kind>;

/// Something that a side asks its agent to do.
struct Effect {
  /// The kinds of effects.
  enum class Type : std::uint8_t {
    journal,     ///< write the side's record to disk
    send,        ///< send `message` to the other side; it may be lost
    begin_sync,  ///< the source's trainer begins to send its state
    freeze,      ///< the source's trainer stops at its next step boundary
    release,     ///< the source's trainer goes on, under `epoch`
    retire,      ///< the source's trainer ends: the job is at the target now
    /// The target starts the standby. Reservations::reserve() does it, because it takes a while.
    start_standby,
    kill_standby,    ///< the target kills the standby; `standby_ended` follows once it is gone
    grant,           ///< the standby owns the job, under `epoch`, and takes its first step
    let_on,          ///< the standby goes on past its first step
    alert_operator,  ///< tell an operator
    halt_trainer,    ///< this side's trainer is halted for good: another copy steps under `epoch`
    end_trainer,     ///< end the source's process, which did not end by itself after `retire`
  };
  Type type = Type::journal;
  bool required = true;  ///< journal: if the disk refuses, the event has not happened
  Epoch epoch = 0;
  Message message{};
};

/// The effects of one event of a handover.
class Effects : public EffectList<Effect, 8> {
 public:
  using EffectList<Effect, 8>::add;
  void add(Effect::Type type, Epoch epoch = 0) { add(Effect{type, true, epoch, {}}); }
  void send(const Message& message) { add(Effect{Effect::Type::send, true, 0, message}); }
};

}  // namespace cardswap::handover
