#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "migrator/core/digest.h"
#include "migrator/core/layout.h"

namespace cardswap {

class Arena;

enum class MemoryKind : std::uint8_t { host, cuda };

struct DeviceInfo {
  std::string name;  ///< "cpu:0", "cuda:1": for people; indexes are this process's own
  std::string uuid;  ///< "GPU-...", what tells devices apart; empty for a cpu
  std::string model;
  MemoryKind kind = MemoryKind::host;
  std::uint64_t total_bytes = 0;  ///< 0: not known
};

/// A run of bytes in a device's memory. Only the device may touch them, unless their kind is host.
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

/// Bytes of one tensor that are to be sent.
struct Payload {
  MemoryRange range;
  std::uint8_t element = 1;  ///< bytes of the tensor's elements
};
struct FetchOptions {
  bool direct = false;    ///< the memory itself may be given
  bool shuffled = false;  ///< a payload that is copied may be shuffled on its way (shuffle.h)
};

/// Bytes on their way from a device to a link: `bytes` may be sent once Staging::ready() says so,
/// and `owner` is to be held until they were sent.
struct Fetched {
  std::span<const std::byte> bytes;
  std::shared_ptr<const void> owner;
  std::size_t ticket = 0;
  std::uint8_t planes = 1;  ///< that of its elements, where the bytes were shuffled
};

/// The way of one engine's payloads between a device's memory and a link, in both directions:
/// through buffers that a link can use, or none where it reaches the memory itself. One thread.
class Staging {
 public:
  virtual ~Staging() = default;

  /// Begins to bring payloads of this device to where the link can send them, behind `after`: as
  /// many of them as there are buffers for. None: the link gives one back when it has sent.
  virtual std::vector<Fetched> fetch(std::span<const Payload> payloads, const Fence& after,
                                     FetchOptions options) = 0;
  [[nodiscard]] virtual bool ready(const Fetched& fetched) = 0;

  /// Where a payload for `range` may land: the range itself if `direct` allows that, or a buffer.
  /// Throws Error{bad_request} when more payloads are landing at once than an honest peer sends.
  [[nodiscard]] virtual std::span<std::byte> place_for(std::span<std::byte> range, bool direct) = 0;
  /// How many planes of elements of so many bytes landed() takes; 1: it does not shuffle those.
  [[nodiscard]] virtual std::uint8_t planes_for(std::uint8_t element) const = 0;
  /// The payload is in `place`, in so many planes: begins to bring it into `range`; an empty one
  /// only gives it back.
  virtual void landed(std::span<std::byte> place, std::span<std::byte> range,
                      std::uint8_t planes) = 0;
  /// Waits until everything that landed is in its range.
  virtual void settle() = 0;
};

/// Of one migration on the line at once, at most.
inline constexpr std::size_t kPayloadsUnderWayMax = 12;

struct StagingOptions {
  std::size_t payload_bytes_max = 0;
  std::optional<std::size_t> direct_bytes_min;  ///< from here on the link reaches the memory itself
};

/// What holds tensors: a cpu's memory or a GPU's. Any thread, unless a call says otherwise. Work on
/// a device never waits for what the program gives it afterwards, and never holds it up.
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

  /// The program's thread: behind everything that it has given this device so far.
  [[nodiscard]] virtual Fence fence() { return {}; }
  /// Until what `fence` stands behind is done.
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

  /// Memory of this device, and memory of the host that it reads and writes fastest.
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

/// Where a region, and a chunk of it, lies.
[[nodiscard]] MemoryRange range_of(const StateView& state_view, RegionId region);
[[nodiscard]] MemoryRange range_of(const StateView& state_view, const ChunkSpan& chunk);
[[nodiscard]] std::vector<MemoryRange> ranges_of(const StateView& state_view,
                                                 std::span<const ChunkSpan> chunks);
/// Device::enter for each; empty ones are the host's own.
void enter(std::span<const std::shared_ptr<Device>> devices);
/// Behind what the program gave these devices so far, each once; empty ones are the host's own.
/// The program's thread.
[[nodiscard]] Fence fence_of(std::span<const std::shared_ptr<Device>> devices);
/// Device::digest and Device::read for ranges of any devices.
void digest_ranges(std::span<const MemoryRange> ranges, std::span<Digest> digests,
                   const Fence& after);
void read_ranges(std::span<const MemoryRange> ranges, std::byte* to, const Fence& after);

}  // namespace cardswap
