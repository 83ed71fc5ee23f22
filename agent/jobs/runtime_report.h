#pragma once

#include <chrono>
#include <map>
#include <string>

#include "agent/jobs/job.h"
#include "migrator/wire/runtime_messages.h"

/// Takes the reports of a job's runtime into the job's record. A job may report any value, and the
/// agent computes sums and times with it: no report may affect more than that job. All is in memory
/// on return; sizes and steps are on disk with the job's next save.
namespace cardswap {

/// Takes sizes, bounded to a pebibyte each, and obstacles. If the job claims more than its whole
/// device has (`device_bytes`; 0: a snapshot sender, which is on no device of this host), returns a
/// warning for the operator, once; else an empty text.
[[nodiscard]] std::string note_sizes(Instance& instance, const channel::Tracked& reported,
                                     std::uint64_t device_bytes);
/// Takes the present step, and the median duration of recent steps.
void note_step(Instance& instance, std::uint64_t step, double median_step_ms);
/// Takes the state's size from a standby that waits for its state.
void note_parked(Instance& instance, const channel::Parked& parked);

// What only a connected runtime knows. Not in the journal: the runtime tells the next agent again.

void note_network(Instance& instance, std::uint64_t network);
/// Notes whether the trainer waits at a step boundary for the agent.
void note_frozen(Instance& instance, bool frozen);
/// Notes that the trainer stands at the step of its hold, until a later step is noted.
void note_held(Instance& instance, channel::Held held);
/// Notes what has become of the job's gradient log.
void note_logged(Instance& instance, channel::Logged logged);
/// Notes that a runtime is connected. `hello`: its first message. Null: it was connected as another
/// instance before, and `framework` stays as it is.
void note_attached(Instance& instance, const channel::Hello* hello = nullptr);
void note_detached(Instance& instance);
/// Notes the framework of a restored process, as its source's agent told it.
void note_framework(Instance& instance, const std::string& framework);

/// Limits disk writes: a job may report its sizes at any rate, but they are written once a second
/// at most; the latest ones follow with the job's step (save_steps()). One thread.
class SizesOnDisk {
 public:
  using Clock = std::chrono::steady_clock;
  /// Whether the sizes of `instance` are to be written now. True counts as written.
  [[nodiscard]] bool are_due(const std::string& instance, Clock::time_point now);

 private:
  std::map<std::string, Clock::time_point> written_;
};

/// The bytes that an instance counts for on a device of `device_bytes`: the larger of its
/// reservation and its reported size, and never more than the device has.
[[nodiscard]] std::uint64_t share_of(const Instance& instance, std::uint64_t device_bytes);

}  // namespace cardswap
