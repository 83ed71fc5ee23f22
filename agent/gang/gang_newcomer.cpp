// The part of GangTask that talks with the newcomers' agents.

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <exception>
#include <utility>

#include "agent/base/backoff.h"
#include "agent/base/units.h"
#include "agent/gang/gang_task.h"
#include "agent/handover/base/data_key.h"
#include "agent/handover/base/peer_answers.h"

namespace cardswap::gang {
namespace {

using handover::Message;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Message::Kind;

constexpr milliseconds kNewcomerNewsWait{300};  // at its agent
constexpr milliseconds kTellAgain{500};         // what was perhaps lost
constexpr milliseconds kTellFirst{50};
constexpr milliseconds kTellMax{1000};
constexpr seconds kNewcomerSilenceMax{10};  // after the commit; then an operator is told

bool is(const Error& error, Code code) { return error.code() == code; }

}  // namespace

TargetClient::ReservationRef GangTask::place_of(std::uint32_t rank) const {
  return {http::Endpoint::tcp(parse_destination(record_.move_of(rank).to).agent()),
          record_.newcomer_id(rank), record_.side.epoch};
}

asio::awaitable<void> GangTask::reserve(std::uint32_t rank) {
  auto& newcomer = newcomers_.at(rank);
  newcomer.is_reserved = true;  // or may be: the answer may be lost
  auto agent = place_of(rank).agent;
  const auto offer = co_await clients_.targets.reserve(std::move(agent), plan_->places.at(rank));
  if (offer.accepted) co_return;
  newcomer.is_reserved = false;
  throw Error(refusal_of(offer, record_.move_of(rank).to));
}

asio::awaitable<TargetAnswer> GangTask::call(std::uint32_t rank, Message message) {
  const auto self = shared_from_this();
  co_await asio::post(asio::use_awaitable);  // what it follows from is done to its end first
  const auto place = place_of(rank);
  TargetAnswer answer;
  std::optional<Error> failed;
  try {
    switch (message.kind) {
      case Kind::reserve: co_await reserve(rank); break;
      case Kind::grant: answer = co_await clients_.targets.grant(place, message.content); break;
      case Kind::drop: answer = co_await clients_.targets.drop(place, message.epoch); break;
      default: break;
    }
  } catch (...) {
    if (context_.tasks.is_stopping()) throw;
    failed = error_of(std::current_exception());
  }
  if (failed) {
    on_newcomer_failed(rank, message, *failed);
  } else {
    newcomers_.at(rank).contact.heard_at = Clock::now();
    hear_newcomer(rank, message, answer);
  }
  co_return answer;
}

void GangTask::hear_newcomer(std::uint32_t rank, const Message& asked, const TargetAnswer& answer) {
  if (!answer.status) {
    if (asked.kind == Kind::drop) hear_of_no_newcomer(rank);
    return;
  }
  const auto& status = *answer.status;
  auto& newcomer = newcomers_.at(rank);
  newcomer.contact.knows = true;
  newcomer.contact.version = std::max(newcomer.contact.version, status.version);
  if (is_before_commit() && !is_given_up(state())) {
    if (const auto wrong = not_before_a_commit(place_of(rank).agent.text(), status);
        wrong && !cause_) {
      cause_ = *wrong;
    }
    const bool parks = status.message.state == TargetState::parked && !newcomer.parked;
    if (parks) {
      try {
        check_key_was_given(record_.spec, status.data, record_.move_of(rank).to);
      } catch (const Error& no_key) {
        return give_up(no_key);
      }
      newcomer.parked = status;
    }
  }
  if (handover::is_granted(status.message.state)) {
    auto* move = record_.find_move(rank);
    move->downtime_ms = status.downtime_ms;
    move->clock_error_ms = status.clock_error_ms;
    if (record_.cost.note(rank, status.first_steps)) touch();
  }
  if (handover::is_granted(status.message.state) && !is_newcomer_silent()) {
    alerted_.reset();  // all of them speak again
  }
  const auto before = executor_.side().heard()[rank];
  drive([&] { executor_.hear(rank, status.message); });
  const auto& now = executor_.side().heard()[rank];
  record_.cost.note_newcomer(rank, to_string(now.newcomer), unix_ms());
  const bool news = !(before == now);
  if (news && newcomer.parked && state() == GangState::preparing) {
    drive([&] { executor_.tick(rank); });  // now it can join
  }
  if (news) touch();
}

/// Its agent has no place for it: none was made, or it is over and forgotten.
void GangTask::hear_of_no_newcomer(std::uint32_t rank) {
  drive([&] { executor_.hear(rank, Message{Kind::status, record_.side.epoch}); });
}

void GangTask::on_newcomer_failed(std::uint32_t rank, const Message& asked, const Error& why) {
  auto& newcomer = newcomers_.at(rank);
  if (is(why, Code::not_found)) {
    newcomer.contact.heard_at = Clock::now();
    if (state() == GangState::completed) {
      record_.cost.end(rank, "the target's agent has forgotten the move");
    }
    return hear_of_no_newcomer(rank);
  }
  const bool open = is_before_commit() && !is_given_up(state());
  if (asked.kind == Kind::reserve) return give_up(why);
  const auto silent_for = Clock::now() - newcomer.contact.heard_at;
  if (open) {
    if (http::is_silence(why.code()) && silent_for < context_.config.peer_silence_max) return;
    return give_up(Error(
        Code::target_lost,
        fmt::format("the agent of {} does not answer: {}", record_.move_of(rank).to, why.failure()),
        "the job goes on as before; look at that agent and the network"));
  }
  // Nothing was granted there: what is reserved ends there by this agent's silence.
  const bool was_granted = executor_.side().durable().own_epoch > record_.side.epoch;
  if (is_given_up(state()) && !was_granted && asked.kind == Kind::drop &&
      is(why, Code::unreachable)) {
    return hear_of_no_newcomer(rank);
  }
  if (is_over(state()) || silent_for < kNewcomerSilenceMax) return;
  if (Clock::now() - newcomer.told_at < kNewcomerSilenceMax) return;
  newcomer.told_at = Clock::now();
  apply(GangEvent::newcomer_silent);
}

asio::awaitable<void> GangTask::watch_newcomer(std::shared_ptr<GangTask> self, std::uint32_t rank,
                                               std::uint64_t watch) {
  Backoff retry(kTellFirst, kTellMax);
  const Message poll{Kind::poll, record_.side.epoch};
  auto& newcomer = newcomers_.at(rank);
  auto& contact = newcomer.contact;
  while ((!is_done() || !record_.cost.is_over(rank)) && watch == watch_) {
    std::optional<Error> failed;
    const bool is_known = newcomer.is_reserved || !plan_;
    if (is_known) {
      try {
        const auto answer = co_await clients_.targets.wait_for_change(
            place_of(rank), contact.version, kNewcomerNewsWait);
        contact.heard_at = Clock::now();
        hear_newcomer(rank, poll, answer);
        retry.reset();
      } catch (...) {
        if (context_.tasks.is_stopping()) throw;
        failed = error_of(std::current_exception());
      }
      // While it is being reserved its agent does not know of it yet.
      const bool early = failed && is(*failed, Code::not_found) && !contact.knows &&
                         state() == GangState::preparing;
      if (failed && !early) on_newcomer_failed(rank, poll, *failed);
    }
    if (Clock::now() - contact.ticked_at >= kTellAgain) {
      contact.ticked_at = Clock::now();
      drive([&] { executor_.tick_newcomer(rank); });
    }
    if (failed || !is_known) co_await changed_.wait_until(Clock::now() + retry.next());
  }
  (void)self;
}

bool GangTask::is_newcomer_silent() const {
  return std::ranges::any_of(newcomers_, [](const auto& one) {
    return Clock::now() - one.second.contact.heard_at >= kNewcomerSilenceMax;
  });
}

bool GangTask::is_in_doubt() const {
  if (state() == GangState::in_doubt) return true;
  const bool waits = state() == GangState::reclaiming || state() == GangState::resumed;
  return waits && is_newcomer_silent();
}

/// The newcomers' agents are asked all the time: what they say now is known.
void GangTask::force(const OperatorDecision& decision) {
  const bool to_target = decision.to == MigrationSide::target;
  const auto event = to_target ? GangEvent::forced_to_target : GangEvent::forced_to_source;
  const auto now = state();
  auto next = executor_.side();
  const bool is_healthy = now == GangState::committed;  // it goes on by itself
  if (is_healthy || next.on(event).empty()) {
    throw Error(
        Code::conflict,
        fmt::format("migration {} is {}: it cannot be forced to the {}", record_.id, to_string(now),
                    to_string(decision.to)),
        is_over(now) ? "it is over: `cardswap status " + record_.id + "`" : "it goes on by itself");
  }
  if (!is_newcomer_silent() && !decision.overrule) {
    throw Error(Code::conflict,
                fmt::format("the agent of {} answers: migration {} ends by itself", record_.spec.to,
                            record_.id),
                "--overrule decides all the same");
  }
  const auto text = fmt::format("job {} migration {} is forced to the {} by an operator ({})",
                                record_.spec.job, record_.id, to_string(decision.to), decision.by);
  spdlog::warn("{}", text);
  const auto before = record_;
  if (now == GangState::broken) {  // how it ended is written anew
    record_.result.reset();
    record_.error.reset();
    record_.ended_at_ms = 0;
  }
  try {
    executor_.apply(event);
  } catch (...) {
    record_ = before;
    throw;
  }
  if (now == GangState::broken) begin_to_watch();
  context_.events.emit(
      {.kind = "forced", .text = text, .job = record_.job, .migration = record_.id});
}

Message GangTask::answer_to_newcomer(std::uint32_t rank) const {
  return executor_.side().message(rank, Kind::decision);
}

}  // namespace cardswap::gang
