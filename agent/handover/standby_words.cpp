// What a standby and the kernel say of it, as events of its reservation.

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "agent/handover/reservations.h"
#include "agent/process/log_file.h"
#include "migrator/core/descriptor.h"
#include "migrator/core/ms_since.h"
#include "migrator/core/utf8.h"

namespace cardswap {
namespace {

using handover::TargetEvent;
using handover::TargetState;
using Clock = std::chrono::steady_clock;

constexpr double kMsMax = 1e12;

/// The end of a log, for an error's text: what the program said last.
std::string last_lines(const std::string& path) {
  constexpr std::size_t kBytes = 400;
  Descriptor file;
  try {
    file = Descriptor(open_old_log(path, O_RDONLY));
  } catch (const Error&) {
    return {};  // somebody put something else in its place, which is not the program's words
  }
  const auto size = file ? ::lseek(file.get(), 0, SEEK_END) : 0;
  if (size <= 0) return {};
  std::string text(kBytes, '\0');
  const auto got = ::pread(file.get(), text.data(), text.size(),
                           std::max<off_t>(0, size - static_cast<off_t>(text.size())));
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
  while (!text.empty() && text.back() == '\n') text.pop_back();
  for (auto& c : text) c = c == '\n' ? '|' : c;
  return as_utf8(std::move(text));
}

std::string how_it_ended(const Instance& standby) {
  if (standby.exit_signal) {
    return fmt::format("was ended by signal {}", *standby.exit_signal);
  }
  if (standby.exit_code) return fmt::format("ended with exit {}", *standby.exit_code);
  return "ended";
}

}  // namespace

channel::Welcome Reservations::welcome(const Instance& standby) {
  channel::Welcome welcome;
  welcome.migration = standby.job().migration;
  if (const auto* r = of(standby)) {
    welcome.epoch = r->granted() ? r->side.record().epoch : 0;
    welcome.granted = r->granted();
    welcome.data_token = r->data_token;
    welcome.data_key = r->data_key;
    welcome.data_host = r->image_host;
    if (is_own_network(standby.network)) welcome.data_peers = r->data_peers;
  }
  welcome.transports = config_.transports;
  return welcome;
}

void Reservations::on_message(Instance& standby, const channel::Message& message) {
  auto* r = of(standby);
  if (r == nullptr || is_from_holder(*r, message)) return;
  if (const auto* parked = std::get_if<channel::Parked>(&message)) {
    const bool by_standby = r->arrive == Arrival::standby;
    if (by_standby && !r->framework.empty() && r->framework != standby.framework) {
      fail(*r, TargetEvent::standby_failed,
           Error(Code::refused,
                 fmt::format("job {} runs on {}, its standby on {} on {}", standby.name(),
                             r->framework, config_.host_name, standby.framework),
                 "the two compute other bits: install the same release on both hosts"));
      return;
    }
    r->data_host = parked->host;
    r->data_port = parked->port;
    if (is_own_network(standby.network)) r->addresses = own_addresses();
    look_at_files(*r, standby);
    apply(*r, TargetEvent::standby_parked);
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    if (r->arrived && r->restored_at != Clock::time_point{}) {
      r->verify_ms = ms_since(r->restored_at);
    }
    try {
      apply(*r, handover::Content{verified->root, verified->step});
    } catch (const Error& disk) {
      // The source is frozen and waits for this record: better it learns that there is none.
      if (r->side.state() != TargetState::parked) throw;
      fail(*r, TargetEvent::standby_failed, disk.within("hold the state on " + config_.host_name));
    }
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    // A standby that holds the whole state needs its source no more, only the decision.
    const bool gone = failed->code == Code::link_lost || failed->code == Code::source_lost ||
                      failed->code == Code::cancelled;
    const bool holds = r->side.state() == TargetState::verified && gone;
    if ((!r->granted() && !holds) || failed->code == Code::digest_mismatch) {
      fail(*r, TargetEvent::standby_failed, Error(failed->code, failed->failure, failed->hint));
    }
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    // By two clocks it may be less than nothing, which the source's agent would take for no answer.
    r->downtime_ms = std::clamp(resumed->downtime_ms, 0.0, kMsMax);
    r->clock_error_ms = std::clamp(resumed->clock_error_ms, 0.0, kMsMax);
    apply(*r, TargetEvent::standby_resumed);
  } else if (const auto* steps = std::get_if<channel::FirstSteps>(&message)) {
    if (steps->migration == r->migration) hear_first_steps(*r, steps->took_ms, steps->over);
  } else if (std::holds_alternative<channel::FirstStep>(message)) {
    apply(*r, TargetEvent::standby_stepped);
  } else if (const auto* ended = std::get_if<channel::Ended>(&message)) {
    // A job whose last step was the one it moved at has no further step to take.
    if (r->granted() && ended->step >= r->side.record().content.step) {
      apply(*r, TargetEvent::standby_stepped);
    }
  }
}

void Reservations::hear_first_steps(Reservation& r, const std::vector<double>& took_ms, bool over) {
  if (!r.granted() || r.first_steps_over) return;
  if (took_ms.size() == r.first_steps.size() && !over) return;
  r.first_steps = took_ms;
  for (auto& ms : r.first_steps) ms = std::clamp(ms, 0.0, kMsMax);
  r.first_steps_over = over;
  ++r.version;
  changed_.notify();
  if (!over) return;
  try {
    save(r);
  } catch (const Error& disk) {  // it is told while this agent runs
    spdlog::warn("migration {}: {}", r.migration, disk.what());
  }
}

void Reservations::on_exit(Instance& standby) {
  auto* r = of(standby);
  if (r == nullptr) return;
  hear_first_steps(*r, std::vector(r->first_steps), true);
  const auto said = last_lines(standby.log_path);
  fail(*r, TargetEvent::standby_ended,
       Error(Code::target_lost,
             fmt::format("the standby of job {} on {} {}{}{}", standby.name(), config_.host_name,
                         how_it_ended(standby), said.empty() ? "" : "; its last words: ", said),
             "the program must reach its first step there: check files, arguments and memory; "
             "`cardswap logs " +
                 standby.name() + "` there shows its log"));
}

}  // namespace cardswap
