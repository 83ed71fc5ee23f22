#include "agent/handover/copies.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/outside.h"
#include "agent/handover/answers.h"
#include "agent/handover/migrations.h"
#include "agent/handover/reservations.h"
#include "agent/http/client.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Message;
using handover::SourceSide;
using handover::State;
using handover::TargetSide;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTellFirst{100};
constexpr milliseconds kTellMax{2000};
constexpr seconds kTellAgain{5};  // to one that stands, or of which its agent knows nothing

std::string host_of(const std::string& to) { return parse_destination(to).host; }

std::string how_it_is(const Migration& m) {
  if (m.state() == State::superseded) {
    return fmt::format("epoch {} steps at {}; the copy here, of epoch {}, stands for good",
                       m.epoch(), m.spec.to, m.own_epoch());
  }
  const bool stands = m.copy == TargetState::superseded;
  return fmt::format("epoch {} goes on here; the copy at {}, of epoch {}, {}", m.own_epoch(),
                     m.spec.to, m.epoch(),
                     stands ? "stands for good" : "steps and is told to stand");
}

}  // namespace

std::string what_to_do_in_doubt(const std::string& migration, const std::string& to) {
  return fmt::format(
      "on {}: `cardswap jobs`; runs there -> `cardswap resolve {} --force target` here; is not "
      "there and stays so -> `--force source`",
      host_of(to), migration);
}

std::string copy_note(const Migration& m) {
  if (!m.open() || m.copy == TargetState::nothing) return {};
  if (!m.copy) {
    return fmt::format("epoch {} of it may still run at {} (migration {})", m.epoch(), m.spec.to,
                       m.id);
  }
  if (*m.copy == TargetState::superseded) {
    return fmt::format("its copy at {} stands for good: `cardswap stop {}` there", m.spec.to,
                       m.spec.job);
  }
  return fmt::format("TWO COPIES: epoch {} of it runs at {} (migration {})", m.epoch(), m.spec.to,
                     m.id);
}

void tell_two_copies(const Migration& m, const TellEvent& tell) {
  const auto hint =
      m.state() == State::superseded
          ? fmt::format("`cardswap stop {}` here ends it", m.spec.job)
          : fmt::format("on {}: `cardswap stop {}` ends it", host_of(m.spec.to), m.spec.job);
  const auto text = fmt::format("job {} is there twice (migration {}): {}; {}", m.spec.job, m.id,
                                how_it_is(m), hint);
  spdlog::error("{}", text);
  if (tell) tell({"two_epochs", text, m.spec.job, m.first().device(), m.id});
}

void tell_two_copies(const Reservation& r, const std::string& job, std::uint64_t newer_epoch,
                     const TellEvent& tell) {
  const bool stands = newer_epoch != 0;
  const auto text =
      stands ? fmt::format(
                   "job {} is there twice (migration {}): epoch {} steps at {}; the copy "
                   "here, of epoch {}, stands for good; `cardswap stop {}` here ends it",
                   job, r.migration, newer_epoch, r.from, r.side.record().epoch, job)
             : fmt::format(
                   "job {} is there twice (migration {}): epoch {} steps here; the copy at "
                   "{} is of a lower one and must stand; on that host: `cardswap stop {}`",
                   job, r.migration, r.side.record().epoch, r.from, job);
  spdlog::error("{}", text);
  if (tell) tell({"two_epochs", text, job, {}, r.migration});
}

// ---- the source

bool Migrations::has(const std::string& id) const {
  return std::ranges::find(migrations_, id, &Migration::id) != migrations_.end();
}

/// On disk before it counts; a disk that refuses is tried again with what is heard next.
void Migrations::hear(Migration& m, const Message& status) {
  const auto before = std::exchange(m.copy, status.state);
  const bool two = handover::is_granted(status.state) || status.state == TargetState::superseded;
  if (m.open() && two && before != m.copy) tell_two_copies(m, tell_);
  if (before != m.copy) bump(m);
  try {
    apply(m, status);
  } catch (const Error& disk) {
    spdlog::error("job {} migration {}: {}", m.spec.job, m.id, disk.what());
  }
}

asio::awaitable<void> Migrations::tell_the_lower_one(std::string id) {
  auto& m = at(id);
  const auto pin = m.in_use;
  auto retry = kTellFirst;
  while (m.open()) {
    const auto calls = m.calls();
    apply(m, SourceSide(m.side), m.side.tick());
    while (m.open() && m.calls() == calls) {
      co_await changed_.wait_until(std::chrono::steady_clock::now() + kTellMax);
    }
    const bool quiet = m.copy == TargetState::superseded || m.copy == TargetState::nothing;
    co_await pause_for(quiet ? milliseconds(kTellAgain) : retry);
    retry = std::min(retry * 2, kTellMax);
  }
}

json::object Migrations::decision(const std::string& id, const std::string& state,
                                  const Caller& caller) {
  auto& m = at(id);
  if (config_.tls.any() && !caller.owner && !caller.is_for(host_of(m.spec.to))) {
    spdlog::warn("migration {}: {} asks what was decided, and it goes to {}", id, caller.name,
                 m.spec.to);
    throw Error(Code::not_found,
                fmt::format("there is no migration '{}' on {}", id, config_.host_name),
                "only the agent to which it goes may ask: its certificate must be for that host");
  }
  const auto said = handover::target_state_from_string(state);
  // Whoever asks may not be its target: that one is asked itself.
  if (said && handover::is_granted(*said) && handover::is_given_up(m.state())) {
    apply(m, SourceSide(m.side), m.side.poll());
  }
  const auto decision = answer(m, {Message::Kind::ask, m.epoch()}).decision;
  const auto* source = jobs_.by_instance(m.first().instance);
  const bool stands = m.state() == State::superseded && source != nullptr && source->live();
  // One that was outranked committed nothing: only who has the job by force is answered by that.
  return {{"decision", m.state() == State::superseded              ? "superseded"
                       : decision == handover::Decision::committed ? "committed"
                       : decision == handover::Decision::aborted   ? "aborted"
                                                                   : "pending"},
          {"epoch", m.epoch()},
          {"root", m.root()},
          {"step", m.migrated_at_step()},
          {"own_epoch", m.own_epoch()},
          {"copy", stands ? json::value("frozen") : json::value(nullptr)}};
}

// ---- the target

asio::awaitable<Reservations::SourceSays> Reservations::ask_source(Reservation& r) {
  http::Request request;
  request.target = fmt::format("/v1/peer/decisions/{}?state={}", http::percent_encoded(r.migration),
                               to_string(r.side.state()));
  request.timeout = seconds(2);
  request.only_of = r.owner;  // whoever reserved the place decides, and nobody else
  auto source = http::Endpoint::tcp(parse_address("from_api", r.from_api));
  const auto said = co_await http::call(std::move(source), std::move(request));
  SourceSays says;
  static const json::object kNone;
  const auto& answer = said.is_object() ? said.get_object() : kNone;
  if (r.granted() && text_at(answer, "decision") == "superseded") {
    says.message = {
        Message::Kind::decision, r.side.record().epoch, {}, handover::Decision::committed};
  } else {
    says.message = decision_from(r.from_api, r.side.record().epoch, said);
  }
  const auto own_epoch = number_at(answer, "own_epoch");
  says.own_epoch = outside::count("own_epoch", own_epoch, outside::kEpochMax);
  says.stands = text_at(answer, "copy") == "frozen";
  co_return says;
}

void Reservations::call_source(Reservation& r) {
  // One that is under way stands for both.
  if (std::exchange(r.asks, true)) return;
  tasks_.spawn("ask the source of " + r.migration, call_source(r, r.in_use));
}

asio::awaitable<void> Reservations::call_source(Reservation& r, std::shared_ptr<void>) {
  co_await asio::post(asio::use_awaitable);  // what it follows from is done to its end first
  std::optional<SourceSays> says;
  std::optional<Error> failed;
  try {
    says = co_await ask_source(r);
  } catch (...) {
    if (tasks_.stopping()) throw;
    failed = error_of(std::current_exception());
  }
  r.asks = false;
  try {
    if (!says) {
      miss_decision(r, *failed);
    } else if (r.granted()) {
      hear_of_the_copy(r, *says);
    } else {
      hear_decision(r, *says);
    }
    r.refused_by_the_disk.clear();
  } catch (...) {  // a full disk, say: it is asked again, for as long as it takes
    const auto error = error_of(std::current_exception());
    if (std::exchange(r.refused_by_the_disk, error.failure()) != error.failure()) {
      spdlog::error("migration {}: {}", r.migration, error.what());
    }
  }
  changed_.notify();
}

/// What is no decision of its migration decides nothing.
void Reservations::miss_decision(Reservation& r, const Error& failed) {
  if (r.side.state() != TargetState::verified) return;
  r.doubt = failed.failure();
  if (std::exchange(r.in_doubt, true)) return;
  const auto* standby = jobs_.by_instance(r.instance);
  const auto name = standby != nullptr ? standby->name() : std::string();
  const auto text = fmt::format(
      "migration {} is in doubt: the source's agent at {} does not tell: {}; the standby of job {} "
      "holds its whole state here and waits",
      r.migration, r.from_api, r.doubt, name);
  spdlog::warn("{}", text);
  if (tell_) tell_({"in_doubt", text, name, {}, r.migration});
}

void Reservations::hear_decision(Reservation& r, const SourceSays& says) {
  heard(r.migration);
  if (says.message.decision == handover::Decision::pending) return;
  if (says.message.decision == handover::Decision::aborted && !r.error) {
    r.error = Error(Code::source_lost, "the source's agent gave the migration up");
  }
  apply(r, says.message);
}

/// The job is here, by an operator's word at least; its source says what it has.
void Reservations::hear_of_the_copy(Reservation& r, const SourceSays& says) {
  if (!r.side.record().open) return;
  const bool higher = says.own_epoch > r.side.record().epoch;
  const bool lower = says.message.decision == handover::Decision::aborted && !higher;
  note_copy(r, lower ? "steps" : says.stands ? "frozen" : "");
  if (higher) {
    apply(r, Message{Message::Kind::drop, says.own_epoch});
  } else if (!says.stands) {
    apply(r, says.message);
  }
}

void Reservations::note_copy(Reservation& r, const std::string& copy) {
  if (std::exchange(r.copy, copy) == copy || copy.empty()) return;
  const auto* standby = jobs_.by_instance(r.instance);
  tell_two_copies(r, standby != nullptr ? standby->name() : "?", 0, tell_);
}

asio::awaitable<void> Reservations::tell_source(std::string migration) {
  auto& r = at(migration);
  const auto pin = r.in_use;
  auto retry = kTellFirst;
  for (auto effects = r.side.tick(); !effects.empty(); effects = r.side.tick()) {
    apply(r, TargetSide(r.side), effects);
    while (r.asks) co_await changed_.wait_until(std::chrono::steady_clock::now() + kTellMax);
    co_await pause_for(r.copy == "frozen" ? milliseconds(kTellAgain) : retry);
    retry = std::min(retry * 2, kTellMax);
  }
}

}  // namespace cardswap
