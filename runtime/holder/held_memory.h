#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/arena.h"
#include "migrator/device/device.h"
#include "migrator/engine/state_view.h"
#include "runtime/passed_arena.h"

namespace cardswap {

/// Opens the GPU that the job knows as number `index`. Throws Error if there is none. Never null.
using OpenGpu = std::function<std::shared_ptr<Device>(int index)>;

/// Arenas that are being received: memory at the addresses that the job's layout demands. One
/// thread at a time.
class HeldMemory {
 public:
  explicit HeldMemory(OpenGpu open_gpu) : open_gpu_(std::move(open_gpu)) {}

  /// Makes memory for all regions of `wanted` and returns it. A later layout may need more of the
  /// same arenas; their bytes are kept. Throws Error{bad_request} if a region is in no arena,
  /// {refused} if its addresses are in use or there is no such GPU, {no_memory} and {io}.
  [[nodiscard]] StateView adopt(const Layout& wanted);
  /// All arenas with their files, to be handed over. Throws Error{io}.
  [[nodiscard]] std::vector<memory_transfer::PassedArena> passed() const;

 private:
  /// An arena that is being received.
  struct Held {
    std::string name;  ///< of the region that is its head: "cpu" or "cuda:0"
    std::shared_ptr<Device> device;
    std::shared_ptr<Arena> arena;
  };
  /// The arena of that name, made if it is new. Valid until the next call. Throws Error.
  Held& held(const std::string& name, std::uint64_t base, std::uint64_t bytes);

  const OpenGpu open_gpu_;
  std::vector<Held> all_;
};

}  // namespace cardswap
