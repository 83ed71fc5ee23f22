#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "migrator/core/digest.h"
#include "migrator/device/fence.h"
#include "migrator/device/memory_range.h"

namespace cardswap {

class Arena;
class Staging;
struct StagingOptions;

/// Which processor can access a device's memory: the host's, or CUDA's alone.
enum class MemoryKind : std::uint8_t { host, cuda };

/// The name and the size of a device.
struct DeviceInfo {
  std::string name;  ///< "cpu:0", "cuda:1": for people; the index is valid in this process only
  std::string uuid;  ///< "GPU-...", which identifies the device; empty for a cpu
  std::string model;
  MemoryKind kind = MemoryKind::host;
  std::uint64_t total_bytes = 0;  ///< 0: not known
};

/// The memory of a CPU or of a GPU, which holds tensors. Any thread, unless a call says otherwise.
/// Work of a Device never waits for work that the program submits later, and never delays it.
///
/// Calls throw Error{no_memory} or Error{internal}, with the call, the device and the size.
class Device {
 public:
  explicit Device(DeviceInfo info) : info_(std::move(info)) {}
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] const DeviceInfo& info() const { return info_; }
  [[nodiscard]] bool is_host() const { return info_.kind == MemoryKind::host; }

  /// Prepares the calling thread so that other libraries can use this device on it: UCX takes the
  /// CUDA context that the thread has.
  virtual void enter() {}

  /// A point after all work that the program has given this device so far. The program's thread.
  [[nodiscard]] virtual Fence fence() { return {}; }
  /// Blocks until the work before `fence` is done.
  virtual void wait(const Fence& /*fence*/) {}

  /// Fills `digests`, one for each range; reads the ranges after the work before `after` is done,
  /// and blocks until it has. If the bytes change meanwhile, the digest is of a mixture of old and
  /// new.
  virtual void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                      const Fence& after) = 0;
  /// How many bytes one call of digest() should have, for a good speed.
  [[nodiscard]] virtual std::size_t digest_bytes_best() const = 0;

  /// How much of this device's memory the program leaves free when it uses most. None: not known,
  /// or so much that no caller needs to keep account.
  [[nodiscard]] virtual std::optional<std::uint64_t> spare_bytes() { return std::nullopt; }

  /// Allocates memory of this device, and memory of the host that the device can copy fastest. The
  /// content is undefined.
  [[nodiscard]] virtual Buffer allocate(std::size_t bytes) = 0;
  [[nodiscard]] virtual Buffer allocate_host(std::size_t bytes) = 0;
  /// Copies `ranges`, one after the other, to the host's memory at `to`, after the work before
  /// `after` is done. Blocks until they are there.
  virtual void read(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) = 0;

  /// Makes a Staging for one engine. It keeps the device alive.
  [[nodiscard]] virtual std::unique_ptr<Staging> stage(const StagingOptions& options) = 0;

  /// Reserves an arena in this device's memory, at `base` and with addresses for at least `bytes`.
  /// If both are 0: at any place, with as many addresses as could be used. Throws Error{refused}
  /// when the addresses are not free, and for a device that has no arenas.
  [[nodiscard]] virtual std::shared_ptr<Arena> reserve_arena(std::uint64_t base,
                                                             std::uint64_t bytes);

 private:
  const DeviceInfo info_;
};

/// The device of the host's own memory. It needs no fences and no staging, and has no arenas here
/// (MemfdArena is the host's). It lives as long as the process.
[[nodiscard]] Device& cpu_device();
/// cpu_device() as a pointer. The pointer owns nothing.
[[nodiscard]] std::shared_ptr<Device> shared_cpu_device();

/// Calls Device::enter for each device.
void enter(std::span<const std::shared_ptr<Device>> devices);
/// A fence after all work that the program has given these devices so far. A device may be listed
/// more than once. The program's thread.
[[nodiscard]] Fence fence_of(std::span<const std::shared_ptr<Device>> devices);

}  // namespace cardswap
