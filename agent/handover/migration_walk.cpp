#include "agent/handover/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/answers.h"

namespace cardswap {
namespace {

using handover::Event;
using handover::SourceSide;
using handover::State;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kStandbyStartMax{120};
constexpr seconds kRestoreMax{60};  // of a process that CRIU moves, digests included
constexpr milliseconds kWatchEvery{500};
constexpr milliseconds kPollMin{50};  // between two questions of a poll
constexpr int kQuickAnswersMax = 20;  // that each had news: there are fewer states
constexpr milliseconds kSettleFirst{100};
constexpr milliseconds kSettleMax{5000};
// Between equal digests and the grant, one after the other: verified and granted there, committed
// here; the answer that it verified, and the grant.
constexpr double kHandoverWrites = 3;
constexpr double kHandoverAsks = 2;
/// The shortest of them counts: one that met a busy moment would be in every prediction of the
/// migration, and could keep it from its freeze until its time-out.
constexpr int kRoundTripsMeasured = 3;

}  // namespace

asio::awaitable<void> Migrations::enter(Migration& m, Event event, Deadline deadline) {
  apply(m, event);
  co_await hold(m, deadline);
}

/// A failpoint: between what is on disk and what it stands for.
asio::awaitable<void> Migrations::hold(Migration& m, Deadline deadline) {
  if (m.hold_at != to_string(m.state())) co_return;
  m.held = true;
  bump(m);
  while (!m.proceed) {
    check(m, deadline);
    co_await changed_.wait_until(deadline);
  }
  m.held = false;
  bump(m);
  send_kept_back(m);
}

/// False at `until`.
asio::awaitable<bool> Migrations::wait_for(const Migration& m, std::function<bool()> condition,
                                           Deadline until, Deadline deadline) {
  while (!condition()) {
    check(m, deadline);
    if (Clock::now() >= until) co_return false;
    co_await changed_.wait_until(std::min(until, deadline));
  }
  check(m, deadline);
  co_return true;
}

asio::awaitable<void> Migrations::wait_for_each(const Migration& m, bool (*is)(const Transfer&),
                                                Deadline deadline) {
  co_await wait_for(
      m, [&m, is] { return m.each(is); }, deadline, deadline);
}

void Migrations::check(const Migration& m, Deadline deadline) const {
  if (m.failure) throw Error(*m.failure);
  if (Clock::now() < deadline) return;
  // The slowest of them is what all wait for.
  const auto& stats = std::ranges::max_element(m.transfers, {}, [](const Transfer& transfer) {
                        return transfer.stats.expected_downtime_ms;
                      })->stats;
  const bool too_long = m.spec.max_stall_ms > 0 && stats.expected_downtime_ms > m.spec.max_stall_ms;
  // A freeze that is put off over and over is none.
  const bool syncs =
      m.state() == State::syncing || (m.state() == State::freezing && stats.freezes_put_off > 0);
  if (syncs && too_long) {
    throw Error(Code::not_converging,
                fmt::format("job {} did not converge within {}: a freeze would take {}, {} allowed",
                            m.spec.job, format_ms(m.spec.timeout_ms),
                            format_ms(stats.expected_downtime_ms), format_ms(m.spec.max_stall_ms)),
                fmt::format("allow more with --max-stall {:.0f}ms, raise --bandwidth, or use "
                            "--strategy stop-copy --max-stall none",
                            stats.expected_downtime_ms * 1.3));
  }
  throw Error(Code::timed_out,
              fmt::format("migration {} was still {} after {}", m.id, to_string(m.state()),
                          format_ms(m.spec.timeout_ms)),
              "allow more with --timeout");
}

asio::awaitable<void> Migrations::run(std::string id) {
  auto& m = at(id);
  const auto pin = m.in_use;
  std::optional<Error> failed;
  try {
    co_await sync_and_freeze(m);
  } catch (...) {
    failed = error_of(std::current_exception());
  }
  // What an agent that stops breaks off is its successor's to take up: it was not given up.
  if (!tasks_.stopping()) co_await settle(id, std::move(failed));
}

/// Nothing leaves a migration open: whatever is thrown on the way to its end, the end is tried
/// again. `failed` is why it is given up, if it was not committed.
asio::awaitable<void> Migrations::settle(std::string id, std::optional<Error> failed) {
  auto& m = at(id);
  const auto pin = m.in_use;
  auto retry = kSettleFirst;
  std::string told;
  while (true) {
    try {
      if (handover::is_committed(m.state())) {
        co_await finish(m);
      } else if (m.state() == State::aborting) {
        if (!m.error) m.error = failed.value_or(Error(Code::internal, "its walk ended early"));
        co_await clean_up(m);
      } else if (m.state() != State::aborted) {
        auto why = failed.value_or(Error(Code::internal, "its walk ended early"));
        co_await abort(m, std::move(why));
      }
      break;
    } catch (...) {
      if (tasks_.stopping()) throw;
      auto error = error_of(std::current_exception());
      if (std::exchange(told, error.failure()) != told) {
        spdlog::error("job {} migration {}: {}; trying again", m.spec.job, m.id, error.what());
      }
    }
    co_await pause_for(retry);
    retry = std::min(2 * retry, kSettleMax);
  }
  forget_old();
}

asio::awaitable<void> Migrations::sync_and_freeze(Migration& m) {
  auto deadline = m.spec.timeout_ms > 0
                      ? Clock::now() + milliseconds(static_cast<std::int64_t>(m.spec.timeout_ms))
                      : Deadline::max() - std::chrono::hours(1);
  // Reserve before anything else is said to anybody.
  co_await enter(m, Event::started, deadline);
  co_await wait_for_each(
      m, [](const Transfer& one) { return one.target.accepted; }, deadline);
  co_await park(m, deadline);
  co_await hold(m, deadline);
  for (const auto& transfer : m.transfers) {
    if (!m.spec.encrypt || !transfer.target.status->data.key.empty()) continue;
    throw Error(Code::refused,
                fmt::format("the agent of {} gave no key to encrypt with", transfer.to),
                "run the same Cardswap release on both hosts");
  }
  co_await measure_round_trips(m, deadline);
  co_await enter(m, Event::sync_began, deadline);
  co_await wait_for_each(
      m, [](const Transfer& one) { return one.converged; }, deadline);
  co_await enter(m, Event::downtime_fits, deadline);
  const bool by_criu = m.spec.arrive == Arrival::criu;
  if (by_criu) {
    for (auto& transfer : m.transfers) co_await prepare_departure(m, transfer);
  }

  co_await enter(m, Event::freeze_due, deadline);
  co_await wait_for_each(
      m, [](const Transfer& one) { return one.frozen_at.has_value(); }, deadline);
  co_await enter(m, Event::trainer_frozen, deadline);
  co_await wait_for_each(
      m, [](const Transfer& one) { return one.verified.has_value(); }, deadline);

  if (by_criu) {
    for (auto& transfer : m.transfers) {
      co_await depart(m, transfer, deadline);
      const auto* source = jobs_.by_instance(transfer.instance);
      if (source == nullptr) continue;
      deadline = std::min(deadline, Clock::now() + time_to_read(*source, kRestoreMax));
    }
  }
  // The target's agent must have heard the same from its side before anything is decided.
  for (auto& transfer : m.transfers) transfer.target.awaited = true;
  auto next = m.side;
  const auto effects = next.verified({*m.first().verified, *m.first().frozen_at});
  apply(m, next, effects);
  changed_.notify();
  co_await wait_for(
      m, [&m] { return m.state() != State::verifying; }, deadline, deadline);
  if (!handover::is_committed(m.state())) {
    throw Error(Code::digest_mismatch, "the two sides report different digests of the state");
  }
}

/// Until the target's agent says that its standby waits at a step boundary, and where it takes what
/// is sent.
asio::awaitable<void> Migrations::park(Migration& m, Deadline deadline) {
  // The time-out of the migration is another limit than that of the standby's start.
  const auto until = std::min(deadline, Clock::now() + kStandbyStartMax);
  for (auto& transfer : m.transfers) transfer.target.awaited = true;
  tasks_.spawn("watch the target of " + m.id, watch_target(m, m.in_use));
  const auto parked = [&m] { return m.state() == State::standby_ready; };
  if (!co_await wait_for(m, parked, until, deadline)) {
    throw Error(Code::timed_out,
                fmt::format("the standby of job {} at {} did not park within {} s", m.spec.job,
                            m.spec.to, kStandbyStartMax.count()),
                "its log is on that host; does the program reach its first step there?");
  }
}

asio::awaitable<void> Migrations::measure_round_trips(Migration& m, Deadline deadline) {
  const auto measured = [](const Transfer& one) {
    return one.target.round_trips >= kRoundTripsMeasured;
  };
  while (!m.each(measured)) {
    const auto calls = m.calls();
    apply(m, SourceSide(m.side), m.side.poll());
    co_await wait_for(
        m, [&m, calls] { return m.calls() != calls; }, deadline, deadline);
  }
}

/// The heartbeat, and the question for news where somebody waits for them.
asio::awaitable<void> Migrations::watch_target(Migration& m, std::shared_ptr<void>) {
  const auto is_watched = [&m] { return m.walks() && !m.failure; };
  const auto is_awaited = [&m] {
    return std::ranges::any_of(m.transfers, [](const auto& one) { return one.target.awaited; });
  };
  for (int quick = 0; is_watched();) {
    const auto asked_at = Clock::now();
    const auto calls = m.calls();
    apply(m, SourceSide(m.side), m.side.tick());
    while (is_watched() && m.calls() == calls) {
      co_await changed_.wait_until(Clock::now() + kWatchEvery);
    }
    // An agent waits for news before it answers; one that does not is not asked in a busy loop.
    if (is_awaited() && Clock::now() - asked_at < kPollMin && ++quick > kQuickAnswersMax) {
      co_await pause_for(kPollMin);
    }
    const auto next = asked_at + kWatchEvery;
    while (is_watched() && !is_awaited() && Clock::now() < next) {
      co_await changed_.wait_until(next);
    }
  }
}

double Migrations::handover_ms(const Migration& m) const {
  double slowest_ms = 0;
  for (const auto& transfer : m.transfers) {
    slowest_ms = std::max(slowest_ms, transfer.target.round_trip_ms);
  }
  return kHandoverWrites * journal_.put_ms() + kHandoverAsks * slowest_ms;
}

}  // namespace cardswap
