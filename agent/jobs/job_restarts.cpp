#include "agent/jobs/job_restarts.h"

#include <fmt/format.h>

#include <utility>

#include "agent/base/units.h"
#include "agent/jobs/job_list.h"

namespace cardswap {

InstanceState state_after(InstanceState before, const ProcessEnd& end, bool stop_asked) {
  if (before == InstanceState::moved) return InstanceState::moved;
  if (end.known && !end.failed) return InstanceState::ended;
  if (stop_asked) return InstanceState::stopped;
  return end.known ? InstanceState::failed : InstanceState::lost;
}

AfterEnd after_end(const EndedInstance& ended) {
  if (ended.standby) return AfterEnd::drops_standby;
  const bool failed = ended.state == InstanceState::failed || ended.state == InstanceState::lost;
  if (!failed || ended.is_sender || ended.agent_stops || !ended.may_restart) return AfterEnd::ends;
  if (ended.recovery_asked) return AfterEnd::recovers;
  if (ended.restart != RestartRule::on_failure || ended.restarts >= kRestartsMax) {
    return AfterEnd::ends;
  }
  return ended.has_snapshots ? AfterEnd::recovers : AfterEnd::starts_again;
}

BeforeRestart begin_restart(Instance& instance) {
  auto& job = instance.job();
  BeforeRestart before{instance.record(), instance.remains, job.epoch, job.restarts};
  JobList::count_restart(job);
  instance.remains.clear();
  JobList::note(instance, [](InstanceRecord& record) {
    record.exit_code.reset();
    record.exit_signal.reset();
    record.exit_text.clear();
    record.ended_at_ms = 0;
    record.token = random_hex(16);  // who carries the old one is not of it any more
    record.state = InstanceState::starting;
    record.program = {};
  });
  return before;
}

void undo_restart(Instance& instance, BeforeRestart before, const std::string& why) {
  instance.remains = std::move(before.remains);
  JobList::undo_restart(instance.job(), before.epoch, before.restarts);
  JobList::note(instance, [&](InstanceRecord& record) {
    record = std::move(before.record);
    record.exit_text += fmt::format("{}it could not be started again: {}",
                                    record.exit_text.empty() ? "" : "; ", why);
  });
}

}  // namespace cardswap
