#pragma once

#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "migrator/device.h"
#include "migrator/link.h"

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
  /// `direct`: as Staging::fetch has it.
  ReadAhead(Stagings& stagings, Fence after, bool direct)
      : stagings_(stagings), after_(std::move(after)), direct_(direct) {}
  void want(const MemoryRange& payload) { wanted_.push_back(payload); }
  /// The next payload, if it is there.
  [[nodiscard]] std::optional<Fetched> next();

 private:
  Stagings& stagings_;
  const Fence after_;
  const bool direct_;
  std::vector<MemoryRange> wanted_;
  std::size_t begun_ = 0;
  std::deque<Fetched> ahead_;
};

/// At the target: where payloads land before they are brought into a device's memory. One thread.
class Landings {
 public:
  /// Host memory itself, or a buffer until landed(). Throws Error{bad_request} for a header that is
  /// under way already.
  [[nodiscard]] std::span<std::byte> place_for(Stagings& stagings,
                                               std::span<const std::byte> header,
                                               const MemoryRange& range);
  void landed(std::span<const std::byte> header);
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
