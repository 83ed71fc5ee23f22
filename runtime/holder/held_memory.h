#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/arena.h"
#include "migrator/device/device.h"
#include "migrator/engine/state_view.h"
#include "runtime/memory_handoff.h"

namespace cardswap {

/// The GPU that a job knows as number `index`. Throws Error where there is none.
using OpenGpu = std::function<std::shared_ptr<Device>(int index)>;

/// Arenas that are being received: memory where the layout wants its regions. One thread.
class HeldMemory {
 public:
  explicit HeldMemory(OpenGpu open_gpu) : open_gpu_(std::move(open_gpu)) {}

  /// Has all that `wanted` needs; a later layout may need more of the same arenas and keeps what is
  /// there. Throws Error{bad_request} on regions that no arena has, and Error{refused} when
  /// something else has their addresses.
  [[nodiscard]] StateView adopt(const Layout& wanted);
  /// All arenas, to be handed over.
  [[nodiscard]] std::vector<memory_handoff::PassedArena> passed() const;

 private:
  /// An arena that is being received.
  struct Held {
    std::string name;  ///< of its head
    std::shared_ptr<Device> device;
    std::shared_ptr<Arena> arena;
  };
  Held& held(const std::string& name, std::uint64_t base, std::uint64_t bytes);

  const OpenGpu open_gpu_;
  std::vector<Held> all_;
};

}  // namespace cardswap
