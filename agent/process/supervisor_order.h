#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <vector>

#include "agent/process/process.h"

/// The order of an agent (agent/process/supervised_process.h) to `cardswap-init supervise`
/// (agent/process/supervisor_main.h), and the descriptors between them.
namespace cardswap {

/// The agent's order to cardswap-init, passed in a memfd.
struct SupervisorOrder {
  ProcessSpec program;           ///< without `inherit` and `reads_log`, which are not sent
  std::filesystem::path status;  ///< the file for the program's exit status
};
[[nodiscard]] std::vector<std::byte> encode(const SupervisorOrder& order);
/// Reads encode(). Throws Error{bad_request}.
[[nodiscard]] SupervisorOrder supervisor_order_from(std::span<const std::byte> bytes);

/// The numbers of cardswap-init's descriptors.
inline constexpr int kSupervisorReportFd = 3;
inline constexpr int kSupervisorOrderFd = 4;
inline constexpr int kSupervisorLifelineFd = 5;

}  // namespace cardswap
