#include "agent/handover/source/migration_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/base/data_key.h"
#include "agent/handover/source/trainer_events.h"

namespace cardswap {
namespace {

using handover::SourceEvent;
using handover::SourceState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kStandbyStartMax{120};
constexpr milliseconds kWatchEvery{500};
constexpr milliseconds kPollMin{50};  // between two questions of a poll
constexpr int kQuickAnswersMax = 20;  // that each had news: there are fewer states
constexpr std::chrono::hours kLong{1};

template <SourceProgress Copy>
bool has(const Transfer& transfer) {
  return has_reached(transfer.source_progress, Copy);
}

}  // namespace

MigrationTask::MigrationTask(const HandoverContext& context, MigrationList& list,
                             TargetClient& targets, PredictionBook& book, Migration& m)
    : scope_{context, list, m, *this},
      migration_(m),
      book_(book),
      deadline_(Deadline::max() - kLong),
      targets_(scope_, targets),
      executor_(scope_, targets_, departures_),
      lost_time_(scope_, targets, book),
      end_(scope_, executor_, departures_, lost_time_) {
  for (auto& transfer : m.transfers) departures_.emplace_back(scope_, transfer);
}

void MigrationTask::spawn(std::string name, asio::awaitable<void> work) {
  scope_.context.tasks.spawn(std::move(name), run_pinned(Pin(shared_from_this()), std::move(work)));
}

// ---- what is said of it

void MigrationTask::on_attached() {
  executor_.apply(handover::SourceSide(migration_.record().side),
                  migration_.record().side.attached());
}

void MigrationTask::on_message(Instance& source, const channel::Message& message) {
  if (on_trainer_message(scope_, source, message, book_)) scope_.list.touch(migration_);
}

void MigrationTask::mark_job_lost(const Instance& source, const channel::Failed& said) {
  for (auto& departure : departures_) {
    if (departure.transfer().instance() == source.id()) departure.mark_job_lost(source, said);
  }
}

void MigrationTask::fail(Error error) {
  if (handover::is_committed(migration_.state()) || migration_.failure) return;
  migration_.failure = std::move(error);
  for (auto& departure : departures_) departure.close();
  scope_.list.touch(migration_);
}

void MigrationTask::take_up() { end_.take_up(); }

// ---- the walk

void MigrationTask::start() { spawn("migrate " + migration_.spec().job, run()); }

asio::awaitable<void> MigrationTask::run() {
  std::optional<Error> failed;
  try {
    co_await sync_and_freeze();
  } catch (...) {
    failed = error_of(std::current_exception());
  }
  // If the agent is stopping, the migration isn't given up: the next agent takes it up.
  if (!scope_.context.tasks.is_stopping()) co_await end_.decide_end(std::move(failed));
}

asio::awaitable<void> MigrationTask::sync_and_freeze() {
  if (migration_.spec().timeout_ms > 0) {
    deadline_ =
        Clock::now() + milliseconds(static_cast<std::int64_t>(migration_.spec().timeout_ms));
  }
  // Reserve before anything else is said to anybody.
  co_await enter(SourceEvent::started);
  co_await wait_for_each(
      [](const Transfer& one) { return one.target.progress == ReservationProgress::accepted; });
  co_await park();
  co_await wait_at_failpoint(to_string(migration_.state()));
  for (const auto& transfer : migration_.transfers) {
    check_key_was_given(migration_.spec(), transfer.target.status->data, transfer.record().to);
  }
  co_await targets_.measure_round_trips();
  co_await enter(SourceEvent::sync_began);
  co_await wait_for_each(has<SourceProgress::converged>);
  co_await enter(SourceEvent::downtime_fits);
  const bool by_criu = migration_.spec().arrive == ArrivalMode::criu;
  if (by_criu) {
    for (auto& departure : departures_) co_await departure.prepare();
  }

  co_await enter(SourceEvent::freeze_due);
  co_await wait_for_each(has<SourceProgress::frozen>);
  co_await enter(SourceEvent::trainer_frozen);
  co_await wait_for_each(has<SourceProgress::verified>);

  if (by_criu) {
    for (auto& departure : departures_) {
      co_await departure.depart();
      deadline_ = departure.restored_until();
    }
  }
  // The target's agent must have heard the same from its side before anything is decided.
  for (auto& transfer : migration_.transfers) transfer.target.polls_long = true;
  executor_.apply(handover::Content{*migration_.only().verified, *migration_.only().frozen_step});
  scope_.list.changed(migration_).notify();
  co_await wait_for([this] { return migration_.state() != SourceState::verifying; }, deadline_);
  // The keeper publishes the state without the job: MigrationEnd waits for that.
  if (handover::is_captured(migration_.state())) co_return;
  if (!handover::is_committed(migration_.state())) {
    throw Error(Code::digest_mismatch, "the two sides report different digests of the state");
  }
}

/// Until the target's agent says that its standby waits at a step boundary, and where it takes what
/// is sent.
asio::awaitable<void> MigrationTask::park() {
  // The time-out of the migration is another limit than that of the standby's start.
  const auto until = std::min(deadline_, Clock::now() + kStandbyStartMax);
  for (auto& transfer : migration_.transfers) transfer.target.polls_long = true;
  spawn("watch the target of " + migration_.id(), watch_targets());
  if (!co_await wait_for([this] { return migration_.state() == SourceState::standby_ready; },
                         until)) {
    throw Error(Code::timed_out,
                fmt::format("the standby of job {} at {} did not park within {} s",
                            migration_.spec().job, migration_.spec().to, kStandbyStartMax.count()),
                "its log is on that host; does the program reach its first step there?");
  }
}

/// The heartbeat, and the question for news where somebody waits for them.
asio::awaitable<void> MigrationTask::watch_targets() {
  const auto is_watched = [this] { return migration_.is_before_commit() && !migration_.failure; };
  const auto is_awaited = [this] {
    return std::ranges::any_of(migration_.transfers,
                               [](const auto& one) { return one.target.polls_long; });
  };
  for (int quick = 0; is_watched();) {
    const auto asked_at = Clock::now();
    const auto calls = migration_.calls();
    executor_.tick();
    while (is_watched() && migration_.calls() == calls) {
      co_await scope_.list.changed(migration_).wait_until(Clock::now() + kWatchEvery);
    }
    // An agent waits for news before it answers; one that does not is not asked in a busy loop.
    if (is_awaited() && Clock::now() - asked_at < kPollMin && ++quick > kQuickAnswersMax) {
      co_await pause_for(kPollMin);
    }
    const auto next = asked_at + kWatchEvery;
    while (is_watched() && !is_awaited() && Clock::now() < next) {
      co_await scope_.list.changed(migration_).wait_until(next);
    }
  }
}

asio::awaitable<void> MigrationTask::enter(SourceEvent event) {
  executor_.apply(event);
  co_await wait_at_failpoint(to_string(migration_.state()));
}

/// The failpoint `name` is between what is on disk and its effects. What is committed has no limit.
asio::awaitable<void> MigrationTask::wait_at_failpoint(std::string_view name) {
  if (migration_.failpoint != name) co_return;
  migration_.waits_at_failpoint = true;
  scope_.list.touch(migration_);
  while (!migration_.proceed) {
    if (migration_.is_before_commit()) check(deadline_);
    const auto until = migration_.is_before_commit() ? deadline_ : Clock::now() + kLong;
    co_await scope_.list.changed(migration_).wait_until(until);
  }
  migration_.waits_at_failpoint = false;
  scope_.list.touch(migration_);
  targets_.send_held_back();
}

asio::awaitable<bool> MigrationTask::wait_for(std::function<bool()> condition, Deadline until) {
  while (!condition()) {
    check(deadline_);
    if (Clock::now() >= until) co_return false;
    co_await scope_.list.changed(migration_).wait_until(std::min(until, deadline_));
  }
  check(deadline_);
  co_return true;
}

asio::awaitable<void> MigrationTask::wait_for_each(bool (*is)(const Transfer&)) {
  co_await wait_for([this, is] { return migration_.are_all(is); }, deadline_);
}

void MigrationTask::check(Deadline until) const {
  if (migration_.failure) throw Error(*migration_.failure);
  if (Clock::now() < until) return;
  // The slowest of them is what all wait for.
  const auto& stats =
      std::ranges::max_element(
          migration_.transfers, {},
          [](const Transfer& transfer) { return transfer.record().stats.expected_downtime_ms; })
          ->record()
          .stats;
  const bool too_long = migration_.spec().max_stall_ms > 0 &&
                        stats.expected_downtime_ms > migration_.spec().max_stall_ms;
  // A freeze that is put off over and over is none.
  const bool syncs = handover::awaits_freeze(migration_.state()) &&
                     (migration_.state() != SourceState::freezing || stats.freezes_put_off > 0);
  if (syncs && too_long) {
    throw Error(Code::not_converging,
                fmt::format("job {} did not converge within {}: a freeze would take {}, {} allowed",
                            migration_.spec().job, format_ms(migration_.spec().timeout_ms),
                            format_ms(stats.expected_downtime_ms),
                            format_ms(migration_.spec().max_stall_ms)),
                fmt::format("allow more with --max-stall {:.0f}ms, raise --bandwidth, or use "
                            "--strategy stop-copy --max-stall none",
                            stats.expected_downtime_ms * 1.3));
  }
  throw Error(Code::timed_out,
              fmt::format("migration {} was still {} after {}", migration_.id(),
                          to_string(migration_.state()), format_ms(migration_.spec().timeout_ms)),
              "allow more with --timeout");
}

}  // namespace cardswap
