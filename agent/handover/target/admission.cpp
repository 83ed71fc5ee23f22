#include "agent/handover/target/admission.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/base/address.h"
#include "agent/base/units.h"
#include "agent/handover/base/data_plane.h"
#include "agent/jobs/startable.h"

namespace cardswap {

void Admission::block(std::string reason, std::string what_to_do) {
  if (blocked_reasons.empty()) hint = std::move(what_to_do);
  blocked_reasons.push_back(std::move(reason));
}

Admission admit(const AdmissionRequest& request) {
  Admission result;
  const DeviceUsage* found = nullptr;
  std::vector<std::string> names;
  for (const auto& device : request.devices) {
    names.push_back(device.name);
    if (device.name == request.device) found = &device;
  }
  if (found == nullptr) {
    result.block(fmt::format("no device {} on {}; it has {}", request.device, request.host,
                             fmt::join(names, ", ")));
  } else if (request.is_there) {
    result.block(fmt::format("job {} runs on {} of {}: it is there already", request.job,
                             request.device, request.host));
  } else if (found->free_bytes < request.state_bytes) {
    result.no_memory = true;
    result.block(fmt::format("{} free on {}, {} needed for job {}", format_size(found->free_bytes),
                             request.device, format_size(request.state_bytes), request.job));
  }
  if (found != nullptr && !request.closed.empty()) result.block(request.closed);
  if (request.name_is_taken) {
    result.block(fmt::format("another job named {} runs on {} already", request.job, request.host),
                 "stop that one, or take another host");
  }
  if (request.uid_is_taken) {
    result.block(fmt::format("what job {} would be runs on {} under another name", request.job,
                             request.host),
                 "stop that one, or take another host");
  }
  if (request.is_on_its_way) {
    result.block(fmt::format("another job named {} is on its way to {}", request.job, request.host),
                 "wait for its migration, or take another host");
  }
  if (request.open_reservations >= kReservationsMax) {
    result.block(fmt::format("{} holds {} places on {}, and an agent may hold {}", request.by,
                             request.open_reservations, request.host, kReservationsMax),
                 "wait for those migrations, or take another host");
  }
  return result;
}

Requester requester_of(const Caller& caller, const std::string& from, const std::string& from_api) {
  Requester requester{from, callback_address(from_api, caller.came_from)};
  if (caller.role != ApiRole::agent || caller.hosts.empty()) return requester;
  const auto host = from.substr(0, from.find('/'));
  const bool is_same = host == caller.name || host.starts_with(caller.name + ".") ||
                       caller.name.starts_with(host + ".");
  if (!is_same && !caller.is_for(host)) {
    requester.from = from.empty() ? caller.name : fmt::format("{} (says {})", caller.name, from);
  }
  const auto address = address_from(requester.from_api, kAgentPort, true);
  if (address && address->host != caller.came_from && !caller.is_for(address->host)) {
    requester.from_api = Address{caller.came_from, address->port}.text();
  }
  return requester;
}

boost::asio::awaitable<std::optional<Error>> why_not_startable(const JobSpec& spec,
                                                               const Config& config) {
  try {
    ProcessSpec process;
    process.argv = spec.argv;
    process.env = spec.env;
    process.cwd = spec.cwd.empty() ? std::string("/") : spec.cwd;
    const auto& user = spec.user.empty() ? config.job_user : spec.user;
    if (!user.empty()) process.user = job_user(user);
    co_return co_await why_not_startable(std::move(process));
  } catch (const Error& error) {
    co_return error;
  }
}

}  // namespace cardswap
