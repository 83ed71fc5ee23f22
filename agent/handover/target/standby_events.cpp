#include "agent/handover/target/standby_events.h"

#include <fmt/format.h>

#include <utility>

#include "agent/base/validate.h"
#include "agent/handover/base/data_plane.h"
#include "agent/handover/base/standby_warning.h"
#include "agent/process/log_tail.h"

namespace cardswap {
namespace {

using handover::TargetEvent;
using handover::TargetState;

constexpr double kMsMax = 1e12;

std::string how_it_ended(const Instance& standby) {
  if (standby.record().exit_signal) {
    return fmt::format("was ended by signal {}", *standby.record().exit_signal);
  }
  if (standby.record().exit_code)
    return fmt::format("ended with exit {}", *standby.record().exit_code);
  return "ended";
}

}  // namespace

void StandbyEvents::on_message(Instance& standby, const channel::Message& message) {
  if (arrival_.take(message)) return;
  if (const auto* parked = std::get_if<channel::Parked>(&message)) {
    on_parked(standby, *parked);
  } else if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    on_verified(*verified);
  } else if (const auto* stored = std::get_if<channel::Stored>(&message)) {
    on_stored(*stored);
  } else if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    on_failed(*failed);
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    // By two clocks it may be less than nothing, which the source's agent would take for no answer.
    list_.note(reservation_, [&](ReservationNotes& notes) {
      notes.downtime_ms = std::clamp(resumed->downtime_ms, 0.0, kMsMax);
      notes.clock_error_ms = std::clamp(resumed->clock_error_ms, 0.0, kMsMax);
    });
    run_.apply(TargetEvent::standby_resumed);
  } else if (const auto* steps = std::get_if<channel::FirstSteps>(&message)) {
    if (steps->migration == reservation_.migration()) on_first_steps(steps->took_ms, steps->over);
  } else if (std::holds_alternative<channel::FirstStep>(message)) {
    run_.apply(TargetEvent::standby_stepped);
  } else if (const auto* ended = std::get_if<channel::Ended>(&message)) {
    // A job whose last step was the one it moved at has no further step to take.
    if (reservation_.is_granted() &&
        ended->step >= reservation_.record().side.durable().content.step) {
      run_.apply(TargetEvent::standby_stepped);
    }
  }
}

void StandbyEvents::on_parked(const Instance& standby, const channel::Parked& parked) {
  const bool by_standby =
      reservation_.record().arrive == ArrivalMode::standby && reservation_.record().store.empty();
  if (by_standby && !reservation_.framework.empty() &&
      reservation_.framework != standby.framework) {
    run_.fail(TargetEvent::standby_failed,
              Error(Code::refused,
                    fmt::format("job {} runs on {}, its standby on {} on {}", standby.name(),
                                reservation_.framework, config_.host_name, standby.framework),
                    "the two compute other bits: install the same release on both hosts"));
    return;
  }
  list_.note(reservation_, [&](ReservationNotes& notes) {
    notes.data_host = parked.host;
    notes.data_port = parked.port;
    if (is_own_network(standby.network)) notes.addresses = own_addresses();
  });
  note_warning(standby);
  run_.apply(TargetEvent::standby_parked);
}

/// A standby runs its program's first lines while the job trains.
void StandbyEvents::note_warning(const Instance& standby) {
  const auto warning = standby_warning(standby, reservation_.record().job, config_.host_name);
  if (warning.empty()) return;
  list_.note(reservation_, [&](ReservationNotes& notes) { notes.warning = warning; });
  spdlog::warn("migration {}: {}", reservation_.migration(), warning);
  events_.emit({.kind = "standby_writes",
                .text = warning,
                .job = reservation_.record().job,
                .device = standby.device(),
                .migration = reservation_.migration()});
}

void StandbyEvents::on_verified(const channel::Verified& verified) {
  arrival_.note_verified();
  reservation_.keeper_heard_at = std::chrono::steady_clock::now();
  const handover::Content content{verified.state_digest, verified.step};
  const bool is_repeated = !reservation_.record().store.empty() &&
                           reservation_.state() == TargetState::verified &&
                           reservation_.record().side.durable().content == content;
  if (is_repeated) return;  // by a keeper: no record, which a full disk could refuse
  try {
    run_.apply(content);
  } catch (const Error& disk) {
    // The source is frozen and waits for this record: better it learns that there is none.
    if (reservation_.state() != TargetState::parked) throw;
    run_.fail(TargetEvent::standby_failed, disk.within("hold the state on " + config_.host_name));
  }
}

/// The snapshot is published: it needs neither the keeper nor the source any more.
void StandbyEvents::on_stored(const channel::Stored& stored) {
  if (stored.migration != reservation_.migration() ||
      reservation_.state() != TargetState::verified) {
    return;
  }
  list_.note(reservation_, [&](ReservationNotes& notes) {
    notes.stored = {stored.number, validate::word_or_none("manifest", stored.manifest),
                    stored.new_bytes, stored.written_bytes, stored.tag_error};
  });
  run_.apply(TargetEvent::standby_stored);
}

void StandbyEvents::on_failed(const channel::Failed& failed) {
  // A standby that holds the whole state needs its source no more, only the decision.
  const bool gone = failed.code == Code::link_lost || failed.code == Code::source_lost ||
                    failed.code == Code::cancelled;
  const bool holds = reservation_.state() == TargetState::verified && gone;
  if ((!reservation_.is_granted() && !holds) || failed.code == Code::digest_mismatch) {
    run_.fail(TargetEvent::standby_failed, Error(failed.code, failed.failure, failed.hint));
  }
}

void StandbyEvents::on_first_steps(std::vector<double> took_ms, bool over) {
  if (!reservation_.is_granted() || reservation_.record().first_steps_over) return;
  if (took_ms.size() == reservation_.record().first_steps.size() && !over) return;
  for (auto& ms : took_ms) ms = std::clamp(ms, 0.0, kMsMax);
  list_.note(reservation_, [&](ReservationNotes& notes) {
    notes.first_steps = std::move(took_ms);
    notes.first_steps_over = over;
  });
  list_.touch(reservation_);
  if (!over) return;
  try {
    list_.save(reservation_.record());
  } catch (const Error& disk) {  // it is told while this agent runs
    spdlog::warn("migration {}: {}", reservation_.migration(), disk.what());
  }
}

void StandbyEvents::on_exit(const Instance& standby) {
  on_first_steps(reservation_.record().first_steps, true);
  const auto said = log_tail(standby.record().log_path);
  const Error ended(
      Code::target_lost,
      fmt::format("the standby of job {} on {} {}{}{}", standby.name(), config_.host_name,
                  how_it_ended(standby), said.empty() ? "" : "; its last words: ", said),
      "the program must reach its first step there: check files, arguments and memory; "
      "`cardswap logs " +
          standby.name() + "` there shows its log");
  if (!arrival_.put_off(ended)) run_.fail(TargetEvent::standby_ended, ended);
}

channel::Welcome welcome_of(const Instance& standby, const Reservation* r, const Config& config) {
  channel::Welcome welcome;
  welcome.migration = standby.job().migration;
  welcome.hold_at = standby.job().spec.hold_at;
  welcome.again_until = standby.job().spec.again_until;
  if (r != nullptr) {
    welcome.epoch = r->is_granted() ? r->epoch() : 0;
    welcome.granted = r->is_granted();
    welcome.data_token = r->record().data_token;
    welcome.data_key = r->data_key;
    welcome.data_host = r->record().image_host;
    welcome.gang = r->place;
    if (is_own_network(standby.network)) welcome.allowed_addresses = r->allowed_addresses;
  }
  welcome.transports = config.transports;
  return welcome;
}

}  // namespace cardswap
