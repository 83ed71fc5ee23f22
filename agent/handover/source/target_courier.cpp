#include "agent/handover/source/target_courier.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <utility>

#include "agent/base/failure_of.h"
#include "agent/criu/restored_transports.h"
#include "agent/handover/base/data_plane.h"
#include "agent/handover/base/standby_warning.h"
#include "agent/handover/source/process_needs.h"
#include "agent/handover/source/source_second_copy.h"
#include "agent/handover/source/wanted_reservation.h"

namespace cardswap {
namespace {

using handover::Message;
using handover::SourceState;
using handover::TargetState;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using Kind = Message::Kind;

constexpr milliseconds kHeartbeatAnswerMax{1500};
constexpr milliseconds kLongPoll{300};           // at the target, before the commit
constexpr milliseconds kLongPollCommitted{500};  // and after it

bool is(const std::optional<Error>& failed, std::initializer_list<Code> codes) {
  return failed && std::ranges::find(codes, failed->code()) != codes.end();
}

}  // namespace

TargetCourier::TargetCourier(const MigrationContext& scope, TargetClient& targets,
                             Transfer& transfer)
    : scope_(scope), migration_(scope.migration), targets_(targets), transfer_(transfer) {}

void TargetCourier::send(const Message& message) {
  auto& target = transfer_.target;
  // A failpoint is between what is on disk and its effects.
  const bool decides = message.kind == Kind::reserve || message.kind == Kind::grant;
  if (decides && migration_.holds_effects_at_failpoint()) {
    target.held_back.push_back(message);
    return;
  }
  if (std::exchange(target.calls_in_flight.at(static_cast<std::size_t>(message.kind)), true))
    return;
  if (message.kind == Kind::reserve)
    target.progress.step(ReservationProgress::asked, migration_.id());
  scope_.run.spawn("tell the target of " + migration_.id(), call(message));
}

void TargetCourier::send_held_back() {
  for (const auto& message : std::exchange(transfer_.target.held_back, {})) send(message);
}

asio::awaitable<void> TargetCourier::call(Message message) {
  co_await asio::post(asio::use_awaitable);  // what it follows from is done to its end first
  const auto asked_at = Clock::now();
  auto& target = transfer_.target;
  const bool polled_long = target.polls_long;
  auto asked = request(message);
  const auto [answer, failed] = co_await tried(scope_.context.tasks, std::move(asked));
  target.calls_in_flight.at(static_cast<std::size_t>(message.kind)) = false;
  ++target.calls;
  if (!failed && message.kind == Kind::poll && !polled_long) {
    const std::chrono::duration<double, std::milli> took = Clock::now() - asked_at;
    target.round_trip_ms = std::min(target.round_trip_ms, took.count());
    ++target.round_trips;
  }
  try {
    on_answer(message, failed, answer.value_or(TargetAnswer{}), polled_long);
    target.refused_by_the_disk.clear();
  } catch (...) {
    // What is not on disk has not happened here: before the commit it is given up, after it the
    // target is asked again.
    const auto error = error_of(std::current_exception());
    const auto failure = error.failure();
    if (migration_.is_before_commit()) {
      scope_.run.fail(error);
    } else if (std::exchange(target.refused_by_the_disk, failure) != failure) {
      spdlog::error("job {} migration {}: {}", migration_.spec().job, migration_.id(),
                    error.what());
    }
  }
  scope_.list.changed(migration_).notify();
}

asio::awaitable<TargetAnswer> TargetCourier::request(Message message) {
  switch (message.kind) {
    case Kind::reserve: {
      auto wanted = co_await wanted_reservation();
      const auto offer = co_await targets_.reserve(reservation().agent, std::move(wanted));
      if (offer.accepted) co_return TargetAnswer{};
      throw Error(refusal_of(offer, transfer_.record().to));
    }
    case Kind::grant: co_return co_await targets_.grant(reservation(), message.content);
    case Kind::drop: co_return co_await targets_.drop(reservation(), message.epoch);
    default: break;
  }
  const bool committed = handover::is_committed(migration_.state());
  if (!transfer_.target.polls_long && !committed) {
    co_return co_await targets_.state(reservation(), kHeartbeatAnswerMax);
  }
  const auto wait = committed ? kLongPollCommitted : kLongPoll;
  co_return co_await targets_.wait_for_change(reservation(), transfer_.target.version, wait);
}

/// What the reservation is for.
asio::awaitable<ReservationRequest> TargetCourier::wanted_reservation() {
  const auto& source = scope_.context.jobs.at(transfer_.instance());
  auto wanted = cardswap::wanted_reservation(migration_, transfer_, source, scope_.context.config);
  if (migration_.spec().arrive == ArrivalMode::criu) {
    const auto examined = co_await examine_process(scope_.context, source.id());
    if (!examined.reasons.empty()) {
      throw Error(Code::refused,
                  fmt::format("job {} cannot be moved by CRIU: {}", migration_.spec().job,
                              fmt::join(examined.reasons, "; ")),
                  "`cardswap migrate --dry-run` looks again; --arrive standby needs none of it");
    }
    wanted.process = criu::to_json(examined.needs);
  }
  co_return wanted;
}

void TargetCourier::on_answer(const Message& asked, const std::optional<Error>& failed,
                              const TargetAnswer& answer, bool polled_long) {
  auto& target = transfer_.target;
  if (asked.kind == Kind::reserve) {
    if (failed) return scope_.run.fail(*failed);
    // Else it was given up meanwhile.
    if (target.progress == ReservationProgress::asked)
      target.progress.step(ReservationProgress::accepted, migration_.id());
    target.last_contact_at = Clock::now();
    return;
  }
  const auto& status = answer.status;
  if (status) {
    target.last_contact_at = Clock::now();
    target.version = status->version;
    if (migration_.state() == SourceState::preparing) target.status = *status;
  }
  if (migration_.is_before_commit()) {
    if (migration_.failure) return;
    if (status) on_status_before_the_commit(*status);
    if (failed) on_call_failed(*failed, polled_long);
    return;
  }
  if (failed) target.failure = failed->failure();
  // Refused is answered: its state says why.
  const bool granted =
      !failed || is(failed, {Code::not_found, Code::conflict, Code::digest_mismatch});
  if (asked.kind == Kind::grant && handover::is_committed(migration_.state())) {
    if (granted) {
      target.progress.step(ReservationProgress::grant_answered, migration_.id());
    } else {
      target.doubt_grant(migration_.id());
    }
  }
  target.is_silent = (asked.kind == Kind::grant && !granted) ||
                     (asked.kind == Kind::poll && failed && failed->code() != Code::not_found);
  if (handover::is_committed(migration_.state())) {
    on_answer_after_the_commit(asked, failed, status);
  } else {
    on_answer_after_the_end(asked, failed, answer);
  }
}

/// A status that is impossible before a commit gives the migration up.
void TargetCourier::on_status_before_the_commit(const TargetStatus& status) {
  const auto agent = reservation().agent.text();
  const bool to_store = migration_.record().is_to_store();
  if (const auto wrong = not_before_a_commit(agent, status, to_store))
    return scope_.run.fail(*wrong);
  const auto state = status.message.state;
  if (state == TargetState::stored) {
    scope_.list.note(migration_, [&](MigrationNotes& notes) { notes.stored = status.stored; });
  }
  if (migration_.state() == SourceState::preparing && state == TargetState::verified) {
    return scope_.run.fail(
        Error(Code::protocol_mismatch,
              fmt::format("the agent at {} says that the standby is verified, and nothing was "
                          "sent to it",
                          agent),
              "is it a cardswapd of this release that listens there?"));
  }
  if (migration_.state() == SourceState::preparing && state == TargetState::parked)
    note_warning(status.warning);
  if (migration_.spec().arrive == ArrivalMode::criu && state == TargetState::verified) {
    scope_.list.note(transfer_, [&](TransferRecord& record) {
      record.process.restore_ms = status.restore_ms;
      record.process.driver_resume_ms = status.driver_resume_ms;
      record.process.verify_ms = status.verify_ms;
    });
  }
  const auto before = migration_.state();
  scope_.run.apply(status.message);
  if (migration_.state() != before) transfer_.target.polls_long = false;
}

/// A target whose agent does not answer is lost.
void TargetCourier::on_call_failed(const Error& failed, bool polled_long) {
  const bool silent =
      Clock::now() - transfer_.target.last_contact_at >= scope_.context.config.peer_silence_max;
  if (failed.code() == Code::protocol_mismatch) return scope_.run.fail(failed);
  if (silent || failed.code() == Code::unreachable || failed.code() == Code::not_found) {
    return scope_.run.fail(Error(
        Code::target_lost,
        fmt::format("the agent of {} does not answer: {}", transfer_.record().to, failed.failure()),
        "the job goes on where it is; look at that agent and the network"));
  }
  if (polled_long) scope_.run.fail(failed);
}

void TargetCourier::on_answer_after_the_commit(const Message& asked,
                                               const std::optional<Error>& failed,
                                               const std::optional<TargetStatus>& status) {
  if (status && handover::is_granted(status->message.state)) {
    scope_.list.note(transfer_, [&](TransferRecord& record) {
      record.downtime_ms = status->downtime_ms;
      record.clock_error_ms = status->clock_error_ms;
      (void)record.lost_time.merge(status->first_steps);
    });
  }
  if (status) return scope_.run.apply(status->message);
  if (asked.kind == Kind::poll && is(failed, {Code::not_found})) {
    transfer_.target.last_contact_at = Clock::now();
    scope_.run.apply(Message{Kind::status, migration_.epoch()});
  }
}

/// It was given up here, or taken back.
void TargetCourier::on_answer_after_the_end(const Message& asked,
                                            const std::optional<Error>& failed,
                                            const TargetAnswer& answer) {
  const auto& status = answer.status;
  const bool refused = is(failed, {Code::conflict});  // it has the job, or ends
  if (asked.kind == Kind::drop &&
      (refused || (migration_.has_pending_notice() && !failed && !status))) {
    scope_.run.poll();
    if (refused) return;
  }
  const bool is_there = status && handover::is_granted(status->message.state);
  if (is_there && migration_.own_epoch() < migration_.epoch() && !answer.forced_to_target) {
    // A job that was not granted here may step there only if an operator decided so.
    spdlog::error("job {} migration {}: {} says that it was granted the job, which it was not",
                  migration_.spec().job, migration_.id(), transfer_.record().to);
    return;
  }
  if (migration_.state() == SourceState::aborting && !is_there) {
    // Unauthorized: not even the reservation got there, or it ends by this agent's silence. So it
    // does at an agent that answers what is no answer.
    const bool gone = asked.kind == Kind::drop
                          ? !failed || is(failed, {Code::unreachable, Code::unauthorized,
                                                   Code::protocol_mismatch})
                          : status && is_over(status->message.state);
    if (gone || is(failed, {Code::not_found})) {
      transfer_.target.progress.step(ReservationProgress::dropped, migration_.id());
    }
    return;
  }
  if (status) on_copy(status->message);
  if (is(failed, {Code::not_found})) on_copy(Message{Kind::status, migration_.epoch()});
}

/// Of a job that was taken back. On disk before it counts; a disk that refuses is tried again with
/// what is heard next.
void TargetCourier::on_copy(const Message& status) {
  const auto before = scope_.list.note(migration_, [&](MigrationNotes& notes) {
    return std::exchange(notes.target_state_seen, status.state);
  });
  const bool two = handover::is_granted(status.state) || status.state == TargetState::superseded;
  if (migration_.has_pending_notice() && two && before != migration_.record().target_state_seen)
    report_second_copy(migration_, scope_.context.events);
  if (before != migration_.record().target_state_seen) scope_.list.touch(migration_);
  try {
    scope_.run.apply(status);
  } catch (const Error& disk) {
    spdlog::error("job {} migration {}: {}", migration_.spec().job, migration_.id(), disk.what());
  }
}

/// The target's agent has told its own operators; these are the job's.
void TargetCourier::note_warning(std::string warning) {
  if (warning.empty()) return;
  scope_.list.note(transfer_, [&](TransferRecord& record) {
    record.warning = bounded_warning(std::move(warning));
  });
  spdlog::warn("job {} migration {}: {}", migration_.spec().job, migration_.id(),
               transfer_.record().warning);
  scope_.context.events.emit({.kind = "standby_writes",
                              .text = transfer_.record().warning,
                              .job = migration_.spec().job,
                              .migration = migration_.id()});
}

void TargetCourier::begin_sync(double handover_ms) {
  const auto& standby = *transfer_.target.status;
  channel::BeginSync begin;
  begin.handover_ms = handover_ms;
  begin.migration = migration_.id();
  begin.host = standby.data.host;
  begin.port = standby.data.port;
  begin.token = standby.data.token;
  begin.data_key = standby.data.key;
  begin.spec = migration_.spec();
  begin.transports = scope_.context.config.transports;
  const auto* source = scope_.context.jobs.by_instance(transfer_.instance());
  if (source != nullptr && is_own_network(source->network)) {
    begin.allowed_addresses = allowed_addresses(standby.addresses, begin.host, own_addresses());
  }
  if (source != nullptr && source->record().init.pid != 0) {
    begin.transports = criu::transports_of_restored(scope_.context.config.transports, begin.host);
  }
  if (source == nullptr || !scope_.context.hub.send(*source, begin)) {
    scope_.run.fail(Error(Code::source_lost,
                          fmt::format("job {} is not attached any more", migration_.spec().job)));
  }
}

TargetClient::ReservationRef reservation_ref(const Migration& m, const Transfer& transfer) {
  return {http::Endpoint::tcp(parse_destination(transfer.record().to).agent()), m.id(), m.epoch()};
}

}  // namespace cardswap
