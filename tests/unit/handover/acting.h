#pragma once

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
  [[nodiscard]] static SourceSide side(const World& w, const Options& options);
  static void remember(World& w, const SourceSide& side);
  static void crash(World& w);
  static void carry_out(World& w, const Act& act, const SourceSide& side);
};

struct TargetAgent {
  [[nodiscard]] static TargetSide side(const World& w, const Options& options);
  static void remember(World& w, const TargetSide& side);
  static void crash(World& w);
  static void carry_out(World& w, const Act& act, const TargetSide& side);
};

}  // namespace cardswap::handover::model
