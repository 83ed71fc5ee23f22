#include "agent/handover/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/units.h"
#include "agent/process/process_tree.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Event;
using handover::SourceSide;
using handover::State;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kRetireGrace{10};
constexpr seconds kCleanUpMax{8};
constexpr milliseconds kRetryFirst{100};
constexpr milliseconds kRetryMax{2000};

}  // namespace

void Migrations::resume_after_restart() {
  journal_.each(Journal::Kind::migration, [this](const json::object& record) {
    migrations_.push_back(migration_from_journal(record));
  });
  for (auto& m : migrations_) {
    for (const auto& transfer : m.transfers) {
      if (!handover::is_over(m.state())) live_[transfer.instance] = &m;
      if (auto* source = jobs_.by_instance(transfer.instance)) take_up(m, transfer, *source);
    }
    if (m.state() == State::completed && m.result.empty()) {  // the disk was full then
      m.result = "ok";
      m.ended_at_ms = unix_ms();
      tasks_.spawn("record the end of " + m.id, record_end(m, m.in_use));
    }
    if (m.open()) tasks_.spawn("tell the target of " + m.id, tell_the_lower_one(m.id));
    if (m.state() == State::completed && awaits_first_steps(m)) {
      tasks_.spawn("hear of the first steps of " + m.id, hear_first_steps(m, m.in_use));
    }
    if (handover::is_over(m.state())) continue;
    spdlog::info("migration {} of job {} was {} when the agent ended", m.id, m.spec.job,
                 to_string(m.state()));
    const bool committed = handover::is_committed(m.state());
    if (!committed && !m.error) {
      m.error = Error(Code::source_lost,
                      m.root().empty() ? "the source's agent was restarted before the commit"
                                       : "the job was taken back when the source's agent restarted",
                      "the job goes on where it is: start the migration again");
    }
    auto side = m.side;
    const auto effects = side.recover();
    apply(m, side, effects);
    tasks_.spawn((committed ? "finish migration " : "clean up after migration ") + m.id,
                 settle(m.id, std::nullopt));
  }
  forget_old();
  for (const auto& root : criu_.cuda().trees(criu::CudaIntent::Side::source)) {
    const auto is_its = [&](const Migration& m) {
      return !handover::is_over(m.state()) &&
             std::ranges::any_of(m.transfers, [&](const Transfer& transfer) {
               const auto* source = jobs_.by_instance(transfer.instance);
               return source != nullptr && source->process == root;
             });
    };
    if (std::ranges::any_of(migrations_, is_its)) continue;
    tasks_.spawn(fmt::format("bring the CUDA state of {} back", root.pid), restore_gpu_state(root));
  }
}

/// What its state says of a process that is still here.
void Migrations::take_up(const Migration& m, const Transfer& transfer, Instance& source) {
  if (m.state() == State::completed && source.ended_at_ms == 0) {
    // The word that it may end was lost, or was not heeded: its job is elsewhere.
    jobs_.set_state(source, "moved");
    tasks_.spawn("see " + m.spec.job + " off", jobs_.end_moved(source.id, milliseconds(0)));
    kill_source_process(m, transfer, source);
  }
  if (handover::is_given_up(m.state()) && source.job().epoch < m.own_epoch()) {
    source.job().epoch = m.own_epoch();  // taken back while the disk was full
    jobs_.save_when_possible(source.job());
  }
  if (m.state() == State::superseded) jobs_.keep_fenced(source.job());
}

/// Sees to it that the target has the job; called again by a restarted agent.
asio::awaitable<void> Migrations::finish(Migration& m) {
  if (m.hold_at == "committed") {
    m.held = true;
    bump(m);
    while (!m.proceed) co_await changed_.wait_until(Clock::now() + std::chrono::hours(1));
    m.held = false;
    send_kept_back(m);
  }
  auto retry = kRetryFirst;
  for (auto& transfer : m.transfers) {
    transfer.target.awaited = false;
    transfer.target.heard = Clock::now();
  }
  const auto is_granted = [](const Transfer& one) { return one.target.granted; };
  const auto speaks = [](const Transfer& one) { return !one.target.silent; };
  const auto is_heard = [&](const Transfer& one) {
    return Clock::now() - one.target.heard < config_.peer_silence_max;
  };
  const auto goes_on = [&m] {
    return handover::is_committed(m.state()) && m.state() != State::completed;
  };
  while (goes_on()) {
    const auto calls = m.calls();
    const bool granted = m.each(is_granted);
    // The grant until it is answered; then what became of it.
    apply(m, SourceSide(m.side), granted ? m.side.poll() : m.side.tick());
    while (goes_on() && m.calls() == calls) {
      co_await changed_.wait_until(Clock::now() + kRetryMax);
    }
    if (!goes_on()) break;
    if (m.each(speaks)) {
      retry = kRetryFirst;
    } else if (retry == kRetryFirst && !granted) {
      const auto& silent = *std::ranges::find_if_not(m.transfers, speaks);
      spdlog::warn("job {} migration {}: the grant is not answered yet: {}", m.spec.job, m.id,
                   silent.target.failure);
    }
    if (!m.each(is_heard)) apply(m, Event::target_silent);
    if (!granted && m.each(is_granted)) continue;
    if (m.state() == State::in_doubt) {
      for (auto& transfer : m.transfers) transfer.target.granted = false;
    }
    co_await pause_for(retry);
    retry = std::min(retry * 2, kRetryMax);
  }
  if (m.state() == State::completed) {
    co_await await_source_exit(m);
    co_return;
  }
  m.error = Error(Code::target_lost,
                  m.forced.empty()
                      ? fmt::format("the target {} lost the job before its first step", m.spec.to)
                      : fmt::format("an operator took the job back from {}", m.spec.to),
                  "the job goes on where it was; look at the target's agent before trying again");
  spdlog::error("job {} migration {}: {}; the source takes the job back", m.spec.job, m.id,
                m.error->failure());
  co_await clean_up(m);
}

/// What came of a migration is written when the disk takes it; nothing waits for that.
asio::awaitable<void> Migrations::record_end(Migration& m, std::shared_ptr<void>) {
  for (bool told = false;;) {
    try {
      save(m);
      co_return;
    } catch (const Error& disk) {
      if (!std::exchange(told, true)) {
        spdlog::error("job {} migration {}: {}", m.spec.job, m.id, disk.what());
      }
    }
    co_await pause_for(kRetryMax);
  }
}

/// The job is at the target for good: the process here ends.
asio::awaitable<void> Migrations::await_source_exit(Migration& m) {
  for (const auto& transfer : m.transfers) departures_.erase(&transfer);
  m.result = "ok";
  m.ended_at_ms = unix_ms();
  tasks_.spawn("record the end of " + m.id, record_end(m, m.in_use));
  tasks_.spawn("hear of the first steps of " + m.id, hear_first_steps(m, m.in_use));
  bump(m);
  spdlog::info("job {} migration {} moved to {} at step {}, downtime {}", m.spec.job, m.id,
               m.spec.to, m.migrated_at_step(), format_ms(m.first().downtime_ms));
  // Its loop ends by itself; what does not end is ended.
  const auto grace = Clock::now() + kRetireGrace;
  const auto has_ended = [this](const Transfer& transfer) {
    const auto* source = jobs_.by_instance(transfer.instance);
    return source == nullptr || source->ended_at_ms != 0;
  };
  while (!m.each(has_ended)) {
    if (Clock::now() >= grace) {
      apply(m, Event::trainer_stays);
      co_return;
    }
    co_await jobs_.changed().wait_until(grace);
  }
}

void Migrations::release_trainer(Migration& m, Transfer& transfer, Instance& source) {
  if (transfer.keeper.pid != 0 && !transfer.released && !transfer.continuing) {  // may be stopped
    transfer.continuing = true;
    cardswap::continue_stopped(source.process);
    tasks_.spawn("continue " + m.spec.job, continue_stopped(m, transfer, m.in_use));
  }
  hub_.send(source, channel::Release{m.id});
  source.frozen = false;
  source.job().migration.clear();
}

asio::awaitable<void> Migrations::abort(Migration& m, Error error) {
  m.error = std::move(error);
  apply(m, Event::failed);
  const auto level = m.found_nothing_forgotten() ? spdlog::level::info : spdlog::level::warn;
  spdlog::log(level, "job {} migration {} is given up: {}", m.spec.job, m.id, m.error->what());
  co_await clean_up(m);
}

/// The trainer goes on; the target is cleaned up, and tried for a while if it does not answer: it
/// gives up by itself when this agent is silent.
asio::awaitable<void> Migrations::clean_up(Migration& m) {
  auto retry = kRetryFirst;
  const auto until = Clock::now() + kCleanUpMax;
  const auto is_dropped = [](const Transfer& one) { return one.target.dropped; };
  const auto goes_on = [&] {
    return Clock::now() < until && m.state() == State::aborting && !m.each(is_dropped);
  };
  while (goes_on()) {
    const auto calls = m.calls();
    apply(m, SourceSide(m.side), m.side.tick());
    while (goes_on() && m.calls() == calls) co_await changed_.wait_until(until);
    if (!goes_on()) break;
    co_await pause_for(retry);
    retry = std::min(retry * 2, kRetryMax);
  }
  co_await end_departure(m);
  m.job_ended = std::ranges::any_of(m.transfers, [this](const Transfer& transfer) {
    const auto* source = jobs_.by_instance(transfer.instance);
    return source == nullptr || !is_alive(source->process);
  });
  m.result = m.error->code() == Code::cancelled ? "cancelled" : "failed";
  if (m.found_nothing_forgotten()) {
    m.result = "checked";
    m.error.reset();
  }
  m.ended_at_ms = unix_ms();
  apply(m, Event::cleaned_up);
  if (m.open()) tasks_.spawn("tell the target of " + m.id, tell_the_lower_one(m.id));
}

}  // namespace cardswap
