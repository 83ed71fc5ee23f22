#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "agent/gang/protocol/gang_rules.h"
#include "agent/gang/protocol/rank_rules.h"
#include "agent/handover/protocol/effect_list.h"
#include "agent/handover/protocol/protocol.h"

/// The messages between a gang's conductor and the agents of the job's ranks, and the effects that
/// either asks of its agent. Pure, like the handover's protocol. To the agent of a newcomer the
/// conductor sends the handover's own messages: to a TargetSide the conductor is the source
/// (docs/decisions/027-one-decision-moves-a-gang.md).
namespace cardswap::gang {

using handover::Content;
using handover::Epoch;

/// A message of the conductor to the agent of a rank. It may come late, twice or never. Each is
/// answered with a RankStatus.
struct Order {
  /// The kinds of orders.
  enum class Kind : std::uint8_t {
    wait,     ///< nothing new: report your state
    join,     ///< build the next communicator, or begin to send the state
    propose,  ///< park at `step`
    freeze,   ///< `step` is agreed: freeze there
    go,       ///< go on with the next communicator, under the next epoch
    finish,   ///< close the old communicator
    retire,   ///< the rank is elsewhere now
    release,  ///< go on as before, under `own_epoch`
  };
  Kind kind = Kind::wait;
  Epoch epoch = 0;         ///< the gang's; a message under another epoch is of another gang
  Epoch own_epoch = 0;     ///< the epoch under which a released rank goes on
  std::uint64_t step = 0;  ///< the step that is proposed or agreed
  bool operator==(const Order&) const = default;
};
constexpr Order::Kind last_of(Order::Kind) { return Order::Kind::release; }
[[nodiscard]] std::string_view to_string(Order::Kind kind);

/// The report of a rank's agent.
struct RankStatus {
  Epoch epoch = 0;  ///< the gang's
  RankState state = RankState::training;
  /// The step that the rank is armed for or parked at; before that, the first one at which its gate
  /// could still park it.
  std::uint64_t step = 0;
  Content content{};  ///< what a rank that leaves holds; set from `ready` on
  bool operator==(const RankStatus&) const = default;
};

/// Something that the conductor asks its agent to do.
struct GangEffect {
  /// The kinds of effects.
  enum class Type : std::uint8_t {
    journal,         ///< write the conductor's record to disk
    order,           ///< send `order` to the agent of `rank`, or of each rank that it is for
    tell,            ///< send `message` to the agent of the newcomer of `rank`, or of each newcomer
    alert_operator,  ///< tell an operator
  };
  Type type = Type::journal;
  bool required = true;  ///< journal: if the disk refuses, the event has not happened
  Order::Kind order = Order::Kind::wait;
  handover::Message::Kind message = handover::Message::Kind::poll;
  std::optional<std::uint32_t> rank{};  ///< nullopt: everybody that it is for
};

/// Something that a rank asks its agent to do.
struct RankEffect {
  /// The kinds of effects.
  enum class Type : std::uint8_t {
    journal,      ///< write the rank's record to disk
    report,       ///< send the rank's status to the conductor's agent; it may be lost
    ask,          ///< ask the conductor's agent for its decision; the answer is an order
    build,        ///< the trainer builds the next communicator, or begins to send its state
    arm,          ///< the trainer's gate is to park it at `step`; gate_set or gate_passed follows
    check,        ///< the frozen trainer checks the next communicator, or sends the rest
    switch_over,  ///< the trainer goes on with the next communicator, under `epoch`
    close,        ///< the trainer closes the old communicator
    retire,       ///< the trainer ends: its rank is elsewhere
    release,      ///< the trainer goes on with the communicator that it has, under `epoch`
  };
  Type type = Type::journal;
  bool required = true;  ///< journal: if the disk refuses, the event has not happened
  Epoch epoch = 0;
  std::uint64_t step = 0;
};

/// The effects of one event of a gang.
template <class Effect>
using EffectList = handover::EffectList<Effect, 6>;
using GangEffects = EffectList<GangEffect>;
using RankEffects = EffectList<RankEffect>;

}  // namespace cardswap::gang
