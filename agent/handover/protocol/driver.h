#pragma once

#include <optional>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap::handover {

/// The other side's agent. A message to it may be lost; its answer comes later, as an event.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void send(const Message& message) = 0;
};

/// What a side acts on besides its peer: its journal and its trainer. No call blocks longer than a
/// write to the journal.
template <class Side>
class Executor {
 public:
  virtual ~Executor() = default;
  /// Writes `next` to the journal. Returns the error if the disk refuses. Where it is not
  /// `required`, the executor logs it; where it is, Driver::apply() returns it.
  virtual std::optional<Error> journal(const Side& next, bool required) = 0;
  /// Does any effect except `journal` and `send`. `next` is the side after the event. A failure is
  /// logged by the executor and does not stop later effects.
  virtual void execute(const Effect& effect, const Side& next) noexcept = 0;
};

/// The only way in which a side of a handover changes: it does the effects in their order, with the
/// journal first. Agents run it on their journal, trainers and HTTP; the model check runs it on a
/// small simulated world.
template <class Side>
class Driver {
 public:
  Driver(Side& side, Executor<Side>& executor, Peer& peer)
      : side_(side), executor_(executor), peer_(peer) {}

  /// Replaces the side by `next` and does `effects`. Returns the disk's error where a required
  /// record is refused: then nothing has happened. An effect may change the same side again: that
  /// change is kept.
  std::optional<Error> apply(const Side& next, const Effects& effects) {
    bool kept = false;
    const auto keep = [&] {
      if (!kept) side_ = next;
      kept = true;
    };
    for (const auto& effect : effects) {
      if (effect.type == Effect::Type::journal) {
        if (auto refused = executor_.journal(next, effect.required); refused && effect.required) {
          return refused;
        }
      }
      keep();
      if (effect.type == Effect::Type::send) {
        peer_.send(effect.message);
      } else if (effect.type != Effect::Type::journal) {
        executor_.execute(effect, next);
      }
    }
    keep();
    return std::nullopt;
  }

 private:
  Side& side_;
  Executor<Side>& executor_;
  Peer& peer_;
};

}  // namespace cardswap::handover
