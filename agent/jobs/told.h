#pragma once

#include <chrono>
#include <map>
#include <string>

#include "agent/jobs/jobs.h"
#include "migrator/wire/channel.h"

/// What a job's runtime says of itself, into its record. A job may say anything: sums and times are
/// made of it, and none of it may reach further than that job.
namespace cardswap {

/// Takes sizes, at most a pebibyte each. Returns what an operator has to know of them, the first
/// time that there is something: the job says that it has more than its whole device; or nothing.
[[nodiscard]] std::string note_sizes(Job& job, const channel::Tracked& told,
                                     std::uint64_t device_bytes);
[[nodiscard]] std::uint64_t bounded_bytes(std::uint64_t told);
void note_step(Job& job, std::uint64_t step, double median_step_ms);

/// A job may say its sizes as often as it likes: the disk hears of them once a second, and of the
/// latest with the job's steps. One thread.
class SizesOnDisk {
 public:
  using Clock = std::chrono::steady_clock;
  [[nodiscard]] bool are_due(const std::string& instance, Clock::time_point now);

 private:
  std::map<std::string, Clock::time_point> written_;
};

/// What of a device of `device_bytes` a job counts for: never more than all of it.
[[nodiscard]] std::uint64_t share_of(const Job& job, std::uint64_t device_bytes);

}  // namespace cardswap
