#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "agent/process/process.h"

/// What an agent (agent/process/parent.h) and `cardswap-init keep` (agent/process/keep.h) say to
/// each other.
namespace cardswap {

/// The agent's order to cardswap-init, passed in a memfd.
struct KeepOrder {
  ProcessSpec program;  ///< without inherited descriptors
  std::filesystem::path status;
};
[[nodiscard]] std::vector<std::byte> encode(const KeepOrder& order);
/// Throws Error{bad_request}.
[[nodiscard]] KeepOrder keep_order_from(std::span<const std::byte> bytes);

/// Where cardswap-init finds its descriptors.
inline constexpr int kKeepReportFd = 3;
inline constexpr int kKeepOrderFd = 4;
inline constexpr int kKeepLeashFd = 5;

}  // namespace cardswap
