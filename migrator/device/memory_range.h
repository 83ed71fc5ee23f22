#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "migrator/core/digest.h"
#include "migrator/device/fence.h"

namespace cardswap {

class Device;

/// A run of bytes in a device's memory. Only the device may touch them, unless its kind is host.
struct MemoryRange {
  Device* device = nullptr;
  std::span<std::byte> bytes;
};

/// Memory that lives as long as `owner`.
struct Buffer {
  Device* device = nullptr;
  std::span<std::byte> bytes;
  std::shared_ptr<const void> owner;
};

/// Device::digest and Device::read for ranges of any devices.
void digest_ranges(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                   const Fence& after);
void read_ranges(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after);

}  // namespace cardswap
