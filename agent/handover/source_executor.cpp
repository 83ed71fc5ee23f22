// What follows from an event at the source: on disk first, then to the trainer and the target.

#include <fmt/format.h>

#include <boost/json.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/copies.h"
#include "agent/handover/driver.h"
#include "agent/handover/migrations.h"

namespace cardswap {

using handover::Event;
using handover::Message;
using handover::SourceSide;
using handover::State;
using Type = handover::Effect::Type;

namespace {

constexpr std::chrono::seconds kTermGrace{5};

/// Somebody asked, and waits for what the side says.
class Asker final : public handover::Peer {
 public:
  void send(const Message& message) override { said = message; }
  Message said;
};

}  // namespace

class Migrations::Source final : public handover::Executor<SourceSide>, public handover::Peer {
 public:
  Source(Migrations& all, Migration& m) : all_(all), m_(m) {}

  std::optional<Error> journal(const SourceSide& next, bool required) override;
  void execute(const handover::Effect& effect, const SourceSide& next) override;
  void send(const Message& message) override { all_.send(m_, message); }

 private:
  /// For one process here.
  void execute(const handover::Effect& effect, const Transfer& transfer, Instance& source);
  void release(Instance& source, handover::Epoch epoch);
  void retire(const Transfer& transfer, Instance& source);
  void alert();

  Migrations& all_;
  Migration& m_;
};

std::optional<Error> Migrations::Source::journal(const SourceSide& next, bool required) {
  auto record = m_;
  record.side = next;
  ++record.version;
  const auto name = std::string(to_string(next.state()));
  if (record.history.empty() || record.history.back().first != name) {
    record.history.emplace_back(name, unix_ms());
  }
  std::optional<Error> refused;
  try {
    for (auto& transfer : record.transfers) all_.sample(record, transfer);
    all_.save(record);
  } catch (const Error& disk) {
    if (required) return disk;
    refused = disk;
    spdlog::error("job {} migration {}: {}", m_.spec.job, m_.id, disk.what());
  }
  // Tasks hold on to its transfers, which stay where they are.
  m_.side = std::move(record.side);
  m_.version = record.version;
  m_.history = std::move(record.history);
  auto sampled = record.transfers.begin();
  for (auto& transfer : m_.transfers) {
    transfer.timeline = std::move((sampled++)->timeline);
    if (handover::is_over(m_.state()) && all_.running_of(transfer.instance) == &m_) {
      all_.live_.erase(transfer.instance);
    }
  }
  all_.handover_gate_.note(m_.id, m_.state() == State::freezing || m_.state() == State::verifying ||
                                      m_.state() == State::committed);
  spdlog::info("job {} migration {} {}", m_.spec.job, m_.id, name);
  all_.changed_.notify();
  return refused;
}

void Migrations::Source::execute(const handover::Effect& effect, const SourceSide&) {
  switch (effect.type) {
    case Type::begin_sync:
      m_.begin_sync_is_due = all_.is_at_failpoint(m_);
      if (!m_.begin_sync_is_due) all_.begin_sync(m_);
      break;
    case Type::alert_operator: alert(); break;
    default:
      for (const auto& transfer : m_.transfers) {
        auto* source = all_.jobs_.by_instance(transfer.instance);
        if (source != nullptr) execute(effect, transfer, *source);
      }
  }
  if (effect.type == Type::fence) tell_two_copies(m_, all_.tell_);
}

void Migrations::Source::execute(const handover::Effect& effect, const Transfer& transfer,
                                 Instance& source) {
  switch (effect.type) {
    case Type::freeze: all_.hub_.send(source, channel::Freeze{m_.id}); break;
    case Type::release: release(source, effect.epoch); break;
    case Type::retire: retire(transfer, source); break;
    case Type::fence: all_.jobs_.fence(source.job(), effect.epoch); break;
    case Type::end_trainer:
      spdlog::warn("job {} migration {}: its process does not leave, and is ended", m_.spec.job,
                   m_.id);
      all_.tasks_.spawn("see " + m_.spec.job + " off",
                        all_.jobs_.end_moved(transfer.instance, kTermGrace));
      break;
    default: break;  // a target's
  }
}

void Migrations::Source::release(Instance& source, handover::Epoch epoch) {
  auto& job = source.job();
  if (job.epoch < epoch) {
    job.epoch = epoch;
    // The migration's record has it: on a full disk the trainer goes on all the same, and
    // resume_after_restart() gives the job its epoch.
    all_.jobs_.save_when_possible(job);
  }
  all_.release_trainer(m_, *m_.of(source.id), source);
}

void Migrations::Source::retire(const Transfer& transfer, Instance& source) {
  source.moved_to = transfer.to;
  all_.jobs_.set_state(source, "moved");
  if (m_.spec.arrive == Arrival::criu) {
    all_.kill_source_process(m_, transfer, source);  // it is stopped, and cannot hear
  } else {
    all_.hub_.send(source, channel::Retire{m_.id});
  }
}

void Migrations::Source::alert() {
  spdlog::error(
      "job {} migration {} is in doubt: the agent of {} does not tell whether it has the job; the "
      "source stays frozen",
      m_.spec.job, m_.id, m_.spec.to);
  if (!all_.tell_) return;
  all_.tell_({"in_doubt",
              fmt::format("{} does not tell whether it has job {}; nothing steps here; {}",
                          m_.spec.to, m_.spec.job, what_to_do_in_doubt(m_.id, m_.spec.to)),
              m_.spec.job, m_.first().device(), m_.id});
}

/// The one door through which a state changes.
void Migrations::apply(Migration& m, const SourceSide& next, const handover::Effects& effects) {
  Source source(*this, m);
  handover::Driver<SourceSide> driver(m.side, source, source);
  if (auto refused = driver.apply(next, effects)) throw Error(*refused);
}
void Migrations::apply(Migration& m, Event event) {
  auto next = m.side;
  const auto effects = next.on(event);
  apply(m, next, effects);
}
void Migrations::apply(Migration& m, const Message& message) {
  auto next = m.side;
  const auto effects = next.on(message);
  apply(m, next, effects);
}

Message Migrations::answer(Migration& m, const Message& asked) {
  Source source(*this, m);
  Asker asker;
  auto next = m.side;
  const auto effects = next.on(asked);
  handover::Driver<SourceSide> driver(m.side, source, asker);
  if (auto refused = driver.apply(next, effects)) throw Error(*refused);
  return asker.said;
}

}  // namespace cardswap
