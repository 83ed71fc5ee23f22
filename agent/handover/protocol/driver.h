#pragma once

#include <optional>
#include <type_traits>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap::handover {

/// The other side's agent. What is sent may be lost; what it answers is an event of its own, later.
class Peer {
 public:
  virtual ~Peer() = default;
  virtual void send(const Message& message) = 0;
};

/// What a side acts on beside its peer: its journal and its trainer. Nothing here waits.
template <class Side>
class Executor {
 public:
  virtual ~Executor() = default;
  /// Puts `next` on disk. Returns the disk's refusal, which is logged here unless it is `required`.
  virtual std::optional<Error> journal(const Side& next, bool required) = 0;
  /// Does any effect but `journal` and `send`. `next` is what the side is by now. What fails is
  /// logged here, and keeps no later effect back; no effect needs the disk.
  virtual void execute(const Effect& effect, const Side& next) noexcept = 0;
};

/// Makes `next` of `side`, and does the `effects` that it asks for, each in its order: `journal`
/// puts `next` on disk or returns the disk's refusal, `act` does any other effect. Returns the
/// refusal of a required one; then nothing of it has happened. An act may drive the same side on:
/// it is not set back.
template <class Side, class Effects, class Journal, class Act>
std::optional<Error> drive(Side& side, const Side& next, const Effects& effects,
                           const Journal& journal, const Act& act) {
  bool kept = false;
  const auto keep = [&] {
    if (!kept) side = next;
    kept = true;
  };
  for (const auto& effect : effects) {
    const bool journals = effect.type == std::decay_t<decltype(effect)>::Type::journal;
    if (journals) {
      if (auto refused = journal(effect.required); refused && effect.required) return refused;
    }
    keep();
    if (!journals) act(effect);
  }
  keep();
  return std::nullopt;
}

/// The one way in which a side of a handover changes: each effect in its order, on disk first.
/// Agents run it on their journal, trainers and HTTP; the model check runs it on a small world.
template <class Side>
class Driver {
 public:
  Driver(Side& side, Executor<Side>& executor, Peer& peer)
      : side_(side), executor_(executor), peer_(peer) {}

  /// Makes `next` of `side`, as drive() says.
  std::optional<Error> apply(const Side& next, const Effects& effects) {
    return drive(
        side_, next, effects, [&](bool required) { return executor_.journal(next, required); },
        [&](const Effect& effect) {
          if (effect.type == Effect::Type::send) {
            peer_.send(effect.message);
          } else {
            executor_.execute(effect, next);
          }
        });
  }

 private:
  Side& side_;
  Executor<Side>& executor_;
  Peer& peer_;
};

}  // namespace cardswap::handover
