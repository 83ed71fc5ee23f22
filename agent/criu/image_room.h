#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/process/process.h"

/// Room for process images. They lie in memory and on no disk, and so beside the memory that they
/// are made of, or that is restored from them: an image that does not fit would be the end of
/// whatever the kernel chooses.
namespace cardswap::criu {

/// Whether the image's process is there already, or is made of it and needs as much again.
enum class ImageUse : std::uint8_t { dumped, restored };

/// Bytes that an image may have, by the text of /proc/meminfo: pure. The largest number where that
/// does not tell.
[[nodiscard]] std::uint64_t image_room_in(std::string_view meminfo, ImageUse use);
/// Reads it of this host, as it is now.
[[nodiscard]] std::uint64_t image_room(ImageUse use);

/// What processes hold that no file has.
struct HeldMemory {
  std::uint64_t own = 0;     ///< each its own, which an image has once for each
  std::uint64_t shared = 0;  ///< at least so much, which it has once
  bool operator==(const HeldMemory&) const = default;
};
/// Adds a process by the text of its /proc/PID/status: pure.
[[nodiscard]] HeldMemory with_process(HeldMemory held, std::string_view status);
/// Reads it of all processes below `root`, as they are now.
[[nodiscard]] HeldMemory memory_of(const ProcessId& root);

/// Why an image of about so many bytes cannot be `where` ("here", "on gpu-b"); empty: it can.
[[nodiscard]] std::string why_no_room(std::uint64_t bytes, std::uint64_t room,
                                      std::string_view where);

}  // namespace cardswap::criu
