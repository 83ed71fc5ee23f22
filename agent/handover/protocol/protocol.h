#pragma once

#include <array>
#include <cstdint>

#include "agent/handover/protocol/target_rules.h"
#include "migrator/core/digest.h"

/// What the two sides of a handover say to each other and ask of their agents. Pure: events in,
/// effects out, no I/O, no clocks. A Driver executes them in order and stops at the first that
/// fails; what the journal has not got has not happened.
namespace cardswap::handover {

using Epoch = std::uint64_t;

/// What a grant is for: the digest of every tracked byte, at a step.
struct Content {
  Digest root;
  std::uint64_t step = 0;
  bool operator==(const Content&) const = default;
};

/// What the source has decided.
enum class Decision : std::uint8_t { pending, committed, aborted };

/// A message of one migration. Its id is the envelope's; the epoch tells what is old.
struct Message {
  /// What is said, and who says it.
  enum class Kind : std::uint8_t {
    reserve,   ///< source to target: hold a place
    poll,      ///< source to target: tell your state
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

/// What one side asks of its agent.
struct Effect {
  /// What is to be done.
  enum class Type : std::uint8_t {
    journal,         ///< the side's record, on disk
    send,            ///< `message`, to the other side; may be lost
    begin_sync,      ///< to the source's trainer
    freeze,          ///< to the source's trainer
    release,         ///< to the source's trainer: goes on under `epoch`
    retire,          ///< to the source's trainer: the job is elsewhere now
    start_standby,   ///< on the target
    kill_standby,    ///< on the target; `standby_ended` follows once it is gone
    grant,           ///< to the standby: goes on under `epoch`
    resume,          ///< to the standby: past its first step
    alert_operator,  ///< an operator has to know
    halt_trainer,    ///< to this side's trainer: stands for good; a copy steps under `epoch`
    end_trainer,     ///< of the source: its process, which does not leave
  };
  Type type = Type::journal;
  bool required = true;  ///< journal: if the disk refuses, nothing of the event has happened
  Epoch epoch = 0;
  Message message{};
};

/// The effects of one event, in their order.
class Effects {
 public:
  void add(const Effect& effect) {
    effects_.at(size_) = effect;
    ++size_;
  }
  void add(Effect::Type type, Epoch epoch = 0) { add(Effect{type, true, epoch, {}}); }
  void send(const Message& message) { add(Effect{Effect::Type::send, true, 0, message}); }
  void append(const Effects& more) {
    for (const auto& effect : more) add(effect);
  }
  [[nodiscard]] const Effect* begin() const { return effects_.data(); }
  [[nodiscard]] const Effect* end() const { return effects_.data() + size_; }
  [[nodiscard]] Effect* begin() { return effects_.data(); }
  [[nodiscard]] Effect* end() { return effects_.data() + size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::array<Effect, 8> effects_{};
  std::size_t size_ = 0;
};

}  // namespace cardswap::handover
