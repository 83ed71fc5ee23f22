#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/device_usage.h"
#include "agent/security/access.h"
#include "migrator/base/error.h"

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
struct Admission {
  bool no_memory = false;
  std::vector<std::string> blocked_reasons;
  std::string hint;  ///< what to do about the first reason; empty: take another device

  /// Adds a reason. `what_to_do` becomes the hint if it is the first reason.
  void block(std::string reason, std::string what_to_do = {});
};
/// Decides whether this job may come here. Pure.
[[nodiscard]] Admission admit(const AdmissionRequest& request);

/// The agent that asks for a reservation, as far as it is known.
struct Requester {
  std::string from;      ///< its host and device, for people
  std::string from_api;  ///< host:port at which it is asked for its decision; or empty
};
/// Makes a Requester of what the caller says and proves. Without a certificate, `from` and
/// `from_api` are believed. With one, `from` also names the certificate if it names another host,
/// and `from_api` must be an address of the certificate: else the address that the call came from
/// is used. Pure.
[[nodiscard]] Requester requester_of(const Caller& caller, const std::string& from,
                                     const std::string& from_api);

/// Why this host cannot start the job's program: it has no such user, folder or program, or the
/// user may not execute it. Nullopt: it can. Tries the same calls as a start, in a child process,
/// without starting the program. May take some seconds. `config` must outlive it.
[[nodiscard]] boost::asio::awaitable<std::optional<Error>> why_not_started(const JobSpec& spec,
                                                                           const Config& config);

}  // namespace cardswap
