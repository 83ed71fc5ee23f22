#pragma once

#include <optional>
#include <type_traits>

#include "agent/handover/protocol/protocol.h"
#include "migrator/base/error.h"

namespace cardswap::handover {

/// The other side's agent. A message to it may be lost; its answer comes later, as an event.
class OtherSide {
 public:
  virtual ~OtherSide() = default;
  virtual void send(const Message& message) = 0;
};

/// What a side acts on besides the other side: its journal and its trainer. No call blocks longer
/// than a write to the journal.
template <class Side>
class Executor {
 public:
  virtual ~Executor() = default;
  /// Writes `next` to the journal. Returns the error if the disk refuses. If it is not
  /// `required`, the executor logs it; if it is, Driver::apply() returns it.
  virtual std::optional<Error> journal(const Side& next, bool required) = 0;
  /// Does any effect except `journal` and `send`. `next` is the side after the event. A failure is
  /// logged by the executor and does not stop later effects.
  virtual void execute(const Effect& effect, const Side& next) noexcept = 0;
};

/// The only way in which a side changes, of a handover or of a gang: replaces `side` by `next`, and
/// does `effects` in their order. `journal(required)` writes `next` to disk or returns the disk's
/// error; `act(effect)` does any other effect. Returns the error if a required record is refused:
/// then nothing has happened. An effect may change the same side again: that change is kept.
template <class Side, class List, class Journal, class Act>
std::optional<Error> drive(Side& side, const Side& next, const List& effects,
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

/// Changes a side of a handover by drive(), with an executor and a peer. Agents run it on their
/// journal, trainers and HTTP; the model check runs it on a small simulated world.
template <class Side>
class Driver {
 public:
  Driver(Side& side, Executor<Side>& executor, OtherSide& other)
      : side_(side), executor_(executor), other_(other) {}

  /// Replaces the side by `next` and does `effects`. Returns the disk's error if a required
  /// record is refused: then nothing has happened. An effect may change the same side again: that
  /// change is kept.
  std::optional<Error> apply(const Side& next, const Effects& effects) {
    return drive(
        side_, next, effects, [&](bool required) { return executor_.journal(next, required); },
        [&](const Effect& effect) {
          if (effect.type == Effect::Type::send) {
            other_.send(effect.message);
          } else {
            executor_.execute(effect, next);
          }
        });
  }

 private:
  Side& side_;
  Executor<Side>& executor_;
  OtherSide& other_;
};

}  // namespace cardswap::handover
