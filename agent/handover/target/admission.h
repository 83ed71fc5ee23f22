#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>
#include <string>
#include <vector>

#include "agent/jobs/device_usage.h"
#include "agent/security/access.h"
#include "migrator/base/error.h"

namespace cardswap {

/// Open places of one agent, by its certificate: a drain of a large host needs a few dozen at once.
inline constexpr std::size_t kReservationsMax = 64;

/// A host's state, and the place that is asked of it.
struct AdmissionRequest {
  std::string job;
  std::string device;
  std::uint64_t state_bytes = 0;
  std::string closed;          ///< why the device takes no jobs now; empty: it does
  bool name_is_taken = false;  ///< by a live job that this agent does not move within this host
  bool uid_is_taken = false;   ///< the uid is the job's of another name
  bool is_on_its_way = false;  ///< by another agent's word, or another job of that name
  std::string by;              ///< who asks
  std::size_t open_reservations = 0;  ///< places that are open for it already
  bool is_there = false;              ///< the job itself is on that device of this host
  std::vector<DeviceUsage> devices;
  std::string host;
};
/// The answer to an AdmissionRequest: whether the job may come, and if not, why not.
struct Admission {
  bool no_memory = false;
  std::vector<std::string> blocked_reasons;
  std::string hint;  ///< what to do about the first reason; empty: take another device

  void block(std::string reason, std::string what_to_do = {});
};
/// Decides whether this job may come here. Pure.
[[nodiscard]] Admission admit(const AdmissionRequest& request);

/// The agent that asks for a place, as far as it is known. A caller with a certificate is the
/// certificate's host; if `from` names another, it also names the certificate. The agent is asked
/// for the decision at an address of the certificate, or at the one that the call came from. A
/// caller without a certificate names host and address itself.
struct Requester {
  std::string from;      ///< for people
  std::string from_api;  ///< host:port; or empty
};
[[nodiscard]] Requester requester_of(const Caller& caller, const std::string& from,
                                     const std::string& from_api);

/// Why this host cannot start the job's program: it has no such user, folder or program, or the
/// user may not execute it. Found out as the start itself would, and without starting it.
[[nodiscard]] boost::asio::awaitable<std::optional<Error>> why_not_started(const JobSpec& spec,
                                                                           const Config& config);

}  // namespace cardswap
