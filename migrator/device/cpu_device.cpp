#include <fmt/format.h>

#include <cstring>
#include <new>

#include "migrator/base/error.h"
#include "migrator/device/device.h"
#include "migrator/device/staging.h"

namespace cardswap {
namespace {

/// The staging of the host's memory: none, because a link reaches that memory itself.
class NoStaging final : public Staging {
 public:
  std::vector<StagedPayload> fetch(std::span<const Payload> payloads, const Fence&,
                                   FetchOptions) override {
    std::vector<StagedPayload> result;
    for (const auto& payload : payloads) result.push_back({payload.range.bytes, {}, 0});
    return result;
  }
  bool is_ready(const StagedPayload&) override { return true; }
  std::span<std::byte> reserve(std::span<std::byte> range, bool) override { return range; }
  ByteShuffle shuffle_for(std::uint8_t element_bytes) const override { return {element_bytes}; }
  void on_received(std::span<std::byte>, std::span<std::byte>, ByteShuffle) override {}
  void drain() override {}
};

class CpuDevice final : public Device {
 public:
  CpuDevice() : Device({"cpu:0", "", "", MemoryKind::host, 0}) {}

  void digest(std::span<const MemoryRange> ranges, std::span<Digest> digests,
              const Fence&) override {
    for (std::size_t i = 0; i < ranges.size(); ++i) digests[i] = digest_of(ranges[i].bytes);
  }
  std::size_t digest_bytes_best() const override { return 1U << 20U; }

  Buffer allocate(std::size_t bytes) override {
    try {
      // Not filled with zeros: that would be a pass over memory for nothing.
      const std::shared_ptr<std::byte[]> memory(new std::byte[bytes]);
      return {this, {memory.get(), bytes}, memory};
    } catch (const std::bad_alloc&) {
      throw Error(Code::no_memory, fmt::format("allocate {} bytes on {}", bytes, info().name));
    }
  }
  Buffer allocate_host(std::size_t bytes) override { return allocate(bytes); }
  void read(std::span<const MemoryRange> ranges, std::byte* to, const Fence&) override {
    for (const auto& range : ranges) {
      if (!range.bytes.empty()) std::memcpy(to, range.bytes.data(), range.bytes.size());
      to += range.bytes.size();
    }
  }
  std::unique_ptr<Staging> stage(const StagingOptions&) override {
    return std::make_unique<NoStaging>();
  }
};

}  // namespace

Device& cpu_device() {
  static CpuDevice device;
  return device;
}

std::shared_ptr<Device> shared_cpu_device() { return {std::shared_ptr<void>(), &cpu_device()}; }

}  // namespace cardswap
