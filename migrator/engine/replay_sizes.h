#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "migrator/core/layout.h"
#include "migrator/device/device.h"
#include "migrator/engine/state_view.h"

namespace cardswap {

/// The sizes by which a replay is judged.
struct ReplaySizes {
  std::uint64_t replayed_bytes = 0;  ///< bytes of state that updates rewrite
  std::uint64_t update_bytes = 0;    ///< bytes of one step's gradients, if all parameters have one
};
/// The sizes of `shards`, by the regions of `layout`; a shard with a region outside `layout` does
/// not count.
[[nodiscard]] ReplaySizes replay_sizes(const std::vector<Shard>& shards, const Layout& layout);
[[nodiscard]] ReplaySizes replay_sizes(const StateView& state_view);

/// How many bytes of gradients may be held until they are sent. The program's next step needs its
/// memory, so this is half of the least that it leaves free on a device: free memory may be in
/// pieces. UINT64_MAX: no device limits it.
[[nodiscard]] std::uint64_t room_for_gradients(std::span<const std::shared_ptr<Device>> devices);

}  // namespace cardswap
