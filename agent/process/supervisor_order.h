#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "agent/process/process.h"

/// What an agent (agent/process/supervised_process.h) and `cardswap-init supervise`
/// (agent/process/supervisor_main.h) say to each other.
namespace cardswap {

/// The agent's order to cardswap-init, passed in a memfd.
struct SupervisorOrder {
  ProcessSpec program;  ///< without inherited descriptors
  std::filesystem::path status;
};
[[nodiscard]] std::vector<std::byte> encode(const SupervisorOrder& order);
/// Throws Error{bad_request}.
[[nodiscard]] SupervisorOrder supervisor_order_from(std::span<const std::byte> bytes);

/// Where cardswap-init finds its descriptors.
inline constexpr int kSupervisorReportFd = 3;
inline constexpr int kSupervisorOrderFd = 4;
inline constexpr int kSupervisorLifelineFd = 5;

}  // namespace cardswap
