#include "agent/handover/migrations.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/criu/data_devices.h"
#include "agent/handover/answers.h"
#include "agent/handover/data_plane.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Event;
using handover::Message;
using handover::State;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kStandbyStartMax{120};
constexpr seconds kRestoreMax{60};  // of a process that CRIU moves, digests included
constexpr milliseconds kWatchEvery{500};
constexpr milliseconds kWatchAnswerMax{1500};
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
  feed(m, event);
  if (m.hold_at != to_string(m.state)) co_return;
  m.held = true;
  bump(m);
  while (!m.proceed) {
    check(m, deadline);
    co_await changed_.wait_until(deadline);
  }
  m.held = false;
  bump(m);
}

void Migrations::check(const Migration& m, Deadline deadline) const {
  if (m.failure) throw Error(*m.failure);
  if (Clock::now() < deadline) return;
  const bool too_long =
      m.spec.max_downtime_ms > 0 && m.stats.expected_downtime_ms > m.spec.max_downtime_ms;
  // A freeze that is put off over and over is none.
  const bool syncs =
      m.state == State::syncing || (m.state == State::freezing && m.stats.freezes_put_off > 0);
  if (syncs && too_long) {
    throw Error(
        Code::not_converging,
        fmt::format("job {} did not converge within {}: a freeze would take {}, {} allowed",
                    m.spec.job, format_ms(m.spec.timeout_ms),
                    format_ms(m.stats.expected_downtime_ms), format_ms(m.spec.max_downtime_ms)),
        fmt::format("allow more with --max-downtime {:.0f}ms, raise --bandwidth, or use "
                    "--strategy stop-copy --max-downtime none",
                    m.stats.expected_downtime_ms * 1.3));
  }
  throw Error(Code::timed_out,
              fmt::format("migration {} was still {} after {}", m.id, to_string(m.state),
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
      if (handover::is_committed(m.state)) {
        co_await finish(m);
      } else if (m.state == State::aborting) {
        co_await clean_up(m);
      } else if (m.state != State::aborted) {
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

struct Migrations::Asked {
  bool done = false;
  json::object answer;
  std::exception_ptr failed;
};

asio::awaitable<void> Migrations::ask_into(std::shared_ptr<Asked> asked, http::Endpoint peer,
                                           std::string method, std::string path, json::value body,
                                           milliseconds timeout) {
  try {
    asked->answer =
        co_await ask(std::move(peer), std::move(method), std::move(path), std::move(body), timeout);
  } catch (...) {
    asked->failed = std::current_exception();
  }
  asked->done = true;
  changed_.notify();
}

asio::awaitable<json::object> Migrations::ask_in_time(const Migration& m, Deadline deadline,
                                                      std::string method, std::string path,
                                                      json::value body, milliseconds timeout) {
  check(m, deadline);
  // A task of its own, which ends by its own time-out: neither a name that is being looked up nor
  // an agent that says nothing holds up who gives up meanwhile.
  const auto asked = std::make_shared<Asked>();
  tasks_.spawn("ask the target of " + m.id, ask_into(asked, peer(m), std::move(method),
                                                     std::move(path), std::move(body), timeout));
  while (!asked->done) {
    co_await changed_.wait_until(deadline);
    check(m, deadline);
  }
  if (asked->failed) std::rethrow_exception(asked->failed);
  co_return std::move(asked->answer);
}

/// Polls until the target is there; what it cannot be before a commit is thrown.
asio::awaitable<TargetStatus> Migrations::wait_for_target(const Migration& m,
                                                          handover::TargetState wanted,
                                                          Deadline deadline) {
  const auto agent = peer(m).text();
  std::uint64_t seen = 0;
  for (int quick = 0;;) {
    const auto asked_at = Clock::now();
    auto answer = co_await ask_in_time(
        m, deadline, "GET", fmt::format("{}?after={}&wait_ms=300", reservation_path(m.id), seen),
        nullptr, seconds(3));
    auto status = target_status_from(agent, m.epoch, answer);
    if (status.message.state == wanted) co_return status;
    if (auto wrong = not_before_a_commit(agent, status)) throw Error(*wrong);
    if (wanted == TargetState::parked && status.message.state == TargetState::verified) {
      throw Error(Code::protocol_mismatch,
                  fmt::format("the agent at {} says that the standby is verified, and nothing was "
                              "sent to it",
                              agent),
                  "is it a cardswapd of this release that listens there?");
    }
    seen = status.version;
    // An agent waits for news before it answers; one that does not is not asked in a busy loop.
    if (Clock::now() - asked_at < kPollMin && ++quick > kQuickAnswersMax) {
      co_await pause_for(kPollMin);
    }
  }
}

asio::awaitable<void> Migrations::sync_and_freeze(Migration& m) {
  auto deadline = m.spec.timeout_ms > 0
                      ? Clock::now() + milliseconds(static_cast<std::int64_t>(m.spec.timeout_ms))
                      : Deadline::max() - std::chrono::hours(1);
  const auto wait_for = [&](auto condition, Deadline until) -> asio::awaitable<bool> {
    while (!condition()) {
      check(m, deadline);
      if (Clock::now() >= until) co_return false;
      co_await changed_.wait_until(std::min(until, deadline));
    }
    check(m, deadline);
    co_return true;
  };

  // Reserve before anything else is said to anybody.
  co_await enter(m, Event::started, deadline);
  auto* job = jobs_.by_instance(m.instance);
  json::object body{{"migration", m.id},
                    {"job", to_json(spec_of(*job))},
                    {"arrive", to_string(m.spec.arrive)},
                    {"device", parse_destination(m.spec.to).device},
                    {"state_bytes", job->state_bytes},
                    {"homed_bytes", job->relocatable_bytes},
                    {"epoch", m.epoch},
                    {"from", m.from},
                    {"from_api", config_.listen_address().text()},
                    {"encrypt", m.spec.encrypt},
                    {"framework", job->framework},
                    {"dry_run", false}};
  if (is_own_network(job->network)) {
    json::array addresses;
    for (const auto& address : own_addresses()) addresses.emplace_back(address);
    body["addresses"] = std::move(addresses);
  }
  if (m.spec.arrive == channel::Arrival::criu) {
    const auto examined = co_await examine(*job);
    if (!examined.reasons.empty()) {
      throw Error(Code::refused,
                  fmt::format("job {} cannot be moved by CRIU: {}", m.spec.job,
                              fmt::join(examined.reasons, "; ")),
                  "`cardswap migrate --dry-run` looks again; --arrive standby needs none of it");
    }
    body["process"] = criu::to_json(examined.needs);
  }
  const auto agent = peer(m).text();
  const auto answer = co_await ask_in_time(m, deadline, "POST", "/v1/peer/reservations",
                                           std::move(body), seconds(10));
  const auto offer = offer_from(agent, answer);
  if (!offer.accepted) {
    throw Error(offer.code,
                fmt::format("refused by {}: {}", m.spec.to, fmt::join(offer.blocked_reasons, "; ")),
                offer.hint.empty() ? another_device(m) : offer.hint);
  }
  tasks_.spawn("watch the target of " + m.id, watch_target(m.id));

  // The time-out of the migration is another limit than that of the standby's start.
  const auto standby_deadline = std::min(deadline, Clock::now() + kStandbyStartMax);
  TargetStatus standby;
  try {
    standby = co_await wait_for_target(m, TargetState::parked, standby_deadline);
  } catch (const Error& error) {
    const bool too_long = error.code() == Code::timed_out && Clock::now() >= standby_deadline;
    if (!too_long || Clock::now() >= deadline) throw;
    throw Error(Code::timed_out,
                fmt::format("the standby of job {} at {} did not park within {} s", m.spec.job,
                            m.spec.to, kStandbyStartMax.count()),
                "its log is on that host; does the program reach its first step there?");
  }
  note_warning(m, standby.warning);
  co_await enter(m, Event::standby_parked, deadline);

  auto round_trip = std::chrono::duration<double, std::milli>::max();
  for (int times = 0; times < kRoundTripsMeasured; ++times) {
    const auto asked_at = Clock::now();
    (void)co_await ask_in_time(m, deadline, "GET", reservation_path(m.id), nullptr, seconds(3));
    round_trip = std::min<decltype(round_trip)>(round_trip, Clock::now() - asked_at);
  }

  co_await enter(m, Event::sync_began, deadline);
  channel::BeginSync begin;
  begin.handover_ms = kHandoverWrites * journal_.put_ms() + kHandoverAsks * round_trip.count();
  begin.migration = m.id;
  begin.host = standby.data.host;
  begin.port = standby.data.port;
  begin.token = standby.data.token;
  begin.data_key = standby.data.key;
  if (m.spec.encrypt && begin.data_key.empty()) {
    throw Error(Code::refused,
                fmt::format("the agent of {} gave no key to encrypt with", m.spec.to),
                "run the same Cardswap release on both hosts");
  }
  begin.spec = m.spec;
  begin.transports = config_.transports;
  job = jobs_.by_instance(m.instance);
  if (job != nullptr && is_own_network(job->network)) {
    begin.data_peers = data_peers(standby.addresses, begin.host, own_addresses());
  }
  if (job != nullptr && job->init.pid != 0) {
    begin.transports = criu::transports_of_restored(config_.transports, begin.host);
  }
  if (job == nullptr || !hub_.send(*job, begin)) {
    throw Error(Code::source_lost, fmt::format("job {} is not attached any more", m.spec.job));
  }
  co_await wait_for([&] { return m.converged; }, deadline);
  co_await enter(m, Event::downtime_fits, deadline);
  const bool by_criu = m.spec.arrive == channel::Arrival::criu;
  if (by_criu) co_await prepare_departure(m, standby);

  feed(m, Event::freeze_due);
  if (m.hold_at == "freezing") {
    m.held = true;
    bump(m);
    co_await wait_for([&] { return m.proceed; }, deadline);
    m.held = false;
  }
  co_await wait_for([&] { return m.frozen_at.has_value(); }, deadline);
  m.migrated_at_step = *m.frozen_at;
  co_await enter(m, Event::trainer_frozen, deadline);
  co_await wait_for([&] { return m.verified.has_value(); }, deadline);

  if (by_criu) co_await depart(m, deadline);
  job = jobs_.by_instance(m.instance);
  if (by_criu && job != nullptr) {
    deadline = std::min(deadline, Clock::now() + time_to_read(*job, kRestoreMax));
  }

  // The target's agent must have heard the same from its side before anything is decided.
  m.migrated_at_step = *m.frozen_at;
  const auto target = co_await wait_for_target(m, TargetState::verified, deadline);
  check(m, deadline);
  m.theirs = target.message.content;
  if (by_criu) note_restored(m, target);
  feed(m, target.message);
  if (!handover::is_committed(m.state)) {
    throw Error(Code::digest_mismatch, "the two sides report different digests of the state");
  }
}

/// The heartbeat: a target whose agent does not answer, or whose standby failed, is lost.
asio::awaitable<void> Migrations::watch_target(std::string id) {
  auto& m = at(id);
  const auto pin = m.in_use;
  const auto agent = peer(m).text();
  const auto is_watched = [&] {
    return !handover::is_committed(m.state) && m.state != State::aborting &&
           m.state != State::aborted && !m.failure;
  };
  auto heard = Clock::now();
  while (is_watched()) {
    std::optional<Error> lost;
    try {
      const auto answer =
          co_await ask(peer(m), "GET", reservation_path(m.id), nullptr, kWatchAnswerMax);
      if (!is_watched()) co_return;
      lost = not_before_a_commit(agent, target_status_from(agent, m.epoch, answer));
      heard = Clock::now();
    } catch (...) {
      if (tasks_.stopping()) throw;
      const auto error = error_of(std::current_exception());
      const bool silent = Clock::now() - heard >= config_.peer_silence_max;
      if (error.code() == Code::protocol_mismatch) {
        lost = error;
      } else if (silent || error.code() == Code::unreachable || error.code() == Code::not_found) {
        lost = Error(Code::target_lost,
                     fmt::format("the agent of {} does not answer: {}", m.spec.to, error.failure()),
                     "the job goes on where it is; look at that agent and the network");
      }
    }
    if (lost) {
      note_failure(m, *lost);
      co_return;
    }
    co_await pause_for(kWatchEvery);
  }
}

}  // namespace cardswap
