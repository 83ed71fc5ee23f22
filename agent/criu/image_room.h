#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/process/process.h"

/// How much memory there is for a process image. An image is kept in memory, together with the
/// process that it is made of or that is restored from it: if it did not fit, the kernel would kill
/// some process.
namespace cardswap::criu {

/// Whether the image's process exists already (dumped), or will be made of it and needs as much
/// memory again (restored).
enum class ImageUse : std::uint8_t { dumped, restored };

/// The bytes that an image may have, by the text of /proc/meminfo. The largest number if the
/// text does not tell. Pure.
[[nodiscard]] std::uint64_t image_room_in(std::string_view meminfo, ImageUse use);
/// image_room_in() of this host, now.
[[nodiscard]] std::uint64_t image_room(ImageUse use);

/// Memory of processes that is in no file.
struct MemoryUse {
  std::uint64_t own = 0;     ///< bytes of private memory, summed over the processes
  std::uint64_t shared = 0;  ///< a lower bound of their shared memory in bytes
  bool operator==(const MemoryUse&) const = default;
};
/// `held` with one process more, by the text of its /proc/PID/status. Pure.
[[nodiscard]] MemoryUse with_process(MemoryUse held, std::string_view status);
/// The memory of all processes below `root`, now. Throws as tree_of() does.
[[nodiscard]] MemoryUse memory_of(const ProcessId& root);

/// Why an image of about `bytes` does not fit into `room` bytes; empty: it fits. `where` is for the
/// text: "here", "on gpu-b". Pure.
[[nodiscard]] std::string why_no_room(std::uint64_t bytes, std::uint64_t room,
                                      std::string_view where);

}  // namespace cardswap::criu
