#pragma once

#include <string>
#include <vector>

#include "agent/jobs/jobs.h"

namespace cardswap {

/// What a host has and what is asked of it.
struct AdmissionRequest {
  std::string job;
  std::string device;
  std::uint64_t state_bytes = 0;
  std::string closed;          ///< why the device takes no jobs now; empty: it does
  bool name_is_taken = false;  ///< by a live job that is not the one which wants to come
  std::vector<Jobs::Device> devices;
  std::string host;
};
struct Admission {
  bool no_memory = false;
  std::vector<std::string> blocked_reasons;
};
/// Pure: may this job come here?
[[nodiscard]] Admission admit(const AdmissionRequest& request);

}  // namespace cardswap
