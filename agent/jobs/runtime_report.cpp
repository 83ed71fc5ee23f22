#include "agent/jobs/runtime_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/units.h"
#include "agent/base/validate.h"
#include "agent/jobs/job_list.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

constexpr std::uint64_t kBytesMax = 1ULL << 50;
constexpr std::chrono::seconds kWriteEvery{1};

}  // namespace

std::string note_sizes(Instance& instance, const channel::Tracked& reported,
                       std::uint64_t device_bytes) {
  JobList::note(instance, [&](InstanceRecord& record) {
    record.state_bytes = std::min(reported.state_bytes, kBytesMax);
    record.replayed_bytes = std::min(reported.replayed_bytes, record.state_bytes);
    record.update_bytes = std::min(reported.update_bytes, kBytesMax);
    record.relocatable_bytes = std::min(reported.relocatable_bytes, record.state_bytes);
  });
  instance.reported = true;
  instance.obstacles = reported.obstacles;
  if (device_bytes == 0 || reported.state_bytes <= device_bytes) return {};
  if (std::exchange(instance.oversize_reported, true)) return {};
  return fmt::format(
      "job {} says that it keeps {} on {}, which has {}: it counts for all of that device, and "
      "nothing else is let in there until it ends",
      instance.name(), format_size(instance.record().state_bytes), instance.device(),
      format_size(device_bytes));
}

void note_step(Instance& instance, std::uint64_t step, double median_step_ms) {
  JobList::note(instance,
                [&](InstanceRecord& record) { record.step = std::min(step, validate::kStepMax); });
  instance.median_step_ms = std::max(median_step_ms, 0.0);
  if (instance.held && step > instance.held->step) instance.held.reset();
}

void note_parked(Instance& instance, const channel::Parked& parked) {
  JobList::note(instance, [&](InstanceRecord& record) {
    record.state_bytes = std::min(parked.state_bytes, kBytesMax);
  });
}

void note_network(Instance& instance, std::uint64_t network) { instance.network = network; }

void note_frozen(Instance& instance, bool frozen) { instance.frozen = frozen; }

void note_held(Instance& instance, channel::Held held) {
  held.step = std::min(held.step, validate::kStepMax);
  note_step(instance, held.step, instance.median_step_ms);
  instance.held = std::move(held);
}

void note_logged(Instance& instance, channel::Logged logged) {
  logged.waited_ms = std::max(logged.waited_ms, 0.0);
  for (auto* step : {&logged.from, &logged.to, &logged.dropped_step}) {
    *step = std::min(*step, validate::kStepMax);
  }
  logged.failure = as_utf8(logged.failure);
  instance.logged = std::move(logged);
}

void note_attached(Instance& instance, const channel::Hello* hello) {
  instance.attached = true;
  if (hello == nullptr) return;
  instance.framework = as_utf8(hello->framework);
  instance.held.reset();    // it tells again where it stands,
  instance.logged.reset();  // and what it logs
}

void note_detached(Instance& instance) { instance.attached = false; }

void note_framework(Instance& instance, const std::string& framework) {
  instance.framework = framework;
}

bool SizesOnDisk::are_due(const std::string& instance, Clock::time_point now) {
  const auto latest = written_.find(instance);
  if (latest != written_.end() && now - latest->second < kWriteEvery) return false;
  std::erase_if(written_, [&](const auto& each) { return now - each.second >= kWriteEvery; });
  written_[instance] = now;
  return true;
}

std::uint64_t share_of(const Instance& instance, std::uint64_t device_bytes) {
  return std::min(std::max(instance.record().reserved_bytes, instance.record().state_bytes),
                  device_bytes);
}

}  // namespace cardswap
