// The source's agent and the target's: each message is a call, each answer an event.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_fields.h"
#include "agent/criu/data_devices.h"
#include "agent/handover/answers.h"
#include "agent/handover/data_plane.h"
#include "agent/handover/migrations.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Message;
using handover::SourceSide;
using handover::State;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;
using Kind = Message::Kind;

constexpr milliseconds kAnswerMax{3000};
constexpr milliseconds kHeartbeatAnswerMax{1500};
constexpr seconds kReserveMax{10};
constexpr milliseconds kNewsWait{300};           // at the target, before the commit
constexpr milliseconds kNewsWaitCommitted{500};  // and after it

bool is(const std::optional<Error>& failed, std::initializer_list<Code> codes) {
  return failed && std::ranges::find(codes, failed->code()) != codes.end();
}

}  // namespace

bool Migrations::is_at_failpoint(const Migration& m) {
  return !m.proceed && m.hold_at == to_string(m.state());
}

void Migrations::send(Migration& m, const Message& message) {
  for (auto& transfer : m.transfers) send(m, transfer, message);
}

void Migrations::send(Migration& m, Transfer& transfer, const Message& message) {
  auto& target = transfer.target;
  // A failpoint stands between what is on disk and what it stands for.
  const bool decides = message.kind == Kind::reserve || message.kind == Kind::grant;
  if (decides && is_at_failpoint(m)) {
    target.kept_back.push_back(message);
    return;
  }
  // One that is under way stands for both.
  if (std::exchange(target.under_way.at(static_cast<std::size_t>(message.kind)), true)) return;
  tasks_.spawn("tell the target of " + m.id, call_target(m, transfer, m.in_use, message));
}

void Migrations::send_kept_back(Migration& m) {
  for (auto& transfer : m.transfers) {
    for (const auto& message : std::exchange(transfer.target.kept_back, {})) {
      send(m, transfer, message);
    }
  }
  if (std::exchange(m.begin_sync_is_due, false)) begin_sync(m);
}

asio::awaitable<void> Migrations::call_target(Migration& m, Transfer& transfer,
                                              std::shared_ptr<void>, Message message) {
  co_await asio::post(asio::use_awaitable);  // what it follows from is done to its end first
  const auto asked_at = Clock::now();
  auto& target = transfer.target;
  const bool awaited = target.awaited;
  std::optional<Error> failed;
  json::object answer;
  try {
    answer = co_await request(m, transfer, message);
  } catch (...) {
    if (tasks_.stopping()) throw;
    failed = error_of(std::current_exception());
  }
  target.under_way.at(static_cast<std::size_t>(message.kind)) = false;
  ++target.calls;
  target.silent = false;
  if (!failed && message.kind == Kind::poll && !awaited) {
    const std::chrono::duration<double, std::milli> took = Clock::now() - asked_at;
    target.round_trip_ms = std::min(target.round_trip_ms, took.count());
    ++target.round_trips;
  }
  try {
    answered(m, transfer, message, failed, answer, awaited);
    target.refused_by_the_disk.clear();
  } catch (...) {
    // What is not on disk has not happened here: before the commit it is given up, after it the
    // target is asked again.
    const auto error = error_of(std::current_exception());
    const auto failure = error.failure();
    if (m.walks()) {
      note_failure(m, error);
    } else if (std::exchange(target.refused_by_the_disk, failure) != failure) {
      spdlog::error("job {} migration {}: {}", m.spec.job, m.id, error.what());
    }
  }
  changed_.notify();
}

asio::awaitable<json::object> Migrations::request(Migration& m, Transfer& transfer,
                                                  Message message) {
  auto path = reservation_path(m.id);
  switch (message.kind) {
    case Kind::reserve: {
      auto body = co_await reservation_body(m, transfer);
      co_return co_await ask(peer(transfer), "POST", "/v1/peer/reservations", std::move(body),
                             kReserveMax);
    }
    case Kind::grant: {
      json::object body{{"epoch", message.epoch},
                        {"root", to_string(message.content.root)},
                        {"step", message.content.step}};
      co_return co_await ask(peer(transfer), "POST", path + "/grant", std::move(body), kAnswerMax);
    }
    case Kind::drop:
      if (message.epoch > m.epoch()) path += fmt::format("?epoch={}", message.epoch);
      co_return co_await ask(peer(transfer), "DELETE", std::move(path), nullptr, kAnswerMax);
    default: break;
  }
  const bool committed = handover::is_committed(m.state());
  if (!transfer.target.awaited && !committed) {
    co_return co_await ask(peer(transfer), "GET", std::move(path), nullptr, kHeartbeatAnswerMax);
  }
  const auto wait = committed ? kNewsWaitCommitted : kNewsWait;
  path += fmt::format("?after={}&wait_ms={}", transfer.target.version, wait.count());
  co_return co_await ask(peer(transfer), "GET", std::move(path), nullptr, kAnswerMax);
}

void Migrations::answered(Migration& m, Transfer& transfer, const Message& asked,
                          std::optional<Error> failed, const json::object& answer, bool awaited) {
  auto& target = transfer.target;
  std::optional<TargetStatus> status;
  if (asked.kind == Kind::reserve) {
    if (failed) return note_failure(m, *failed);
    const auto offer = offer_from(peer(transfer).text(), answer);
    if (offer.accepted) {
      target.accepted = true;
      target.heard = Clock::now();
      return;
    }
    return note_failure(m, Error(offer.code,
                                 fmt::format("refused by {}: {}", transfer.to,
                                             fmt::join(offer.blocked_reasons, "; ")),
                                 offer.hint.empty() ? another_device(m) : offer.hint));
  }
  if (!failed && (asked.kind == Kind::poll || answer.contains("state"))) {
    try {
      status = target_status_from(peer(transfer).text(), m.epoch(), answer);
    } catch (const Error& no_answer) {
      failed = no_answer;
    }
  }
  if (status) {
    target.heard = Clock::now();
    target.version = status->version;
    if (m.state() == State::preparing) target.status = *status;
  }
  if (m.walks()) {
    if (m.failure) return;
    if (status) hear_before_the_commit(m, transfer, *status);
    if (failed) miss(m, transfer, *failed, awaited);
    return;
  }
  // Refused is answered: its state says why.
  if (asked.kind == Kind::grant) {
    target.granted =
        !failed || is(failed, {Code::not_found, Code::conflict, Code::digest_mismatch});
  }
  if (failed) target.failure = failed->failure();
  target.silent = failed && asked.kind == Kind::poll && failed->code() != Code::not_found;
  if (asked.kind == Kind::grant && !target.granted) target.silent = true;
  if (handover::is_committed(m.state())) {
    if (status && handover::is_granted(status->message.state)) {
      transfer.downtime_ms = status->downtime_ms;
      transfer.clock_error_ms = status->clock_error_ms;
      (void)transfer.lost_time.hear(status->first_steps);
    }
    if (status) return apply(m, status->message);
    if (asked.kind == Kind::poll && is(failed, {Code::not_found})) {
      target.heard = Clock::now();
      apply(m, Message{Kind::status, m.epoch()});
    }
    return;
  }
  hear_after_the_end(m, transfer, asked, failed, status, text_at(answer, "forced") == "target");
}

/// What it cannot be before a commit gives the migration up.
void Migrations::hear_before_the_commit(Migration& m, Transfer& transfer,
                                        const TargetStatus& status) {
  const auto agent = peer(transfer).text();
  if (const auto wrong = not_before_a_commit(agent, status)) return note_failure(m, *wrong);
  const auto state = status.message.state;
  if (m.state() == State::preparing && state == TargetState::verified) {
    return note_failure(
        m, Error(Code::protocol_mismatch,
                 fmt::format("the agent at {} says that the standby is verified, and nothing was "
                             "sent to it",
                             agent),
                 "is it a cardswapd of this release that listens there?"));
  }
  if (m.state() == State::preparing && state == TargetState::parked) {
    note_warning(m, transfer, status.warning);
  }
  if (m.spec.arrive == Arrival::criu && state == TargetState::verified) {
    note_restored(transfer, status);
  }
  const auto before = m.state();
  apply(m, status.message);
  if (m.state() != before) transfer.target.awaited = false;
}

/// A target whose agent does not answer is lost.
void Migrations::miss(Migration& m, const Transfer& transfer, const Error& failed, bool awaited) {
  const bool silent = Clock::now() - transfer.target.heard >= config_.peer_silence_max;
  if (failed.code() == Code::protocol_mismatch) return note_failure(m, failed);
  if (silent || failed.code() == Code::unreachable || failed.code() == Code::not_found) {
    return note_failure(
        m, Error(Code::target_lost,
                 fmt::format("the agent of {} does not answer: {}", transfer.to, failed.failure()),
                 "the job goes on where it is; look at that agent and the network"));
  }
  if (awaited) note_failure(m, failed);
}

/// It was given up here, or taken back.
void Migrations::hear_after_the_end(Migration& m, Transfer& transfer, const Message& asked,
                                    const std::optional<Error>& failed,
                                    const std::optional<TargetStatus>& status, bool forced) {
  const bool refused = is(failed, {Code::conflict});  // it has the job, or ends
  if (asked.kind == Kind::drop && (refused || (m.open() && !failed && !status))) {
    apply(m, SourceSide(m.side), m.side.poll());
    if (refused) return;
  }
  const bool is_there = status && handover::is_granted(status->message.state);
  if (is_there && m.own_epoch() < m.epoch() && !forced) {
    // What was not granted here may step there by an operator's word alone.
    spdlog::error("job {} migration {}: {} says that it was granted the job, which it was not",
                  m.spec.job, m.id, transfer.to);
    return;
  }
  if (m.state() == State::aborting && !is_there) {
    // Unauthorized: not even the reservation got there, or it ends by this agent's silence. So it
    // does at an agent that answers what is no answer.
    const bool gone = asked.kind == Kind::drop
                          ? !failed || is(failed, {Code::unreachable, Code::unauthorized,
                                                   Code::protocol_mismatch})
                          : status && status->message.state == TargetState::failed;
    if (gone || is(failed, {Code::not_found})) transfer.target.dropped = true;
    return;
  }
  if (status) hear(m, status->message);
  if (is(failed, {Code::not_found})) hear(m, Message{Kind::status, m.epoch()});
}

/// What the place is for.
asio::awaitable<json::object> Migrations::reservation_body(const Migration& m,
                                                           const Transfer& transfer) {
  const auto* source = jobs_.by_instance(transfer.instance);
  if (source == nullptr) throw Error(Code::source_lost, fmt::format("job {} is gone", m.spec.job));
  json::object body{{"migration", m.id},
                    {"job", to_json(source->job().spec)},
                    {"arrive", to_string(m.spec.arrive)},
                    {"device", parse_destination(transfer.to).device},
                    {"state_bytes", source->state_bytes},
                    {"homed_bytes", source->relocatable_bytes},
                    {"epoch", m.epoch()},
                    {"from", transfer.from},
                    {"from_api", config_.listen_address().text()},
                    {"encrypt", m.spec.encrypt},
                    {"framework", source->framework},
                    {"dry_run", false}};
  if (is_own_network(source->network)) {
    json::array addresses;
    for (const auto& address : own_addresses()) addresses.emplace_back(address);
    body["addresses"] = std::move(addresses);
  }
  if (m.spec.arrive == Arrival::criu) {
    const auto examined = co_await examine(*source);
    if (!examined.reasons.empty()) {
      throw Error(Code::refused,
                  fmt::format("job {} cannot be moved by CRIU: {}", m.spec.job,
                              fmt::join(examined.reasons, "; ")),
                  "`cardswap migrate --dry-run` looks again; --arrive standby needs none of it");
    }
    body["process"] = criu::to_json(examined.needs);
  }
  co_return body;
}

void Migrations::begin_sync(Migration& m) {
  for (const auto& transfer : m.transfers) begin_sync(m, transfer);
}

/// To the trainer: where its state is taken.
void Migrations::begin_sync(Migration& m, const Transfer& transfer) {
  const auto& standby = *transfer.target.status;
  channel::BeginSync begin;
  begin.handover_ms = handover_ms(m);
  begin.migration = m.id;
  begin.host = standby.data.host;
  begin.port = standby.data.port;
  begin.token = standby.data.token;
  begin.data_key = standby.data.key;
  begin.spec = m.spec;
  begin.transports = config_.transports;
  const auto* source = jobs_.by_instance(transfer.instance);
  if (source != nullptr && is_own_network(source->network)) {
    begin.data_peers = data_peers(standby.addresses, begin.host, own_addresses());
  }
  if (source != nullptr && source->init.pid != 0) {
    begin.transports = criu::transports_of_restored(config_.transports, begin.host);
  }
  if (source == nullptr || !hub_.send(*source, begin)) {
    note_failure(
        m, Error(Code::source_lost, fmt::format("job {} is not attached any more", m.spec.job)));
  }
}

}  // namespace cardswap
