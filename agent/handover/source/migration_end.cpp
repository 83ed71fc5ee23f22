#include "agent/handover/source/migration_end.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/backoff.h"
#include "agent/base/units.h"
#include "agent/jobs/job_halt.h"
#include "agent/process/process_tree.h"

namespace cardswap {
namespace {

using handover::SourceEvent;
using handover::SourceState;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kSettleFirst{100};
constexpr milliseconds kSettleMax{5000};
constexpr seconds kRetireGrace{10};
constexpr seconds kCleanUpMax{8};
constexpr milliseconds kRetryFirst{100};
constexpr milliseconds kRetryMax{2000};
constexpr milliseconds kAskKeeperEvery{200};
constexpr seconds kTellQuietly{5};  // to one that is halted, or of which its agent knows nothing

}  // namespace

MigrationEnd::MigrationEnd(const MigrationContext& scope, SourceExecutor& executor,
                           std::list<CriuDeparture>& departures, LostTimeCollector& lost_time)
    : config_(scope.context.config),
      tasks_(scope.context.tasks),
      jobs_(scope.context.jobs),
      processes_(scope.context.processes),
      list_(scope.list),
      run_(scope.run),
      migration_(scope.migration),
      executor_(executor),
      departures_(departures),
      lost_time_(lost_time) {}

void MigrationEnd::take_up() {
  for (auto& departure : departures_) {
    auto* source = jobs_.by_instance(departure.transfer().instance());
    if (source != nullptr) take_up_departure(departure, *source);
  }
  const bool is_stored = migration_.state() == SourceState::stored;
  if ((is_stored || migration_.state() == SourceState::completed) &&
      !migration_.record().result) {  // the disk was full then
    note_success(is_stored ? MigrationResult::stored : MigrationResult::ok);
    run_.spawn("record the end of " + migration_.id(), list_.save_end(migration_.id()));
  }
  if (migration_.has_pending_notice())
    run_.spawn("tell the target of " + migration_.id(), notify_superseded_target());
  if (migration_.state() == SourceState::completed && lost_time_.awaits_first_steps()) {
    run_.spawn("hear of the first steps of " + migration_.id(), lost_time_.collect_first_steps());
  }
  if (handover::is_over(migration_.state())) return;
  spdlog::info("migration {} of job {} was {} when the agent ended", migration_.id(),
               migration_.spec().job, to_string(migration_.state()));
  const bool committed = handover::is_committed(migration_.state());
  std::optional<Error> why;
  if (!committed && migration_.state() != SourceState::captured) {
    why = Error(Code::source_lost,
                migration_.record().state_digest().empty()
                    ? "the source's agent was restarted before the commit"
                    : "the job was taken back when the source's agent restarted",
                "the job goes on where it is: start the migration again");
  }
  auto side = migration_.record().side;
  const auto effects = side.after_restart();
  executor_.apply(side, effects, [&](MigrationRecord& record) {
    if (!record.error) record.error = why;
  });
  run_.spawn((committed ? "finish migration " : "clean up after migration ") + migration_.id(),
             decide_end(std::move(why)));
}

/// What its state says of a process that is still here.
void MigrationEnd::take_up_departure(CriuDeparture& departure, Instance& source) {
  if (migration_.state() == SourceState::completed && source.record().ended_at_ms == 0) {
    // The message to retire was lost, or the program did not end: its job is at the target.
    jobs_.mark_moved(source, departure.transfer().record().to);
    tasks_.spawn("see " + migration_.spec().job + " off",
                 processes_.end_moved(source.id(), milliseconds(0)));
    departure.kill_source_process(source);
  }
  if (handover::is_given_up(migration_.state())) {  // perhaps taken back while the disk was full
    jobs_.raise_epoch(source.job(), migration_.own_epoch());
  }
  if (migration_.state() == SourceState::superseded) reapply_halt(source.job());
}

void MigrationEnd::note_success(MigrationResult result) {
  list_.note(migration_, [&](MigrationNotes& notes) {
    notes.result = result;
    notes.ended_at_ms = unix_ms();
  });
}

/// Where nothing was wrong before.
void MigrationEnd::note_failure(const std::optional<Error>& failed) {
  list_.note(migration_, [&](MigrationNotes& notes) {
    if (!notes.error) notes.error = failed.value_or(Error(Code::internal, "its walk ended early"));
  });
}

/// Nothing leaves a migration open: whatever is thrown on the way to its end, the end is tried
/// again. `failed` is why it is given up, if it was not committed.
asio::awaitable<void> MigrationEnd::decide_end(std::optional<Error> failed) {
  Backoff retry(kSettleFirst, kSettleMax);
  std::string logged;
  while (true) {
    try {
      if (handover::is_committed(migration_.state())) {
        co_await finish();
      } else if (migration_.state() == SourceState::aborting) {
        note_failure(failed);
        co_await clean_up();
      } else if (handover::is_captured(migration_.state())) {
        co_await await_snapshot();
      } else if (migration_.state() != SourceState::aborted) {
        auto why = failed.value_or(Error(Code::internal, "its walk ended early"));
        co_await abort(std::move(why));
      }
      break;
    } catch (...) {
      if (tasks_.is_stopping()) throw;
      auto error = error_of(std::current_exception());
      if (std::exchange(logged, error.failure()) != logged) {
        spdlog::error("job {} migration {}: {}; trying again", migration_.spec().job,
                      migration_.id(), error.what());
      }
    }
    co_await retry.wait();
  }
  list_.forget_old();
  list_.forget_old_timelines();
}

/// Sees to it that the target has the job; called again by a restarted agent.
asio::awaitable<void> MigrationEnd::finish() {
  co_await run_.wait_at_failpoint("committed");
  Backoff retry(kRetryFirst, kRetryMax);
  for (auto& transfer : migration_.transfers) {
    transfer.target.polls_long = false;
    transfer.target.last_contact_at = Clock::now();
  }
  const auto is_granted = [](const Transfer& one) {
    return one.target.progress == ReservationProgress::grant_answered;
  };
  const auto speaks = [](const Transfer& one) { return !one.target.is_silent; };
  const auto is_heard = [this](const Transfer& one) {
    return Clock::now() - one.target.last_contact_at < config_.peer_silence_max;
  };
  const auto goes_on = [this] {
    return handover::is_committed(migration_.state()) &&
           migration_.state() != SourceState::completed;
  };
  while (goes_on()) {
    const auto calls = migration_.calls();
    const bool granted = migration_.are_all(is_granted);
    // The grant until it is answered; then what became of it.
    if (granted) {
      executor_.poll();
    } else {
      executor_.tick();
    }
    while (goes_on() && migration_.calls() == calls) {
      co_await list_.changed(migration_).wait_until(Clock::now() + kRetryMax);
    }
    if (!goes_on()) break;
    if (migration_.are_all(speaks)) {
      retry.reset();
    } else if (retry.is_reset() && !granted) {
      const auto& silent = *std::ranges::find_if_not(migration_.transfers, speaks);
      spdlog::warn("job {} migration {}: the grant is not answered yet: {}", migration_.spec().job,
                   migration_.id(), silent.target.failure);
    }
    if (!migration_.are_all(is_heard)) executor_.apply(SourceEvent::target_silent);
    if (!granted && migration_.are_all(is_granted)) continue;
    if (migration_.state() == SourceState::in_doubt) {
      for (auto& transfer : migration_.transfers) transfer.target.doubt_grant(migration_.id());
    }
    co_await retry.wait();
  }
  if (migration_.state() == SourceState::completed) {
    co_await await_source_exit();
    co_return;
  }
  note_taken_back();
  co_await clean_up();
}

/// The job trains on. Waits until the keeper has published its state in the store, or has failed.
asio::awaitable<void> MigrationEnd::await_snapshot() {
  const auto waits = [this] {
    return migration_.state() == SourceState::captured && !migration_.failure;
  };
  while (waits()) {
    executor_.tick();
    const auto again = Clock::now() + kAskKeeperEvery;
    while (waits() && Clock::now() < again) co_await list_.changed(migration_).wait_until(again);
  }
  if (migration_.state() == SourceState::captured) co_await abort(Error(*migration_.failure));
  if (migration_.state() != SourceState::stored) co_return;
  note_success(MigrationResult::stored);
  run_.spawn("record the end of " + migration_.id(), list_.save_end(migration_.id()));
  list_.touch(migration_);
  spdlog::info("job {} migration {}: step {} is snapshot {} in {}", migration_.spec().job,
               migration_.id(), migration_.record().migrated_at_step(),
               migration_.record().stored.number, migration_.spec().store);
}

/// The target lost the job, or an operator took it back, before its first step.
void MigrationEnd::note_taken_back() {
  list_.note(migration_, [this](MigrationNotes& notes) {
    const auto& to = migration_.spec().to;
    notes.error =
        Error(Code::target_lost,
              migration_.record().forced
                  ? fmt::format("an operator took the job back from {}", to)
                  : fmt::format("the target {} lost the job before its first step", to),
              "the job goes on where it was; look at the target's agent before trying again");
  });
  spdlog::error("job {} migration {}: {}; the source takes the job back", migration_.spec().job,
                migration_.id(), migration_.record().error->failure());
}

/// The job is at the target for good: the process here ends.
asio::awaitable<void> MigrationEnd::await_source_exit() {
  for (auto& departure : departures_) departure.forget();
  note_success(MigrationResult::ok);
  run_.spawn("record the end of " + migration_.id(), list_.save_end(migration_.id()));
  run_.spawn("hear of the first steps of " + migration_.id(), lost_time_.collect_first_steps());
  list_.touch(migration_);
  spdlog::info("job {} migration {} moved to {} at step {}, downtime {}", migration_.spec().job,
               migration_.id(), migration_.spec().to, migration_.record().migrated_at_step(),
               format_ms(migration_.only().record().downtime_ms));
  // Its loop ends by itself; what does not end is ended.
  const auto grace = Clock::now() + kRetireGrace;
  const auto has_ended = [this](const Transfer& transfer) {
    const auto* source = jobs_.by_instance(transfer.instance());
    return source == nullptr || source->record().ended_at_ms != 0;
  };
  while (!migration_.are_all(has_ended)) {
    if (Clock::now() >= grace) {
      executor_.apply(SourceEvent::trainer_stays);
      co_return;
    }
    co_await jobs_.changed().wait_until(grace);
  }
}

asio::awaitable<void> MigrationEnd::abort(Error error) {
  executor_.apply(SourceEvent::failed, [&](MigrationRecord& record) { record.error = error; });
  const auto level =
      migration_.is_passed_rehearsal_only() ? spdlog::level::info : spdlog::level::warn;
  spdlog::log(level, "job {} migration {} is given up: {}", migration_.spec().job, migration_.id(),
              error.what());
  co_await clean_up();
}

/// The trainer goes on; the target is cleaned up, and tried for a while if it does not answer: it
/// gives up by itself when this agent is silent.
asio::awaitable<void> MigrationEnd::clean_up() {
  Backoff retry(kRetryFirst, kRetryMax);
  const auto until = Clock::now() + kCleanUpMax;
  const auto is_dropped = [](const Transfer& one) {
    return one.target.progress == ReservationProgress::dropped;
  };
  const auto goes_on = [&] {
    return Clock::now() < until && migration_.state() == SourceState::aborting &&
           !migration_.are_all(is_dropped);
  };
  while (goes_on()) {
    const auto calls = migration_.calls();
    executor_.tick();
    while (goes_on() && migration_.calls() == calls)
      co_await list_.changed(migration_).wait_until(until);
    if (!goes_on()) break;
    co_await retry.wait();
  }
  for (auto& departure : departures_) co_await departure.end();
  const bool job_ended =
      std::ranges::any_of(migration_.transfers, [this](const Transfer& transfer) {
        const auto* source = jobs_.by_instance(transfer.instance());
        return source == nullptr || !may_be_alive(source->program());
      });
  const auto conclude = [&](MigrationNotes& notes) {
    notes.job_ended = job_ended;
    const bool cancelled = notes.error->code() == Code::cancelled;
    notes.result = cancelled ? MigrationResult::cancelled : MigrationResult::failed;
    if (migration_.is_passed_rehearsal_only()) {
      notes.result = MigrationResult::checked;
      notes.error.reset();
    }
    notes.ended_at_ms = unix_ms();
  };
  if (migration_.state() == SourceState::aborting) {
    executor_.apply(SourceEvent::cleaned_up, conclude);
  } else {  // the target's copy has outranked this one meanwhile
    list_.note(migration_, conclude);
  }
  if (migration_.has_pending_notice())
    run_.spawn("tell the target of " + migration_.id(), notify_superseded_target());
}

asio::awaitable<void> MigrationEnd::notify_superseded_target() {
  Backoff retry(kRetryFirst, kRetryMax);
  while (migration_.has_pending_notice()) {
    const auto calls = migration_.calls();
    executor_.tick();
    while (migration_.has_pending_notice() && migration_.calls() == calls) {
      co_await list_.changed(migration_).wait_until(Clock::now() + kRetryMax);
    }
    if (migration_.record().target_state_seen == TargetState::superseded ||
        migration_.record().target_state_seen == TargetState::nothing) {
      co_await pause_for(kTellQuietly);
    } else {
      co_await retry.wait();
    }
  }
}

}  // namespace cardswap
