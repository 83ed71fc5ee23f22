#pragma once

#include <optional>

#include "agent/handover/protocol/driver.h"
#include "tests/unit/handover/world.h"

/// The two agents around their sides: what is in memory, what is on disk, and what they do.
namespace cardswap::handover::model {

[[nodiscard]] inline Life life(std::uint8_t value) { return static_cast<Life>(value); }
[[nodiscard]] inline std::uint8_t byte(auto value) { return static_cast<std::uint8_t>(value); }
[[nodiscard]] inline TrainerState trainer(std::uint8_t value) {
  return static_cast<TrainerState>(value);
}
/// There is a process.
[[nodiscard]] bool lives(std::uint8_t value);
/// It reads its channel.
[[nodiscard]] bool hears(std::uint8_t value);
/// There is a process, it is not stopped, and no word of its agent's stands between it and a step
/// of the job: a source that is not frozen, a standby that was granted.
[[nodiscard]] bool runs(std::uint8_t life, std::uint8_t trainer);
/// It is gone, or will do nothing any more.
void end(auto& side, Life how) {
  side.life = byte(how);
  side.trainer = 0;
  side.words = {};
}
/// On its way, if the network has room; else it is lost.
void send(World& w, const Message& message);

struct SourceAgent {
  using Side = SourceSide;
  [[nodiscard]] static SourceSide side(const World& w, const Options& options);
  static void remember(World& w, const SourceSide& side);
  static void crash(World& w);
  static void journal(World& w, const SourceSide& side);
  static void execute(World& w, const Effect& effect);
};

struct TargetAgent {
  using Side = TargetSide;
  [[nodiscard]] static TargetSide side(const World& w, const Options& options);
  static void remember(World& w, const TargetSide& side);
  static void crash(World& w);
  static void journal(World& w, const TargetSide& side);
  static void execute(World& w, const Effect& effect);
};

/// What the agents' Driver acts on: one world, its disk, its trainers and its network.
template <class Agent, class Before>
class Acting final : public Executor<typename Agent::Side>, public OtherSide {
 public:
  /// `before` is called before each act, with how many were done.
  Acting(World& world, bool disk_is_full, const Before& before)
      : world_(world), disk_is_full_(disk_is_full), before_(before) {}

  std::optional<Error> journal(const typename Agent::Side& next, bool) override {
    if (disk_is_full_) return Error(Code::io, "full");
    count();
    Agent::journal(world_, next);
    return std::nullopt;
  }
  void execute(const Effect& effect, const typename Agent::Side&) noexcept override {
    count();
    Agent::execute(world_, effect);
  }
  void send(const Message& message) override {
    count();
    model::send(world_, message);
  }

 private:
  void count() {
    before_(done_);
    ++done_;
  }

  World& world_;
  bool disk_is_full_;
  const Before& before_;
  std::uint8_t done_ = 0;
};

}  // namespace cardswap::handover::model
