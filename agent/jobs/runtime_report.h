#pragma once

#include <chrono>
#include <map>
#include <string>

#include "agent/jobs/job.h"
#include "migrator/wire/runtime_messages.h"

/// Takes reports of a job's runtime into the job's record. A job may report anything, and the agent
/// computes sums and times with it: no report may affect more than that job. All of it is in memory
/// on return; sizes and steps are on disk at the job's next save.
namespace cardswap {

/// Takes sizes, at most a pebibyte each. If the job claims more than its whole device has, returns
/// a warning for the operator, once; else nothing. `device_bytes` of 0: what stands in for it is on
/// no device of this host.
[[nodiscard]] std::string note_sizes(Instance& instance, const channel::Tracked& reported,
                                     std::uint64_t device_bytes);
void note_step(Instance& instance, std::uint64_t step, double median_step_ms);
/// Takes the size of a standby that waits for its state.
void note_parked(Instance& instance, const channel::Parked& parked);

// What only a runtime that is there knows. It is not journalled: the next agent is told it anew.

void note_network(Instance& instance, std::uint64_t network);
/// Notes whether the trainer stands at a boundary and waits for the agent's word.
void note_frozen(Instance& instance, bool frozen);
/// A runtime is connected. `hello`: its first message; null: it was connected for another instance
/// before, and this one keeps what it is known by.
void note_attached(Instance& instance, const channel::Hello* hello = nullptr);
void note_detached(Instance& instance);

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
