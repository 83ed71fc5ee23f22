#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "migrator/device/device.h"
#include "migrator/link/link.h"

namespace cardswap::test {

/// A Link that sends and receives nothing, for classes that only need one.
struct NoLink : Link {
  void send_control(LinkId, std::vector<std::byte>) override {}
  void send_payload(LinkId, std::vector<std::byte>, std::span<const std::byte>,
                    std::shared_ptr<const void>) override {}
  [[nodiscard]] std::size_t payloads_in_flight() const override { return 0; }
  [[nodiscard]] std::size_t control_in_flight() const override { return 0; }
  void drop(LinkId) override {}
  void admit(LinkId) override {}
  void wait(std::chrono::steady_clock::time_point) override {}
  void wake() noexcept override {}
  [[nodiscard]] std::uint16_t port() const override { return 0; }
  [[nodiscard]] std::optional<std::size_t> direct_bytes_min(MemoryKind) const override { return 0; }
};

}  // namespace cardswap::test
