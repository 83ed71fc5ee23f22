#include "agent/handover/admission.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "agent/units.h"

namespace cardswap {

Admission admit(const AdmissionRequest& request) {
  Admission result;
  const Jobs::Device* found = nullptr;
  std::vector<std::string> names;
  for (const auto& device : request.devices) {
    names.push_back(device.name);
    if (device.name == request.device) found = &device;
  }
  if (found == nullptr) {
    result.blocked_reasons.push_back(fmt::format("no device {} on {}; it has {}", request.device,
                                                 request.host, fmt::join(names, ", ")));
  } else if (found->free_bytes < request.state_bytes) {
    result.no_memory = true;
    result.blocked_reasons.push_back(fmt::format("{} free on {}, {} needed for job {}",
                                                 format_size(found->free_bytes), request.device,
                                                 format_size(request.state_bytes), request.job));
  }
  if (found != nullptr && !request.closed.empty()) {
    result.blocked_reasons.push_back(request.closed);
  }
  if (request.name_is_taken) {
    result.blocked_reasons.push_back(
        fmt::format("another job named {} runs on {} already", request.job, request.host));
  }
  return result;
}

}  // namespace cardswap
