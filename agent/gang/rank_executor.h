#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "agent/gang/protocol/rank_side.h"
#include "migrator/wire/runtime_messages.h"

namespace cardswap::gang {

/// Why the trainer of a rank cannot go on in `gang`; nullopt: the message says no such thing.
[[nodiscard]] std::optional<Error> failure_in(const std::string& gang,
                                              const channel::Message& message);

/// What the executor of a rank acts on. No call waits longer than a write to the journal.
class RankPorts {
 public:
  virtual ~RankPorts() = default;
  /// Writes the record to disk. Throws Error{io, corrupt} if the disk refuses.
  virtual void save(const RankDurable& next) = 0;
  /// Sends a message to the rank's trainer; it is lost if no runtime is attached.
  virtual void send(const channel::Message& message) = 0;
  /// The trainer is to build the next communicator, or to begin to send its state.
  virtual void build() = 0;
  /// The rank's process steps under `epoch` from here on.
  virtual void raise_epoch(Epoch epoch) = 0;
  /// The status has changed: whoever waits for it, such as a call of the conductor, looks again.
  virtual void changed() = 0;
  /// Asks the conductor's agent for its decision. The answer comes later, as an order.
  virtual void ask() = 0;
};

/// Carries out the effects of an event at the agent of a rank: first the journal, then the trainer
/// and the conductor. The only place where the state of a rank in a gang changes.
///
/// A call that changes the state throws Error{io, corrupt} if the disk refuses a required record;
/// then nothing has happened. A failure of an effect is logged and stops no later one. One thread.
class RankExecutor {
 public:
  /// `gang` is the gang's id. `ports` must outlive it.
  RankExecutor(std::string gang, const RankDurable& record, RankPorts& ports)
      : gang_(std::move(gang)), side_(record), ports_(ports) {}

  [[nodiscard]] const std::string& gang() const { return gang_; }
  [[nodiscard]] const RankDurable& durable() const { return side_.durable(); }
  [[nodiscard]] RankStatus status() const { return side_.status(); }

  /// Handles an order of the conductor, and returns the answer to it.
  RankStatus obey(const Order& order);
  /// Handles what the agent sees by itself, and what a planner says of a rank that leaves; `step`
  /// as in RankSide::on().
  void apply(RankEvent event, std::uint64_t step = 0);
  /// Handles a message of the rank's trainer. Returns whether it was handled: a check of another
  /// gang or another step, and a step that no job reaches, are not.
  bool hear(const channel::Message& message);
  /// A runtime has attached: it is told again what it may have missed.
  void attached();
  /// Goes on from a record that a former agent left; call it once, before anything else.
  void after_restart();

 private:
  void drive(const RankSide& next, const RankEffects& effects);
  void execute(const RankEffect& effect) noexcept;
  void act(const RankEffect& effect);

  const std::string gang_;
  RankSide side_;
  RankPorts& ports_;
};

}  // namespace cardswap::gang
