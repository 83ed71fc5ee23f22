#include "agent/jobs/job_restarts.h"

#include <fmt/format.h>

#include <utility>

#include "agent/base/units.h"

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
  const bool again = failed && ended.restart == RestartRule::on_failure &&
                     ended.restarts < kRestartsMax && !ended.agent_stops && ended.may_restart;
  return again ? AfterEnd::starts_again : AfterEnd::ends;
}

BeforeRestart begin_restart(Instance& instance) {
  auto& job = instance.job();
  BeforeRestart before{instance, job.epoch, job.restarts};
  ++job.restarts;
  ++job.epoch;
  instance.exit_code.reset();
  instance.exit_signal.reset();
  instance.exit_text.clear();
  instance.ended_at_ms = 0;
  instance.token = random_hex(16);  // who carries the old one is not of it any more
  instance.remains.clear();
  instance.state = InstanceState::starting;
  instance.process = {};
  return before;
}

void undo_restart(Instance& instance, BeforeRestart before, const std::string& why) {
  auto& job = instance.job();
  instance = std::move(before.instance);
  job.epoch = before.epoch;
  job.restarts = before.restarts;
  instance.exit_text += fmt::format("{}it could not be started again: {}",
                                    instance.exit_text.empty() ? "" : "; ", why);
}

}  // namespace cardswap
