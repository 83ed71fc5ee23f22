#pragma once

#include <string>
#include <vector>

#include "agent/jobs/device_usage.h"

namespace cardswap {

/// How many open reservations one agent, by its certificate, may hold. A drain of a large host
/// needs a few dozen at once.
inline constexpr std::size_t kReservationsMax = 64;

/// The wanted reservation and the state of this host, as input of admit().
struct AdmissionRequest {
  std::string job;
  std::string device;
  std::uint64_t state_bytes = 0;
  std::string closed;          ///< why the device takes no jobs now; empty: it takes them
  bool name_is_taken = false;  ///< a live job here has the name, and does not move within this host
  bool uid_is_taken = false;   ///< a live job here has the uid under another name
  bool is_on_its_way = false;  ///< another reservation is open for a job of that name or uid
  std::string by;              ///< the agent that asks, by its certificate's name
  std::size_t open_reservations = 0;  ///< how many open reservations that agent holds already
  bool is_there = false;              ///< the job runs on that device of this host already
  std::vector<DeviceUsage> devices;
  std::string host;
};
/// The answer to an AdmissionRequest: whether the job may come, and if not, why not.
struct AdmissionVerdict {
  bool no_memory = false;  ///< the device has too little memory: the call fails with that code
  std::vector<std::string> blocked_reasons;
  std::string hint;  ///< what to do about the first reason; empty: take another device

  /// Adds a reason. `what_to_do` becomes the hint if it is the first reason.
  void block(std::string reason, std::string what_to_do = {});
};
/// Decides whether this job may come here. Pure.
[[nodiscard]] AdmissionVerdict admit(const AdmissionRequest& request);

}  // namespace cardswap
