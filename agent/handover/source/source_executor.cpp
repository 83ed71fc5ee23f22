#include "agent/handover/source/source_executor.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/base/in_doubt.h"
#include "agent/handover/source/source_second_copy.h"
#include "agent/jobs/runtime_report.h"

namespace cardswap {

using handover::Message;
using handover::SourceSide;
using Type = handover::Effect::Type;

namespace {

constexpr std::chrono::seconds kTermGrace{5};

/// Takes the side's answer, for a caller that waits for it.
class AnswerRecorder final : public handover::OtherSide {
 public:
  void send(const Message& message) override { said = message; }
  Message said;
};

}  // namespace

SourceExecutor::SourceExecutor(const MigrationContext& scope, TargetCouriers& targets,
                               std::list<CriuDeparture>& departures)
    : context_(scope.context),
      list_(scope.list),
      migration_(scope.migration),
      targets_(targets),
      departures_(departures) {}

void SourceExecutor::apply(const SourceSide& next, const handover::Effects& effects,
                           Beside beside) {
  beside_ = std::move(beside);
  handover::Driver<SourceSide> driver(migration_.record_.side, *this, targets_);
  auto refused = driver.apply(next, effects);
  beside_ = {};
  if (refused) throw Error(*refused);
}
void SourceExecutor::apply(handover::SourceEvent event, Beside beside) {
  auto next = migration_.record().side;
  const auto effects = next.on(event);
  apply(next, effects, std::move(beside));
}
void SourceExecutor::apply(const Message& status) {
  auto next = migration_.record().side;
  const auto effects = next.on(status);
  apply(next, effects);
}
void SourceExecutor::apply(const handover::Content& verified) {
  auto next = migration_.record().side;
  const auto effects = next.verified(verified);
  apply(next, effects);
}
void SourceExecutor::tick() {
  apply(SourceSide(migration_.record().side), migration_.record().side.tick());
}
void SourceExecutor::poll() {
  apply(SourceSide(migration_.record().side), migration_.record().side.poll());
}

Message SourceExecutor::answer(const Message& asked) {
  AnswerRecorder recorder;
  auto next = migration_.record().side;
  const auto effects = next.on(asked);
  handover::Driver<SourceSide> driver(migration_.record_.side, *this, recorder);
  if (auto refused = driver.apply(next, effects)) throw Error(*refused);
  return recorder.said;
}

std::optional<Error> SourceExecutor::journal(const SourceSide& next, bool required) {
  auto record = migration_.record();
  auto transfers = migration_.transfer_records();
  record.side = next;
  ++record.version;
  if (const auto beside = std::exchange(beside_, {})) beside(record);
  const auto name = std::string(to_string(next.state()));
  if (record.history.empty() || record.history.back().first != name) {
    record.history.emplace_back(name, unix_ms());
  }
  auto one = transfers.begin();
  for (const auto& transfer : migration_.transfers) {
    const auto* source = context_.jobs.by_instance(transfer.instance());
    (one++)->timeline.add(sample_now(record, transfer, source));
  }
  std::optional<Error> refused;
  try {
    list_.save(record, transfers);
  } catch (const Error& disk) {
    if (required) return disk;
    refused = disk;
    spdlog::error("job {} migration {}: {}", migration_.spec().job, migration_.id(), disk.what());
  }
  migration_.adopt(std::move(record), std::move(transfers));
  if (handover::is_over(migration_.state())) list_.mark_ended(migration_);
  const bool trains_on = std::ranges::any_of(migration_.transfers, &Transfer::trains_on);
  context_.handover_gate.note(migration_.id(),
                              handover::is_handing_over(migration_.state()) && !trains_on);
  spdlog::info("job {} migration {} {}", migration_.spec().job, migration_.id(), name);
  list_.changed(migration_).notify();
  return refused;
}

void SourceExecutor::execute(const handover::Effect& effect, const SourceSide&) noexcept {
  try {
    act(effect);
  } catch (...) {
    spdlog::error("job {} migration {}: {}", migration_.spec().job, migration_.id(),
                  error_of(std::current_exception()).what());
  }
}

void SourceExecutor::act(const handover::Effect& effect) {
  switch (effect.type) {
    case Type::begin_sync: targets_.begin_sync(); break;
    case Type::alert_operator: alert(); break;
    default:
      for (const auto& transfer : migration_.transfers) {
        auto* source = context_.jobs.by_instance(transfer.instance());
        if (source != nullptr) act(effect, transfer, *source);
      }
  }
  if (effect.type == Type::halt_trainer) report_second_copy(migration_, context_.events);
}

void SourceExecutor::act(const handover::Effect& effect, const Transfer& transfer,
                         Instance& source) {
  switch (effect.type) {
    case Type::freeze: context_.hub.send(source, channel::Freeze{migration_.id()}); break;
    case Type::release: release(transfer, source, effect.epoch); break;
    case Type::retire: retire(transfer, source); break;
    case Type::halt_trainer: context_.processes.halt_trainer(source.job(), effect.epoch); break;
    case Type::end_trainer:
      spdlog::warn("job {} migration {}: its process does not leave, and is ended",
                   migration_.spec().job, migration_.id());
      context_.tasks.spawn("see " + migration_.spec().job + " off",
                           context_.processes.end_moved(transfer.instance(), kTermGrace));
      break;
    default: break;  // a target's
  }
}

void SourceExecutor::release(const Transfer& transfer, Instance& source, handover::Epoch epoch) {
  // On a full disk the trainer goes on all the same, and Migrations::take_up_after_restart() gives
  // the job its epoch.
  context_.jobs.raise_epoch(source.job(), epoch);
  departure_of(transfer).continue_source(source);
  context_.hub.send(source, channel::Release{migration_.id()});
  note_frozen(source, false);
  context_.jobs.end_migration(source.job());  // after the message: the trainer waits for no disk
}

void SourceExecutor::retire(const Transfer& transfer, Instance& source) {
  context_.jobs.mark_moved(source, transfer.record().to);
  if (migration_.spec().arrive == ArrivalMode::criu) {
    departure_of(transfer).kill_source_process(source);  // it is stopped, and cannot hear
  } else {
    context_.hub.send(source, channel::Retire{migration_.id()});
  }
}

void SourceExecutor::alert() {
  spdlog::error(
      "job {} migration {} is in doubt: the agent of {} does not tell whether it has the job; the "
      "source stays frozen",
      migration_.spec().job, migration_.id(), migration_.spec().to);
  context_.events.emit(
      {"in_doubt",
       fmt::format("{} does not tell whether it has job {}; nothing steps here; {}",
                   migration_.spec().to, migration_.spec().job,
                   what_to_do_in_doubt(migration_.id(), migration_.spec().to)),
       migration_.spec().job, migration_.only().record().device(), migration_.id()});
}

CriuDeparture& SourceExecutor::departure_of(const Transfer& transfer) {
  return *std::ranges::find(departures_, &transfer, [](auto& one) { return &one.transfer(); });
}

}  // namespace cardswap
