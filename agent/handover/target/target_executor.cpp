#include "agent/handover/target/target_executor.h"

#include <fmt/format.h>

#include <utility>

#include "agent/base/units.h"
#include "agent/criu/criu_socket_dir.h"
#include "agent/handover/target/target_second_copy.h"

namespace cardswap {

using handover::Message;
using handover::TargetSide;
using Type = handover::Effect::Type;

namespace {

/// Sets the record's error to `why`, unless it has one.
TargetExecutor::Beside because(std::optional<Error> why) {
  return [why = std::move(why)](ReservationRecord& record) {
    if (!record.error) record.error = why;
  };
}

/// Drops the side's answer: the caller reads the state and answers on its own connection.
class Answered final : public handover::OtherSide {
 public:
  void send(const Message&) override {}
};

}  // namespace

std::optional<Error> TargetExecutor::journal(const TargetSide& next, bool required) {
  auto record = reservation_.record();
  record.side = next;
  ++record.version;
  if (const auto beside = std::exchange(beside_, {})) beside(record);
  const bool over = is_over(next.state());
  if (over && record.ended_at_ms == 0) record.ended_at_ms = unix_ms();
  if (over) record.addresses = {};  // nothing is sent there any more, and many are kept
  std::optional<Error> refused;
  try {
    list_.save(record);
  } catch (const Error& error) {
    if (required) return error;
    refused = error;
    spdlog::error("migration {}: {}", reservation_.migration(), error.what());
  }
  reservation_.record_ = std::move(record);
  if (over) {
    reservation_.forget_its_start();
    criu::remove_criu_socket_dir(context_.config, reservation_.migration(),
                                 criu::CriuSocketPeer::holder);
  }
  // The keeper of a snapshot is `verified` while it writes, and its source goes on meanwhile.
  context_.handover_gate.note(reservation_.migration(),
                              is_handing_over(next.state()) && !next.durable().to_store);
  spdlog::info("migration {} here: {}", reservation_.migration(), to_string(next.state()));
  list_.changed(reservation_).notify();
  return refused;
}

void TargetExecutor::execute(const handover::Effect& effect, const TargetSide& next) noexcept {
  try {
    act(effect, next);
  } catch (...) {
    spdlog::error("migration {}: {}", reservation_.migration(),
                  error_of(std::current_exception()).what());
  }
}

void TargetExecutor::act(const handover::Effect& effect, const TargetSide& next) {
  auto* standby = context_.jobs.by_instance(reservation_.instance());
  switch (effect.type) {
    case Type::start_standby: break;  // reserve() does, whose event it is: that may take a while
    case Type::kill_standby: arrival_.end_standby(); break;
    case Type::grant:
      if (standby != nullptr) grant(*standby, effect.epoch, next);
      break;
    case Type::halt_trainer: {
      auto* job = standby != nullptr ? &standby->job() : nullptr;
      const auto newer = std::max(effect.epoch, job != nullptr ? job->newer_epoch : 0);
      if (job != nullptr) context_.processes.halt_trainer(*job, newer);
      report_second_copy(reservation_, job != nullptr ? job->name() : "?", newer, context_.events);
      break;
    }
    case Type::let_on:
      if (standby != nullptr)
        context_.hub.send(*standby, channel::Release{reservation_.migration()});
      break;
    default: break;  // a source's
  }
}

void TargetExecutor::grant(Instance& standby, handover::Epoch epoch, const TargetSide& next) {
  context_.processes.promote(standby.job(), epoch);
  arrival_.grant();
  context_.hub.send(standby, channel::Grant{reservation_.migration(), epoch,
                                            next.durable().content.state_digest});
  spdlog::info("job {} is granted to this host under epoch {}", standby.name(), epoch);
}

void TargetExecutor::apply(const TargetSide& next, const handover::Effects& effects,
                           handover::OtherSide& other, Beside beside) {
  beside_ = std::move(beside);
  handover::Driver<TargetSide> driver(reservation_.record_.side, *this, other);
  auto refused = driver.apply(next, effects);
  beside_ = {};
  if (refused) throw Error(*refused);
}
void TargetExecutor::apply(const TargetSide& next, const handover::Effects& effects,
                           Beside beside) {
  apply(next, effects, source_, std::move(beside));
}
void TargetExecutor::apply(handover::TargetEvent event) {
  auto next = reservation_.record().side;
  const auto effects = next.on(event);
  apply(next, effects);
}
void TargetExecutor::apply(const Message& said, std::optional<Error> why) {
  auto next = reservation_.record().side;
  const auto effects = next.on(said);
  Answered answered;
  const bool leads = next.state() != reservation_.state();
  apply(next, effects, answered, leads ? because(std::move(why)) : Beside());
}
void TargetExecutor::apply(const handover::Content& verified) {
  auto next = reservation_.record().side;
  const auto effects = next.verified(verified);
  apply(next, effects);
}
void TargetExecutor::tick() {
  apply(TargetSide(reservation_.record().side), reservation_.record().side.tick());
}

void TargetExecutor::fail(handover::TargetEvent event, Error error) {
  auto next = reservation_.record().side;
  const auto effects = next.on(event);
  const bool leads = next.state() != reservation_.state();
  if (leads) spdlog::warn("migration {}: {}", reservation_.migration(), error.what());
  apply(next, effects, leads ? because(std::move(error)) : Beside());
}

}  // namespace cardswap
