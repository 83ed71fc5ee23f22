#include "agent/handover/target/source_courier.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "agent/base/backoff.h"
#include "agent/base/failure_of.h"
#include "agent/handover/target/target_second_copy.h"

namespace cardswap {
namespace {

using handover::Message;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kTellFirst{100};
constexpr milliseconds kTellMax{2000};
constexpr seconds kTellAgain{5};  // to one that is halted

}  // namespace

asio::awaitable<DecisionAnswer> SourceCourier::ask() {
  DecisionQuestion asked;
  asked.agent = reservation_.record().from_api;
  asked.only_of =
      reservation_.record().owner;  // whoever reserved the place decides, and nobody else
  asked.migration = reservation_.migration();
  asked.epoch = reservation_.epoch();
  asked.state = reservation_.state();
  co_return co_await ask_decision(std::move(asked));
}

void SourceCourier::send(const Message&) {
  if (std::exchange(asks_, true)) return;
  run_.spawn("ask the source of " + reservation_.migration(), call());
}

asio::awaitable<void> SourceCourier::call() {
  co_await asio::post(asio::use_awaitable);  // what it follows from is done to its end first
  auto asked = ask();
  const auto [answer, failed] = co_await tried(tasks_, std::move(asked));
  asks_ = false;
  try {
    if (!answer) {
      on_call_failed(*failed);
    } else if (reservation_.is_granted()) {
      on_copy(*answer);
    } else {
      on_decision(*answer);
    }
    refused_by_the_disk_.clear();
  } catch (...) {  // a full disk, say: it is asked again, for as long as it takes
    const auto error = error_of(std::current_exception());
    if (std::exchange(refused_by_the_disk_, error.failure()) != error.failure()) {
      spdlog::error("migration {}: {}", reservation_.migration(), error.what());
    }
  }
  list_.changed(reservation_).notify();
}

/// Notes the doubt. An answer that is no decision about this migration decides nothing.
void SourceCourier::on_call_failed(const Error& failed) {
  if (reservation_.state() != TargetState::verified) return;
  reservation_.doubt = failed.failure();
  if (note_doubt(true)) return;
  const auto name = job_name("");
  const auto text = fmt::format(
      "migration {} is in doubt: the source's agent at {} does not tell: {}; the standby of job {} "
      "holds its whole state here and waits",
      reservation_.migration(), reservation_.record().from_api, reservation_.doubt, name);
  spdlog::warn("{}", text);
  events_.emit({"in_doubt", text, name, {}, reservation_.migration()});
}

void SourceCourier::on_decision(const DecisionAnswer& answer) {
  note_contact();
  if (answer.message.decision == handover::Decision::pending) return;
  if (answer.message.decision != handover::Decision::aborted) return run_.apply(answer.message);
  run_.apply(answer.message, Error(Code::source_lost, "the source's agent gave the migration up"));
}

/// Handles the answer where the job is here, perhaps by an operator's decision: what the source
/// has.
void SourceCourier::on_copy(const DecisionAnswer& answer) {
  if (!reservation_.has_pending_notice()) return;
  const bool higher = answer.own_epoch > reservation_.epoch();
  const bool lower = answer.message.decision == handover::Decision::aborted && !higher;
  if (lower) {
    note_copy(LowerCopy::steps);
  } else {
    note_copy(answer.is_halted ? std::optional(LowerCopy::frozen) : std::nullopt);
  }
  if (higher) {
    run_.apply(Message{Message::Kind::drop, answer.own_epoch});
  } else if (!answer.is_halted) {
    run_.apply(answer.message);
  }
}

void SourceCourier::note_copy(std::optional<LowerCopy> copy) {
  const auto before = list_.note(
      reservation_, [&](ReservationNotes& notes) { return std::exchange(notes.copy, copy); });
  if (before == copy || !copy) return;
  report_second_copy(reservation_, job_name("?"), 0, events_);
}

asio::awaitable<void> SourceCourier::notify() {
  Backoff retry(kTellFirst, kTellMax);
  while (!reservation_.record().side.tick().empty()) {
    run_.tick();
    while (asks_)
      co_await list_.changed(reservation_).wait_until(std::chrono::steady_clock::now() + kTellMax);
    if (reservation_.record().copy == LowerCopy::frozen) {
      co_await pause_for(kTellAgain);
    } else {
      co_await retry.wait();
    }
  }
}

void SourceCourier::note_contact() {
  reservation_.last_contact_at = std::chrono::steady_clock::now();
  note_doubt(false);
}

bool SourceCourier::note_doubt(bool in_doubt) {
  return list_.note(reservation_, [&](ReservationNotes& notes) {
    return std::exchange(notes.in_doubt, in_doubt);
  });
}

std::string SourceCourier::job_name(const std::string& unknown) const {
  const auto* standby = jobs_.by_instance(reservation_.instance());
  return standby != nullptr ? standby->name() : unknown;
}

}  // namespace cardswap
