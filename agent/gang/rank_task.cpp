#include "agent/gang/rank_task.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <exception>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/base/data_plane.h"
#include "agent/jobs/rank_report.h"
#include "agent/process/process.h"

namespace cardswap::gang {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kLookEvery{250};

}  // namespace

RankTask::RankTask(const HandoverContext& context, GangClient& client, RankRecord record)
    : context_(context),
      client_(client),
      record_(std::move(record)),
      executor_(record_.gang, record_.side, *this) {}

bool RankTask::may_be_elsewhere() const {
  switch (state()) {
    case RankState::ready:
    case RankState::ended: return record_.has_promised;
    case RankState::retired: return true;
    default: return false;
  }
}

Instance* RankTask::instance() const { return context_.jobs.by_instance(record_.instance); }

/// A process whose connection is gone may come back; one that is gone does not.
bool RankTask::has_process() const {
  const auto* here = instance();
  if (here == nullptr || !here->is_live()) return false;
  const auto found = here->ranks.find(record_.rank);
  if (found == here->ranks.end()) return may_be_alive(record_.process);  // the agent was restarted
  return found->second.attached || may_be_alive(found->second.process);
}

void RankTask::start() {
  context_.tasks.spawn(fmt::format("rank {} of gang {}", record_.rank, record_.gang),
                       watch(shared_from_this()));
}

void RankTask::take_up() {
  executor_.after_restart();
  start();
}

void RankTask::log_refusal(const std::function<void()>& act) const {
  try {
    act();
  } catch (const Error& disk) {
    spdlog::error("gang {}: rank {}: {}", record_.gang, record_.rank, disk.what());
  }
}

void RankTask::apply(RankEvent event, std::uint64_t step) {
  log_refusal([&] { executor_.apply(event, step); });
}

// ---- the conductor

RankReport RankTask::obey(const Order& order, const std::optional<Invitation>& invitation) {
  note_contact();
  if (invitation && !invitation_) invitation_ = invitation;
  (void)executor_.obey(order);
  return report();
}

RankReport RankTask::report() const { return {executor_.status(), version_, why_, stats_, cost_}; }

asio::awaitable<void> RankTask::watch(std::shared_ptr<RankTask> self) {
  while (!is_over()) {
    look_after();
    co_await changed_.wait_until(Clock::now() + kLookEvery);
  }
  (void)self;  // keeps this alive until here
}

/// The process and the conductor, of which neither says when it is gone.
void RankTask::look_after() {
  if (!has_process()) {
    if (!why_) {
      why_ = Error(Code::source_lost, fmt::format("the process of rank {} of job {} has ended",
                                                  record_.rank, record_.job));
    }
    return apply(RankEvent::process_ended);
  }
  const auto silent_for = Clock::now() - heard_at_;
  if (silent_for < kSilenceMax) return;
  if (may_withdraw(state()) && !why_) {
    why_ = Error(Code::source_lost, fmt::format("the agent at {}, which conducts the move, was "
                                                "silent for {} s",
                                                record_.conductor, kSilenceMax.count()));
  }
  apply(RankEvent::conductor_silent);
  if (state() == RankState::switched || state() == RankState::confirmed) ask();
  if (state() != RankState::ready || silent_for < kSilenceTold) return;
  if (std::exchange(is_told_, true)) return;
  const auto text = fmt::format(
      "rank {} of job {} stands still: the agent at {} does not tell what became of gang {}; it "
      "goes on by itself when that agent is back",
      record_.rank, record_.job, record_.conductor, record_.gang);
  spdlog::error("{}", text);
  context_.events.emit(
      {.kind = "in_doubt", .text = text, .job = record_.job, .migration = record_.gang});
}

void RankTask::ask() {
  if (std::exchange(asks_, true)) return;
  context_.tasks.spawn(fmt::format("ask the conductor of gang {}", record_.gang),
                       ask_conductor(shared_from_this()));
}

asio::awaitable<void> RankTask::ask_conductor(std::shared_ptr<RankTask> self) {
  std::optional<Order> order;
  std::string failed;
  try {
    // Named: GCC 12 destroys an aggregate that is made in the co_await's own expression twice.
    const RankRef conductor{http::Endpoint::tcp(parse_address("conductor", record_.conductor)),
                            record_.gang, record_.rank};
    order = co_await client_.decision(conductor, record_.side.epoch);
  } catch (...) {
    if (context_.tasks.is_stopping()) throw;
    failed = error_of(std::current_exception()).failure();
  }
  asks_ = false;
  if (!order) {
    spdlog::debug("gang {}: rank {}: {}", record_.gang, record_.rank, failed);
    co_return;
  }
  log_refusal([&] { (void)self->obey(*order, std::nullopt); });
}

// ---- the trainer

void RankTask::on_message(const channel::Message& message) {
  const auto mine = [&](const std::string& id) { return id == record_.gang; };
  if (cost_.note(record_.gang, message)) return changed();
  if (const auto* progress = std::get_if<channel::SyncProgress>(&message)) {
    if (!mine(progress->migration)) return;
    stats_ = progress->stats;
    return changed();
  }
  if (!why_) why_ = failure_in(record_.gang, message);
  auto* here = instance();
  if (const auto* reached = std::get_if<channel::Reached>(&message);
      reached != nullptr && mine(reached->gang) && here != nullptr) {
    note_rank_frozen(*here, record_.rank, true);
  }
  const auto* converged = std::get_if<channel::Converged>(&message);
  if (converged != nullptr && mine(converged->migration) && record_.side.part == Part::leaves) {
    return apply(RankEvent::prepared, last_step() + 1);
  }
  log_refusal([&] {
    const auto before = state();
    (void)executor_.hear(message);
    const bool has_gone = before == RankState::switched || before == RankState::confirmed;
    if (has_gone && state() == RankState::ended) tell_that_it_is_lost();
  });
}

std::uint64_t RankTask::last_step() const {
  const auto* here = instance();
  if (here == nullptr) return 0;
  const auto found = here->ranks.find(record_.rank);
  return found != here->ranks.end() ? found->second.step : 0;
}

void RankTask::tell_that_it_is_lost() {
  const auto text = fmt::format(
      "rank {} of job {} cannot go on after its job's move{}: the job has lost a rank; its "
      "launcher "
      "or a snapshot starts it again",
      record_.rank, record_.job, why_ ? ": " + why_->failure() : "");
  spdlog::error("{}", text);
  context_.events.emit(
      {.kind = "rank_lost", .text = text, .job = record_.job, .migration = record_.gang});
}

void RankTask::on_attached() {
  log_refusal([&] { executor_.attached(); });
}

void RankTask::on_exit() {
  if (!is_over()) look_after();
}

// ---- RankPorts

void RankTask::save(const RankDurable& next) {
  auto record = record_;
  record.side = next;
  record.has_promised =
      next.state == RankState::ready || (record.has_promised && next.state == RankState::ended);
  const bool over =
      is_clear(next.state) || next.state == RankState::closed || next.state == RankState::retired;
  if (over && record.ended_at_ms == 0) record.ended_at_ms = unix_ms();
  context_.journal.put(Journal::Kind::rank, record.key(), to_journal(record));
  record_ = std::move(record);
}

void RankTask::send(const channel::Message& message) {
  auto* here = instance();
  if (here == nullptr) return;
  if (std::holds_alternative<channel::SwitchOver>(message)) note_other_ranks(*here, record_.rank);
  (void)context_.hub.send(*here, record_.rank, message);
  const bool goes_on = std::holds_alternative<channel::Release>(message) ||
                       std::holds_alternative<channel::SwitchOver>(message);
  if (goes_on) note_rank_frozen(*here, record_.rank, false);
  if (!std::holds_alternative<channel::Retire>(message)) return;
  note_rank_moved(*here, record_.rank, record_.to);
  const bool is_empty = std::ranges::all_of(
      here->ranks, [](const auto& one) { return !one.second.moved_to.empty(); });
  if (is_empty) context_.jobs.mark_moved(*here, places_of_ranks(*here));
  context_.jobs.save_when_possible(here->job());
  context_.jobs.changed().notify();
}

void RankTask::build() {
  const auto* here = instance();
  if (here == nullptr || !invitation_) return;
  if (record_.side.part == Part::leaves) return begin_sync(*here);
  channel::BuildNext next;
  next.gang = record_.gang;
  next.epoch = record_.side.epoch;
  next.rendezvous = invitation_->rendezvous;
  next.ranks = invitation_->ranks;
  next.moved = invitation_->moved;
  (void)context_.hub.send(*here, record_.rank, next);
}

void RankTask::begin_sync(const Instance& source) {
  const auto& to = *invitation_;
  channel::BeginSync begin;
  begin.of_gang = true;
  begin.migration = record_.gang;
  begin.handover_ms = to.handover_ms;
  begin.host = to.newcomer.host;
  begin.port = to.newcomer.port;
  begin.token = to.newcomer.token;
  begin.data_key = to.newcomer.key;
  begin.spec = to.spec;
  begin.spec.job = record_.job;
  begin.transports = context_.config.transports;
  const auto found = source.ranks.find(record_.rank);
  if (found != source.ranks.end() && is_own_network(found->second.network)) {
    begin.allowed_addresses = allowed_addresses(to.addresses, begin.host, own_addresses());
  }
  (void)context_.hub.send(source, record_.rank, begin);
}

void RankTask::raise_epoch(Epoch epoch) {
  if (auto* here = instance()) context_.jobs.raise_epoch(here->job(), epoch);
}

void RankTask::changed() {
  ++version_;
  changed_.notify();
}

}  // namespace cardswap::gang
