#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/gang/protocol/gang_rules.h"
#include "agent/gang/protocol/rank_rules.h"
#include "agent/handover/protocol/protocol.h"

/// What a gang's conductor and the agents of its ranks say to each other and ask of their agents.
/// Pure, as the handover's protocol is. To the agents of newcomers a conductor speaks the
/// handover's own words: to a TargetSide it is the source.
namespace cardswap::gang {

using handover::Content;
using handover::Epoch;

/// What a conductor has the agent of a rank do. Any of them may come late, twice or never.
struct Order {
  /// What is ordered.
  enum class Kind : std::uint8_t {
    wait,     ///< nothing new: tell your state
    join,     ///< build the next communicator, or begin to send
    propose,  ///< stand at `step`
    freeze,   ///< `step` is agreed
    go,       ///< with the next communicator, under the next epoch
    finish,   ///< let the old communicator go
    retire,   ///< the rank is elsewhere
    release,  ///< go on as before, under `own_epoch`
  };
  Kind kind = Kind::wait;
  Epoch epoch = 0;      ///< of the gang; what is of another one is of another gang
  Epoch own_epoch = 0;  ///< what the job goes on under where it is released
  std::uint64_t step = 0;
  bool operator==(const Order&) const = default;
};
constexpr Order::Kind last_of(Order::Kind) { return Order::Kind::release; }

/// What the agent of a rank says of it.
struct RankStatus {
  Epoch epoch = 0;
  RankState state = RankState::training;
  /// The one that it is armed for, or stands at; until then the first at which it still could.
  std::uint64_t step = 0;
  Content content{};  ///< of one that leaves, from `ready` on
  bool asks = false;  ///< for an answer: its conductor has been silent
  bool operator==(const RankStatus&) const = default;
};

/// What a conductor asks of its agent.
struct GangEffect {
  /// What is to be done.
  enum class Type : std::uint8_t {
    journal,         ///< the conductor's record, on disk
    order,           ///< `order` to the agent of `rank`, or of all ranks that it is for
    tell,            ///< `word` to the agent of the newcomer of `rank`, or of each
    alert_operator,  ///< an operator has to know
  };
  Type type = Type::journal;
  bool required = true;  ///< journal: if the disk refuses, nothing of the event has happened
  Order::Kind order = Order::Kind::wait;
  handover::Message::Kind word = handover::Message::Kind::poll;
  std::optional<std::uint32_t> rank{};  ///< none: everybody
};

/// What the agent of a rank has to do.
struct RankEffect {
  /// What is to be done.
  enum class Type : std::uint8_t {
    journal,      ///< the rank's record, on disk
    report,       ///< its status, to the conductor's agent; may be lost
    ask,          ///< the same, for an answer
    build,        ///< to the trainer: the next communicator, or a transfer's begin
    arm,          ///< to the trainer: stand at `step`; answered by gate_set or gate_passed
    check,        ///< to the trainer, which stands: the next communicator, or the rest and digests
    switch_over,  ///< to the trainer: goes on with the next communicator under `epoch`
    close,        ///< to the trainer: the old communicator is let go
    retire,       ///< to the trainer: its rank is elsewhere
    release,      ///< to the trainer: goes on with what it has, under `epoch`
  };
  Type type = Type::journal;
  bool required = true;  ///< journal: if the disk refuses, nothing of the event has happened
  Epoch epoch = 0;
  std::uint64_t step = 0;
};

/// The effects of one event, in their order.
template <class Effect>
class EffectList {
 public:
  void add(const Effect& effect) {
    effects_.at(size_) = effect;
    ++size_;
  }
  void append(const EffectList& more) {
    for (const auto& effect : more) add(effect);
  }
  [[nodiscard]] const Effect* begin() const { return effects_.data(); }
  [[nodiscard]] const Effect* end() const { return effects_.data() + size_; }
  [[nodiscard]] Effect* begin() { return effects_.data(); }
  [[nodiscard]] Effect* end() { return effects_.data() + size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::array<Effect, 6> effects_{};
  std::size_t size_ = 0;
};
using GangEffects = EffectList<GangEffect>;
using RankEffects = EffectList<RankEffect>;

}  // namespace cardswap::gang
