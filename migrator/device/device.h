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

/// What may touch a device's memory.
enum class MemoryKind : std::uint8_t { host, cuda };

/// What a device is called, and how large it is.
struct DeviceInfo {
  std::string name;  ///< "cpu:0", "cuda:1": for people; indexes are this process's own
  std::string uuid;  ///< "GPU-...", what tells devices apart; empty for a cpu
  std::string model;
  MemoryKind kind = MemoryKind::host;
  std::uint64_t total_bytes = 0;  ///< 0: not known
};

/// A CPU's memory or a GPU's, which holds tensors. Any thread, unless a call says otherwise. Work
/// on a device never waits for work that the program submits later, and never delays it.
///
/// Failures are Error{no_memory} or Error{internal} and name the call, the device and the size.
class Device {
 public:
  explicit Device(DeviceInfo info) : info_(std::move(info)) {}
  virtual ~Device() = default;
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  [[nodiscard]] const DeviceInfo& info() const { return info_; }
  [[nodiscard]] bool is_host() const { return info_.kind == MemoryKind::host; }

  /// Makes the calling thread one on which other libraries may work with this device: UCX uses the
  /// CUDA context that it finds there.
  virtual void enter() {}

  /// A point behind everything that the program has given this device so far. The program's thread.
  [[nodiscard]] virtual Fence fence() { return {}; }
  /// Waits until what `fence` stands behind is done.
  virtual void wait(const Fence& /*fence*/) {}

  /// Fills `digests`, one a range, reading behind `after`. The bytes may change meanwhile: the
  /// digest then is of bytes that never were.
  virtual void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                      const Fence& after) = 0;
  /// Bytes that are worth a call of digest().
  [[nodiscard]] virtual std::size_t digest_bytes_best() const = 0;

  /// Bytes that the program leaves of this device's memory when it uses most; none: not known, or
  /// more than anyone asks for.
  [[nodiscard]] virtual std::optional<std::uint64_t> spare_bytes() { return std::nullopt; }

  /// Allocates memory of this device, and memory of the host that it reads and writes fastest.
  [[nodiscard]] virtual Buffer allocate(std::size_t bytes) = 0;
  [[nodiscard]] virtual Buffer allocate_host(std::size_t bytes) = 0;
  /// Copies `ranges` one behind the other to host memory, and returns when they are there.
  virtual void read(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after) = 0;

  [[nodiscard]] virtual std::unique_ptr<Staging> stage(const StagingOptions& options) = 0;

  /// An arena in this device's memory: at `base`, with addresses for `bytes` at least, or, where
  /// both are 0, anywhere with as many as could be used. Throws Error{refused} when the addresses
  /// are not free, or for a device that has none.
  [[nodiscard]] virtual std::shared_ptr<Arena> reserve_arena(std::uint64_t base,
                                                             std::uint64_t bytes);

 private:
  const DeviceInfo info_;
};

/// This host's processors and memory. Needs no fences, stages nothing.
[[nodiscard]] Device& cpu_device();
/// cpu_device() for those who hold devices by pointer. It has no owner: it lives as long as the
/// process.
[[nodiscard]] std::shared_ptr<Device> shared_cpu_device();

/// Calls Device::enter for each device.
void enter(std::span<const std::shared_ptr<Device>> devices);
/// A fence behind what the program gave these devices so far, each once. The program's thread.
[[nodiscard]] Fence fence_of(std::span<const std::shared_ptr<Device>> devices);

}  // namespace cardswap
