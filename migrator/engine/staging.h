#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "migrator/device/device.h"
#include "migrator/engine/compressor.h"
#include "migrator/link/link.h"

namespace cardswap {

/// One engine's stagings, a device each, made when a device is first used. One thread.
class Stagings {
 public:
  Stagings(const Link& link, std::size_t payload_bytes_max)
      : link_(link), payload_bytes_max_(payload_bytes_max) {}
  [[nodiscard]] Staging& of(Device& device);
  void settle();

 private:
  const Link& link_;
  const std::size_t payload_bytes_max_;
  std::map<Device*, std::unique_ptr<Staging>> stagings_;
};

/// At the source: payloads to send, fetched ahead of the line while it is busy. One thread.
class ReadAhead {
 public:
  /// `direct`: FetchOptions::direct, asked as payloads are fetched, because the link's rate shows
  /// only then. `packer`: what will pack them, if it does so when they are fetched. Both outlive
  /// this.
  ReadAhead(Stagings& stagings, Fence after, std::function<bool()> direct, const Compressor& packer)
      : stagings_(stagings),
        after_(std::move(after)),
        direct_(std::move(direct)),
        packer_(packer) {}
  void want(const MemoryRange& range, std::uint8_t element);
  /// The next payload, if it is there.
  [[nodiscard]] std::optional<Fetched> next();

 private:
  Stagings& stagings_;
  const Fence after_;
  const std::function<bool()> direct_;
  const Compressor& packer_;
  std::vector<Payload> wanted_;
  std::size_t begun_ = 0;
  std::deque<Fetched> ahead_;
};

/// At the target: where payloads land before they are brought into a device's memory. One thread.
class Landings {
 public:
  /// Host memory itself, or a buffer until landed(), or what the link can reach if `direct`. Throws
  /// Error{bad_request} for a header that is under way already.
  [[nodiscard]] std::span<std::byte> place_for(Stagings& stagings,
                                               std::span<const std::byte> header,
                                               const MemoryRange& range, bool direct);
  /// As Staging has it, for the payload of that header.
  [[nodiscard]] std::uint8_t planes_for(std::span<const std::byte> header,
                                        std::uint8_t element) const;
  void landed(std::span<const std::byte> header, std::uint8_t planes);
  /// The ranges are not there any more; what is under way may still land.
  void forget_ranges();

 private:
  struct Landing {
    Staging* staging = nullptr;
    std::span<std::byte> place;
    std::span<std::byte> range;
  };
  std::map<std::string, Landing> landing_;  // by header
};

}  // namespace cardswap
