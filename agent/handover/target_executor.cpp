// What follows from an event at the target: on disk first, then to the standby and the source.

#include <fmt/format.h>

#include <utility>

#include "agent/base/units.h"
#include "agent/criu/meeting.h"
#include "agent/handover/copies.h"
#include "agent/handover/driver.h"
#include "agent/handover/reservations.h"

namespace cardswap {

using handover::Message;
using handover::TargetEvent;
using handover::TargetSide;
using handover::TargetState;
using Type = handover::Effect::Type;

namespace {

/// Whoever asked is answered on the connection on which it asked.
class Answered final : public handover::Peer {
 public:
  void send(const Message&) override {}
};

}  // namespace

class Reservations::Target final : public handover::Executor<TargetSide>, public handover::Peer {
 public:
  Target(Reservations& all, Reservation& r) : all_(all), r_(r) {}

  std::optional<Error> journal(const TargetSide& next, bool required) override;
  void execute(const handover::Effect& effect, const TargetSide& next) override;
  /// Each message of a target's own is the question what was decided: what it tells goes along.
  void send(const Message&) override { all_.call_source(r_); }

 private:
  void grant(Instance& standby, handover::Epoch epoch, const TargetSide& next);

  Reservations& all_;
  Reservation& r_;
};

std::optional<Error> Reservations::Target::journal(const TargetSide& next, bool required) {
  auto record = r_;
  record.side = next;
  ++record.version;
  if (is_over(next.state())) {
    if (record.ended_at_ms == 0) record.ended_at_ms = unix_ms();
    record.drop_what_its_end_does_not_need();
  }
  std::optional<Error> refused;
  try {
    all_.save(record);
  } catch (const Error& error) {
    spdlog::error("migration {}: {}", r_.migration, error.what());
    if (required) return error;
    refused = error;
  }
  r_ = std::move(record);
  if (is_over(next.state())) {
    criu::close_meeting(all_.config_, r_.migration, criu::Meeting::holder);
  }
  all_.handover_gate_.note(
      r_.migration, next.state() == TargetState::verified || next.state() == TargetState::granted);
  spdlog::info("migration {} here: {}", r_.migration, to_string(next.state()));
  all_.changed_.notify();
  return refused;
}

void Reservations::Target::execute(const handover::Effect& effect, const TargetSide& next) {
  auto* standby = all_.jobs_.by_instance(r_.instance);
  switch (effect.type) {
    case Type::start_standby: break;  // reserve() does, whose event it is: that may take a while
    case Type::kill_standby: all_.end_standby(r_); break;
    case Type::grant:
      if (standby != nullptr) grant(*standby, effect.epoch, next);
      break;
    case Type::fence: {
      auto* job = standby != nullptr ? &standby->job() : nullptr;
      const auto newer = std::max(effect.epoch, job != nullptr ? job->newer_epoch : 0);
      if (job != nullptr) all_.jobs_.fence(*job, newer);
      tell_two_copies(r_, job != nullptr ? job->name() : "?", newer, all_.tell_);
      break;
    }
    case Type::resume:
      if (standby != nullptr) all_.hub_.send(*standby, channel::Release{r_.migration});
      break;
    default: break;  // a source's
  }
}

void Reservations::Target::grant(Instance& standby, handover::Epoch epoch, const TargetSide& next) {
  all_.jobs_.promote(standby.job(), epoch);
  if (const auto here = all_.arrivals_.find(r_.migration); here != all_.arrivals_.end()) {
    here->second->grant();
  }
  all_.hub_.send(standby, channel::Grant{r_.migration, epoch, next.record().content.root});
  spdlog::info("job {} is granted to this host under epoch {}", standby.name(), epoch);
}

/// The one door through which a state changes.
void Reservations::apply(Reservation& r, const TargetSide& next, const handover::Effects& effects) {
  Target target(*this, r);
  handover::Driver<TargetSide> driver(r.side, target, target);
  if (auto refused = driver.apply(next, effects)) throw Error(*refused);
}
void Reservations::apply(Reservation& r, TargetEvent event) {
  auto next = r.side;
  const auto effects = next.on(event);
  apply(r, next, effects);
}
void Reservations::apply(Reservation& r, const Message& message) {
  auto next = r.side;
  const auto effects = next.on(message);
  Target target(*this, r);
  Answered answered;
  handover::Driver<TargetSide> driver(r.side, target, answered);
  if (auto refused = driver.apply(next, effects)) throw Error(*refused);
}
void Reservations::apply(Reservation& r, const handover::Content& verified) {
  auto next = r.side;
  const auto effects = next.verified(verified);
  apply(r, next, effects);
}

/// `error` is why, where the event leads somewhere and nothing was wrong before.
void Reservations::fail(Reservation& r, TargetEvent event, Error error) {
  auto next = r.side;
  const auto effects = next.on(event);
  if (next.state() != r.side.state()) {
    spdlog::warn("migration {}: {}", r.migration, error.what());
    if (!r.error) r.error = std::move(error);
  }
  apply(r, next, effects);
}

}  // namespace cardswap
