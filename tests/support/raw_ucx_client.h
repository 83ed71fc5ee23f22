#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "migrator/base/error.h"
#include "migrator/link/link.h"
#include "migrator/wire/data_messages.h"

namespace cardswap::test {

/// A peer that speaks UCX to a standby's data port and sends what a source would not. One thread;
/// every call makes progress on the link.
class RawUcxClient final : private LinkListener {
 public:
  explicit RawUcxClient(std::uint16_t port);

  void say(std::vector<std::byte> control);
  void send_chunk(std::vector<std::byte> header, std::size_t bytes);
  /// Whether it was refused or its connection was closed within the limit.
  [[nodiscard]] bool is_turned_away_within(std::chrono::milliseconds limit);
  [[nodiscard]] const std::optional<data::Refused>& refusal() const { return refusal_; }

 private:
  void on_control(LinkId, std::span<const std::byte> message) override;
  std::span<std::byte> reserve(LinkId, std::span<const std::byte>, std::size_t) override;
  void on_received(LinkId, std::span<const std::byte>, std::size_t) override {}
  void on_lost(LinkId, std::string_view) override { lost_ = true; }

  std::vector<std::byte> payload_;
  bool lost_ = false;
  std::optional<data::Refused> refusal_;
  std::unique_ptr<Link> link_;
};

}  // namespace cardswap::test
