#pragma once

#include <chrono>
#include <map>
#include <string>

#include "agent/jobs/job.h"
#include "migrator/wire/runtime_messages.h"

/// Takes reports of a job's runtime into the job's record. A job may report anything, and the agent
/// computes sums and times with it: no report may affect more than that job.
namespace cardswap {

/// Takes sizes, at most a pebibyte each. If the job claims more than its whole device has, returns
/// a warning for the operator, once; else nothing.
[[nodiscard]] std::string note_sizes(Instance& instance, const channel::Tracked& reported,
                                     std::uint64_t device_bytes);
[[nodiscard]] std::uint64_t bounded_bytes(std::uint64_t reported);
void note_step(Instance& instance, std::uint64_t step, double median_step_ms);

/// Limits disk writes: a job may report its sizes at any rate, the journal gets them once a second,
/// and the latest ones with the job's steps. One thread.
class SizesOnDisk {
 public:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] bool are_due(const std::string& instance, Clock::time_point now);

 private:
  std::map<std::string, Clock::time_point> written_;
};

/// The bytes that a job counts for on a device of `device_bytes`: never more than all of it.
[[nodiscard]] std::uint64_t share_of(const Instance& instance, std::uint64_t device_bytes);

}  // namespace cardswap
