#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "migrator/core/digest.h"
#include "migrator/device/fence.h"

namespace cardswap {

class Device;

/// A run of bytes in a device's memory. Only calls of that device may access them, unless its kind
/// is host. Owns nothing.
struct MemoryRange {
  Device* device = nullptr;
  std::span<std::byte> bytes;
};

/// A run of bytes that stays valid as long as `owner` is held.
struct Buffer {
  Device* device = nullptr;
  std::span<std::byte> bytes;
  std::shared_ptr<const void> owner;
};

/// Device::digest() and Device::read() for ranges of several devices. Throw what these throw.
void digest_ranges(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                   const Fence& after);
void read_ranges(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after);

}  // namespace cardswap
