#include "agent/gang/gang_task.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/json.hpp>
#include <exception>
#include <utility>

#include "agent/base/backoff.h"
#include "agent/base/units.h"
#include "agent/gang/gang_alert.h"

namespace cardswap::gang {
namespace {

using handover::Message;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Kind = Message::Kind;

constexpr milliseconds kNewsWait{300};  // at the other agent
constexpr milliseconds kSayAgain{500};  // what was perhaps lost
constexpr milliseconds kAgainFirst{50};
constexpr milliseconds kAgainMax{1000};
constexpr milliseconds kWalkEvery{250};
constexpr double kPatienceSteps = 50;  // of which some are to be told
constexpr double kPatienceMsMin = 60e3;
constexpr double kPatienceMsMax = 3600e3;
constexpr seconds kCleanUpTold{10};  // after that the end of a gang that is given up is told

}  // namespace

GangTask::GangTask(const HandoverContext& context, Clients clients, GangRecord record,
                   std::optional<GangPlan> plan, std::function<void(const GangRecord&)> ended)
    : context_(context),
      clients_(clients),
      record_(std::move(record)),
      plan_(std::move(plan)),
      ended_(std::move(ended)),
      failpoint_(plan_ ? plan_->failpoint : std::string()),
      executor_(record_.id,
                GangSide(record_.side, {}, plan_ ? plan_->margin : 2, failpoint_.rules()), *this),
      orders_(
          context.tasks, "order of gang " + record_.id, record_.side.ranks.size(),
          {.call = [this](std::uint32_t rank, Order order) { return call(rank, order); },
           .answered = [this](std::uint32_t rank, const RankReport& said) { hear(rank, said); },
           .failed = [this](std::uint32_t rank, const Error& why) { on_rank_silent(rank, why); }}),
      words_(context.tasks, "word of gang " + record_.id, record_.side.ranks.size(),
             {.call = [this](std::uint32_t rank, Message message) { return call(rank, message); },
              .answered = [](std::uint32_t, const TargetAnswer&) {},
              .failed = [](std::uint32_t, const Error&) {}}),
      ranks_(record_.side.ranks.size()) {
  for (const auto& move : record_.moves) newcomers_[move.rank];
}

boost::json::object GangTask::shown() const {
  auto record = record_;
  record.side = executor_.side().durable();  // also what a full disk did not take
  return to_json(record, {executor_.side().heard()});
}

bool GangTask::is_before_commit() const { return state() < GangState::committed; }

bool GangTask::is_done() const {
  switch (state()) {
    case GangState::aborted: return !executor_.side().durable().notice_pending;
    case GangState::broken: return true;
    case GangState::completed: {
      const auto& heard = executor_.side().heard();
      return std::ranges::all_of(
          heard, [](const HeardOfRank& one) { return one.state >= RankState::closed; });
    }
    default: return false;
  }
}

// ---- its beginning and end

void GangTask::start() {
  record_.history.emplace_back(to_string(state()), record_.started_at_ms);
  record_.cost.ranks.resize(ranks_.size());
  context_.journal.put(Journal::Kind::gang, record_.id, to_journal(record_));
  begin_to_watch();
  apply(GangEvent::started);
}

void GangTask::take_up() {
  if (is_before_commit() && !is_given_up(state())) {
    cause_ = Error(Code::source_lost, "the agent that conducts the move was restarted",
                   "start the migration again");
  }
  drive([this] { executor_.after_restart(); });
  begin_to_watch();
}

void GangTask::begin_to_watch() {
  const auto self = shared_from_this();
  const auto watch = ++watch_;  // those before end
  for (std::uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    context_.tasks.spawn(fmt::format("watch rank {} of gang {}", rank, record_.id),
                         watch_rank(self, rank, watch));
  }
  for (const auto& [rank, newcomer] : newcomers_) {
    context_.tasks.spawn(fmt::format("watch newcomer {} of gang {}", rank, record_.id),
                         watch_newcomer(self, rank, watch));
  }
  context_.tasks.spawn("conduct gang " + record_.id, walk(self, watch));
}

/// Its limits in time, and its end.
asio::awaitable<void> GangTask::walk(std::shared_ptr<GangTask> self, std::uint64_t watch) {
  const auto began = Clock::now();
  const milliseconds most(static_cast<std::int64_t>(record_.spec.timeout_ms));
  while (!is_done() && watch == watch_) {
    if (is_before_commit() && most.count() > 0 && Clock::now() - began >= most) {
      give_up(Error(Code::timed_out,
                    fmt::format("gang {} was still {} after {}", record_.id, to_string(state()),
                                format_ms(record_.spec.timeout_ms)),
                    "allow more with --timeout"));
    }
    note_result();
    co_await changed_.wait_until(Clock::now() + kWalkEvery);
  }
  if (watch != watch_) co_return;  // an operator has decided, and another one has begun
  note_result();
  if (!std::exchange(is_told_, true)) ended_(self->record_);
  co_await count_steps();
}

/// Waits for the steps after the gang, whose lateness counts for it.
asio::awaitable<void> GangTask::count_steps() {
  auto& cost = record_.cost;
  const milliseconds most(static_cast<std::int64_t>(
      std::clamp(kPatienceSteps * cost.step_ms(), kPatienceMsMin, kPatienceMsMax)));
  for (std::uint32_t rank = 0; rank < cost.ranks.size(); ++rank) {
    if (!cost.ranks[rank].lost.has_report) {
      cost.end(rank, "the job's runtime told nothing of its steps");
    } else if (state() == GangState::broken) {
      cost.end(rank, "the job has lost a rank");
    }
  }
  const auto until = Clock::now() + most;
  while (!cost.is_over() && Clock::now() < until) co_await changed_.wait_until(until);
  for (std::uint32_t rank = 0; rank < cost.ranks.size(); ++rank) {
    cost.end(rank, "no more was heard of the steps after it");
  }
  try {
    save(executor_.side().durable());
  } catch (const Error& disk) {
    spdlog::warn("gang {}: {}", record_.id, disk.what());
  }
}

/// Tells the end once the job trains again, also while an agent that is away has yet to hear of it.
void GangTask::note_result() {
  if (record_.result) return;
  const auto now = state();
  const bool lags = now == GangState::aborting && given_up_at_ != Clock::time_point{} &&
                    Clock::now() - given_up_at_ >= kCleanUpTold;
  if (!is_over(now) && !lags) return;
  if (now == GangState::completed) {
    record_.result = MigrationResult::ok;
  } else {
    const bool cancelled = cause_ && cause_->code() == Code::cancelled;
    record_.result = cancelled ? MigrationResult::cancelled : MigrationResult::failed;
    if (now == GangState::broken && !record_.error) {
      record_.error = Error(Code::target_lost,
                            fmt::format("a process of job {} ended right after the move: the job "
                                        "has lost a rank",
                                        record_.job),
                            "the log of the job says why; its launcher or a snapshot starts it "
                            "again");
    } else if (!record_.error) {
      record_.error = cause_.value_or(Error(Code::internal, "the gang was given up"));
    }
  }
  record_.ended_at_ms = unix_ms();
  try {
    save(executor_.side().durable());
  } catch (const Error& disk) {
    spdlog::error("gang {}: {}", record_.id, disk.what());
  }
}

void GangTask::give_up(Error why) {
  if (!is_before_commit() || is_given_up(state())) return;
  if (!cause_) cause_ = std::move(why);
  apply(GangEvent::failed);
}

void GangTask::proceed() {
  failpoint_.proceed();
  executor_.follow(failpoint_.rules());
  for (std::uint32_t rank = 0; rank < ranks_.size(); ++rank) {
    drive([&] { executor_.tick(rank); });
    if (newcomers_.contains(rank)) drive([&] { executor_.tick_newcomer(rank); });
  }
}

/// Runs `change`, which applies an event. What the disk refuses has not happened: before the commit
/// the gang is given up, after it the event comes again.
void GangTask::drive(const std::function<void()>& change) {
  try {
    change();
  } catch (const Error& disk) {
    spdlog::error("gang {}: {}", record_.id, disk.what());
    if (!cause_) cause_ = disk;
    if (!is_before_commit() || is_given_up(state())) return;
    try {
      executor_.apply(GangEvent::failed);
    } catch (const Error&) {  // it is tried again with what is heard next
      return;
    }
  }
}

void GangTask::apply(GangEvent event) {
  drive([&] { executor_.apply(event); });
}

void GangTask::touch() {
  ++record_.version;
  changed_.notify();
}

// ---- GangPorts

void GangTask::save(const GangDurable& next) {
  auto record = record_;
  record.side = next;
  ++record.version;
  const std::string name(to_string(next.state));
  if (record.history.empty() || record.history.back().first != name) {
    record.history.emplace_back(name, unix_ms());
  }
  if (is_given_up(next.state) && cause_ && !record.error) record.error = cause_;
  context_.journal.put(Journal::Kind::gang, record.id, to_journal(record));
  record_ = std::move(record);
  if (is_given_up(next.state) && given_up_at_ == Clock::time_point{}) given_up_at_ = Clock::now();
  const bool hands_over = next.state >= GangState::freezing && !is_over(next.state) &&
                          next.state != GangState::in_doubt && !is_given_up(next.state);
  context_.handover_gate.note(record_.id, hands_over);
  changed_.notify();
}

void GangTask::order(std::uint32_t rank, const Order& order) {
  if (failpoint_.holds(state())) return;
  const auto newcomer = newcomers_.find(rank);
  const bool waits = newcomer != newcomers_.end() && !newcomer->second.parked;
  // It sends its state to where the newcomer takes it; and who joins must be told what.
  if (order.kind == Order::Kind::join && (!plan_ || waits)) return;
  orders_.send(rank, order);
}

void GangTask::tell(std::uint32_t rank, const Message& message) {
  if (message.kind == Kind::poll) return;  // watch_newcomer() asks all the time
  if (failpoint_.holds(state())) return;
  auto& newcomer = newcomers_.at(rank);
  if (message.kind == Kind::reserve) {
    if (!plan_ || std::exchange(newcomer.is_asked, true)) return;
  }
  if (message.kind == Kind::drop && !newcomer.is_reserved && plan_) {
    return hear_of_no_newcomer(rank);
  }
  words_.send(rank, message);
}

void GangTask::alert(const GangDurable& gang) {
  if (std::exchange(alerted_, gang.state) == gang.state) return;  // it was told
  const auto event = alert_of(gang.state, record_);
  spdlog::error("{}", event.text);
  context_.events.emit(event);
}

// ---- the ranks' agents

RankRef GangTask::ref(std::uint32_t rank) const {
  return {http::Endpoint::tcp(parse_address("agent", record_.agents.at(rank))), record_.id, rank};
}

std::optional<Invitation> GangTask::invitation(std::uint32_t rank) const {
  if (!plan_) return std::nullopt;
  Invitation to;
  to.job = record_.job;
  to.ranks = static_cast<std::uint32_t>(ranks_.size());
  to.part = record_.side.ranks[rank].part;
  to.conductor = plan_->conductor;
  to.rendezvous = plan_->rendezvous;
  to.moved = plan_->moved;
  if (to.part == Part::stays) return to;
  const auto& parked = newcomers_.at(rank).parked;
  if (!parked) return to;
  to.spec = record_.spec;
  to.spec.job = record_.job;
  to.spec.to = record_.move_of(rank).to;
  to.newcomer = parked->data;
  to.addresses = parked->addresses;
  to.handover_ms = plan_->handover_ms;
  return to;
}

asio::awaitable<RankReport> GangTask::call(std::uint32_t rank, Order order) {
  const auto self = shared_from_this();
  co_await asio::post(asio::use_awaitable);  // what it follows from is done to its end first
  auto with = order.kind == Order::Kind::join ? invitation(rank) : std::nullopt;
  co_return co_await clients_.ranks.order(ref(rank), order, std::move(with));
}

void GangTask::hear(std::uint32_t rank, const RankReport& report) {
  auto& contact = ranks_[rank];
  // What was said before, on another line, comes late.
  const bool cost_grew = report.version >= contact.version && record_.cost.note(rank, report.cost);
  contact.heard_at = Clock::now();
  contact.knows = true;
  contact.version = report.version;
  const auto state = report.status.state;
  const bool back = state == RankState::rolled_back || state == RankState::ended;
  if (back && is_before_commit() && !cause_) {
    cause_ = report.why ? report.why->within(fmt::format("rank {} of job {}", rank, record_.job))
                        : Error(Code::source_lost,
                                fmt::format("rank {} of job {} went back", rank, record_.job));
  }
  if (state == RankState::ended && has_gone(this->state()) && report.why && !record_.error) {
    record_.error = report.why->within(fmt::format("rank {} of job {}", rank, record_.job));
  }
  if (report.stats) note_stats(rank, *report.stats);
  const auto before = executor_.side().heard()[rank];
  drive([&] { executor_.hear(rank, report.status); });
  const auto& now = executor_.side().heard()[rank];
  record_.cost.note_state(rank, to_string(now.state), unix_ms());
  if (!(before == now) || report.stats || cost_grew) touch();
}

void GangTask::note_stats(std::uint32_t rank, const MigrationStats& stats) {
  auto* move = record_.find_move(rank);
  if (move == nullptr) return;
  move->stats = stats;
  if (is_over(state())) return;
  auto sample = sample_of(stats_of_all(record_));
  sample.at_ms = unix_ms() - record_.started_at_ms;
  sample.step = executor_.side().heard()[rank].step;
  sample.state = state() < GangState::freezing ? handover::SourceState::syncing
                                               : handover::SourceState::verifying;
  samples_.add(std::move(sample));
}

void GangTask::on_rank_silent(std::uint32_t rank, const Error& why) {
  const auto agent = record_.agents.at(rank);
  if (why.code() == Code::not_found) {  // it knows nothing of the gang
    if (is_done() && !newcomers_.contains(rank)) {
      record_.cost.end(rank, "its agent has forgotten the move");
    }
    auto& contact = ranks_[rank];
    contact.heard_at = Clock::now();
    contact.version = 0;
    RankReport none;
    none.status.epoch = record_.side.epoch;
    // What it has forgotten was over there.
    if (state() == GangState::completed) {
      none.status.state = newcomers_.contains(rank) ? RankState::retired : RankState::closed;
      none.status.step = record_.side.step;
    }
    drive([&] { executor_.hear(rank, none.status); });
    return;
  }
  if (!is_before_commit() || is_given_up(state())) return;
  const bool silent = Clock::now() - ranks_[rank].heard_at >= context_.config.peer_silence_max;
  if (http::is_silence(why.code()) && !silent) return;
  give_up(why.within(fmt::format("rank {} of job {} at {}", rank, record_.job, agent)));
}

asio::awaitable<void> GangTask::watch_rank(std::shared_ptr<GangTask> self, std::uint32_t rank,
                                           std::uint64_t watch) {
  Backoff retry(kAgainFirst, kAgainMax);
  while ((!is_done() || !record_.cost.is_over()) && watch == watch_) {
    std::optional<Error> failed;
    try {
      const auto report =
          co_await clients_.ranks.report(ref(rank), ranks_[rank].version, kNewsWait);
      hear(rank, report);
      retry.reset();
    } catch (...) {
      if (context_.tasks.is_stopping()) throw;
      failed = error_of(std::current_exception());
    }
    if (failed) on_rank_silent(rank, *failed);
    if (Clock::now() - ranks_[rank].ticked_at >= kSayAgain && !orders_.is_busy(rank)) {
      ranks_[rank].ticked_at = Clock::now();
      drive([&] { executor_.tick(rank); });
    }
    if (failed) co_await changed_.wait_until(Clock::now() + retry.next());
  }
  (void)self;
}

}  // namespace cardswap::gang
