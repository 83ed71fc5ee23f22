#include "agent/handover/target/admission.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/base/units.h"

namespace cardswap {

void AdmissionVerdict::block(std::string reason, std::string what_to_do) {
  if (blocked_reasons.empty()) hint = std::move(what_to_do);
  blocked_reasons.push_back(std::move(reason));
}

AdmissionVerdict admit(const AdmissionRequest& request) {
  AdmissionVerdict result;
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

}  // namespace cardswap
