#include "agent/handover/source/source_second_copy.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

namespace cardswap {
namespace {

using handover::SourceState;
using handover::TargetState;

std::string host_of(const std::string& to) { return parse_destination(to).host; }

std::string how_it_is(const Migration& m) {
  if (m.state() == SourceState::superseded) {
    return fmt::format("epoch {} steps at {}; the copy here, of epoch {}, is halted for good",
                       m.epoch(), m.spec().to, m.own_epoch());
  }
  const bool is_halted = m.record().target_state_seen == TargetState::superseded;
  return fmt::format("epoch {} goes on here; the copy at {}, of epoch {}, {}", m.own_epoch(),
                     m.spec().to, m.epoch(),
                     is_halted ? "is halted for good" : "steps and is told to halt");
}

}  // namespace

std::string what_to_do_without_the_record(const Job& job) {
  return fmt::format(
      "the journal's table `damaged` has what is left of {0}; on the host to which it went: "
      "`cardswap jobs`, and `cardswap resolve {0} --force target --overrule` gives it the job; "
      "`cardswap stop --force {1}` here ends this copy",
      job.migration, job.name());
}

std::string copy_note(const Migration& m) {
  if (!m.has_pending_notice() || m.record().target_state_seen == TargetState::nothing) return {};
  if (!m.record().target_state_seen) {
    return fmt::format("epoch {} of it may still run at {} (migration {})", m.epoch(), m.spec().to,
                       m.id());
  }
  if (*m.record().target_state_seen == TargetState::superseded) {
    return fmt::format("its copy at {} is halted for good: `cardswap stop {}` there", m.spec().to,
                       m.spec().job);
  }
  return fmt::format("TWO COPIES: epoch {} of it runs at {} (migration {})", m.epoch(), m.spec().to,
                     m.id());
}

void report_second_copy(const Migration& m, EventSink& events) {
  const auto hint =
      m.state() == SourceState::superseded
          ? fmt::format("`cardswap stop {}` here ends it", m.spec().job)
          : fmt::format("on {}: `cardswap stop {}` ends it", host_of(m.spec().to), m.spec().job);
  const auto text = fmt::format("job {} is there twice (migration {}): {}; {}", m.spec().job,
                                m.id(), how_it_is(m), hint);
  spdlog::error("{}", text);
  events.emit({"two_epochs", text, m.spec().job, m.only().record().device(), m.id()});
}

}  // namespace cardswap
