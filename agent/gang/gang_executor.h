#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include "agent/gang/protocol/gang_side.h"

namespace cardswap::gang {

/// What the executor of a gang acts on. No call waits longer than a write to the journal: what is
/// sent goes on its way, and its answer comes later, by GangExecutor::hear().
class GangPorts {
 public:
  virtual ~GangPorts() = default;
  /// Writes the record to disk. Throws Error{io, corrupt} if the disk refuses.
  virtual void save(const GangDurable& next) = 0;
  /// Sends an order to the agent of a rank. It may be lost.
  virtual void order(std::uint32_t rank, const Order& order) = 0;
  /// Sends a message to the agent of the newcomer of a rank. It may be lost.
  virtual void tell(std::uint32_t rank, const handover::Message& message) = 0;
  /// Tells an operator where the gang stands.
  virtual void alert(const GangDurable& gang) = 0;
};

/// Carries out the effects of an event at the conductor: first the journal, then the ranks and the
/// newcomers. The only place where a gang's state changes.
///
/// A call that changes the state throws Error{io, corrupt} if the disk refuses a required record;
/// then nothing has happened. A failure of an effect is logged and stops no later one. One thread.
class GangExecutor {
 public:
  /// `gang` is the gang's id. `ports` must outlive it.
  GangExecutor(std::string gang, GangSide side, GangPorts& ports)
      : gang_(std::move(gang)), side_(std::move(side)), ports_(ports) {}

  [[nodiscard]] const std::string& gang() const { return gang_; }
  [[nodiscard]] const GangSide& side() const { return side_; }

  void apply(GangEvent event);
  /// Handles the answer of a rank's agent.
  void hear(std::uint32_t rank, const RankStatus& status);
  /// Handles an answer of the agent of a rank's newcomer.
  void hear(std::uint32_t rank, const handover::Message& message);
  /// Sends again the order, or the message to the newcomer, that fits the state.
  void tick(std::uint32_t rank);
  void tick_newcomer(std::uint32_t rank);
  /// Goes on from a record that a former agent left; call it once, before anything else.
  void after_restart();
  /// GangSide::follow(); it is applied to what is heard from then on.
  void follow(std::span<const GangRule> rules) { side_.follow(rules); }
  /// The answer to a rank's agent that asks under `epoch` what was decided: the order that the rank
  /// is to have obeyed by now. Throws Error{not_found} for a rank that the job does not have, and
  /// Error{refused} for another epoch than the gang's.
  [[nodiscard]] Order decision(std::uint32_t rank, Epoch epoch) const;

 private:
  void drive(const GangSide& next, const GangEffects& effects);
  void execute(const GangEffect& effect, const GangSide& next) noexcept;
  void act(const GangEffect& effect, const GangSide& next, std::uint32_t rank);
  /// Whether the job has that rank, and it has a newcomer where `leaves` is set.
  [[nodiscard]] bool has_rank(std::uint32_t rank, bool leaves) const;

  const std::string gang_;
  GangSide side_;
  GangPorts& ports_;
};

}  // namespace cardswap::gang
