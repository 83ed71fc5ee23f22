#include "agent/handover/source/migrations.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <utility>

#include "agent/handover/source/migration_cancel.h"
#include "agent/handover/source/migration_force.h"
#include "agent/handover/source/migration_plan.h"
#include "agent/jobs/instance_processes.h"
#include "agent/jobs/obstacles.h"

namespace cardswap {

namespace json = boost::json;
using handover::SourceState;

namespace {

/// The clean-up of a migration that is given up, and what its target needs for it.
constexpr std::chrono::seconds kLookAgain{1};
constexpr std::chrono::seconds kMakeWayMax{15};

}  // namespace

Migrations::Migrations(const HandoverContext& context,
                       std::function<void(const Migration&)> forgetting)
    : context_(context),
      list_(context.config, context.journal,
            {.is_in_use = [this](const Migration& m) { return is_pinned(m); },
             .forgetting =
                 [this, forgetting = std::move(forgetting)](const Migration& m) {
                   if (forgetting) forgetting(m);
                   tasks_.erase(m.id());
                 }}),
      targets_(context.tasks),
      book_(context.config.data_dir / "predictions.json", context.config.host_name),
      factory_(context.io, context.config, context.jobs, list_, targets_) {}

std::shared_ptr<MigrationTask> Migrations::task_of(Migration& m) {
  auto& task = tasks_[m.id()];
  if (!task) task = std::make_shared<MigrationTask>(context_, list_, targets_, book_, m);
  return task;
}

bool Migrations::is_pinned(const Migration& m) const {
  const auto found = tasks_.find(m.id());
  return found != tasks_.end() && found->second->is_pinned();
}

void Migrations::take_up_after_restart() {
  list_.load();
  book_.load();
  for (auto* m : list_.items()) task_of(*m)->take_up();
  std::erase_if(tasks_, [](const auto& one) { return !one.second->is_pinned(); });
  list_.forget_old();
  bring_gpu_states_back();
}

void Migrations::bring_gpu_states_back() {
  for (const auto& program : context_.criu.cuda().trees(criu::CudaIntent::Side::source)) {
    const auto is_its = [&](const Migration& m) {
      return !handover::is_over(m.state()) &&
             std::ranges::any_of(m.transfers, [&](const Transfer& transfer) {
               const auto* source = context_.jobs.by_instance(transfer.instance());
               return source != nullptr && source->program() == program;
             });
    };
    if (std::ranges::any_of(list_.all(), is_its)) continue;
    context_.tasks.spawn(fmt::format("bring the CUDA state of {} back", program.pid),
                         restore_gpu_state(context_, program));
  }
}

// ---- requests

asio::awaitable<MigrationRequest> Migrations::prepare(MigrationRequest wanted) {
  const bool leaves = !wanted.dry_run && wanted.spec.store.empty();
  const auto job = wanted.spec.job;
  auto ready = co_await factory_.prepare(std::move(wanted));
  const auto* snapshot = leaves ? find_yielding(job) : nullptr;
  if (snapshot != nullptr) {
    (void)make(ready, snapshot);  // a request that is refused must not cost the snapshot
    co_await make_way(job);
  }
  co_return ready;
}

const Migration* Migrations::find_yielding(const std::string& job) const {
  const auto* found = context_.jobs.find(job);
  const auto* m = found != nullptr ? find_running(found->first()) : nullptr;
  return m != nullptr && m->yields_to_moves ? m : nullptr;
}

asio::awaitable<void> Migrations::make_way(std::string job) {
  const auto* m = find_yielding(job);
  if (m == nullptr) co_return;
  const auto id = m->id();
  spdlog::info("job {} migration {}: a snapshot that makes way", job, id);
  const auto until = std::chrono::steady_clock::now() + kMakeWayMax;
  if (!handover::is_over(m->state()) && m->state() != SourceState::aborting) cancel(id);
  while (has(id) && !handover::is_over(at(id).state())) {
    if (std::chrono::steady_clock::now() >= until) {
      throw Error(Code::conflict,
                  fmt::format("a snapshot of job {}, migration {}, does not end", job, id),
                  "try again once `cardswap status " + id + "` says that it is over");
    }
    co_await changed(at(id)).wait_until(until);
  }
}

asio::awaitable<void> Migrations::wait_until_over(std::string id) {
  while (has(id) && !handover::is_over(at(id).state())) {
    co_await changed(at(id)).wait_until(std::chrono::steady_clock::now() + kLookAgain);
  }
}

Migration Migrations::make(MigrationRequest wanted, const Migration* passed_over) {
  const auto& source = factory_.require_movable(wanted.spec, passed_over);
  auto made = factory_.make(std::move(wanted), source);
  if (const auto refusal = refusal_by(source.obstacles, made.spec().arrive, source.name())) {
    throw Error(*refusal);
  }
  return made;
}

const Migration& Migrations::start(MigrationRequest wanted) {
  auto made = make(std::move(wanted));
  list_.forget_old();
  auto& m = list_.add(std::move(made));
  auto& source = context_.jobs.at(m.only().instance());
  context_.jobs.begin_migration(source.job(), m.id());  // should the migration's record be lost
  context_.hub.send(source, channel::TimeSteps{m.id()});
  spdlog::info("job {} migration {} planned: {} to {}", m.spec().job, m.id(),
               m.only().record().from, m.spec().to);
  const auto whole = why_it_moves_whole(source.obstacles);
  if (m.spec().arrive == ArrivalMode::criu && !whole.empty()) {
    spdlog::info("job {} migration {}: the process itself moves: {}", m.spec().job, m.id(), whole);
  }
  task_of(m)->start();
  return m;
}

asio::awaitable<json::object> Migrations::plan(MigrationRequest wanted) {
  return plan_migration(std::move(wanted), {context_, factory_, list_, targets_, book_});
}

void Migrations::cancel(const std::string& id) {
  auto& m = list_.at(id);
  check_cancel(m);
  task_of(m)->fail(Error(Code::cancelled, fmt::format("migration {} was cancelled", id)));
}

void Migrations::proceed(const std::string& id) {
  auto& m = list_.at(id);
  m.proceed = true;
  changed(m).notify();
}

asio::awaitable<void> Migrations::force(std::string id, OperatorDecision decision) {
  Pin task(task_of(list_.at(id)));
  co_await force_migration(std::move(task), std::move(decision), context_, targets_);
}

DecisionAnswer Migrations::decision(const std::string& id,
                                    std::optional<handover::TargetState> said,
                                    const Caller& caller) {
  auto& m = list_.at(id);
  const auto to = parse_destination(m.spec().to).host;
  if (context_.config.tls.is_configured() && !caller.owner && !caller.is_for(to)) {
    spdlog::warn("migration {}: {} asks what was decided, and it goes to {}", id, caller.name,
                 m.spec().to);
    throw Error(Code::not_found,
                fmt::format("there is no migration '{}' on {}", id, context_.config.host_name),
                "only the agent to which it goes may ask: its certificate must be for that host");
  }
  const auto task = task_of(m);
  // Whoever asks may not be its target: that one is asked itself.
  if (said && handover::is_granted(*said) && handover::is_given_up(m.state())) task->poll();
  DecisionAnswer answer;
  answer.message = task->executor().answer({handover::Message::Kind::ask, m.epoch()});
  answer.is_superseded = m.state() == SourceState::superseded;
  answer.own_epoch = m.own_epoch();
  const auto* source = context_.jobs.by_instance(m.only().instance());
  answer.is_halted = answer.is_superseded && source != nullptr && source->is_live();
  return answer;
}

// ---- what runtimes say

void Migrations::on_attach(Instance& source, const channel::Hello& hello) const {
  auto& job = source.job();
  if (hello.frozen && job.migration.empty() && !has(hello.migration)) {
    context_.jobs.begin_migration(job, hello.migration);
  } else if (!hello.frozen && list_.find_running(source.id()) == nullptr) {
    // It steps: nothing was committed, nor will be by who knows of nothing.
    context_.jobs.end_migration(job);
  }
}

void Migrations::on_hello(const Instance& source, const channel::Hello& hello) {
  // A runtime that still holds on to a migration hears again what became of it.
  if (hello.migration.empty() || source.job().standby || !has(hello.migration)) return;
  auto& m = list_.at(hello.migration);
  if (m.find(source.id()) != nullptr) task_of(m)->on_attached();
}

void Migrations::on_message(Instance& source, const channel::Message& message) {
  const auto* last = std::get_if<channel::Failed>(&message);
  if (last != nullptr && last->lost) {
    if (has(last->migration)) task_of(list_.at(last->migration))->mark_job_lost(source, *last);
  } else if (const auto* late = std::get_if<channel::LateSteps>(&message)) {
    if (has(late->migration)) task_of(list_.at(late->migration))->on_late_steps(source, *late);
  } else if (auto* m = list_.find_running(source.id())) {
    task_of(*m)->on_message(source, message);
  }
}

void Migrations::on_detached(const Instance& source) {
  auto* m = list_.find_running(source.id());
  if (m == nullptr || handover::is_captured(m->state())) return;
  task_of(*m)->fail(Error(Code::source_lost,
                          fmt::format("the runtime of job {} closed its connection", source.name()),
                          "`cardswap logs " + source.name() + "` may say why"));
}

void Migrations::on_exit(Instance& source) {
  for (auto* m : list_.items_of(source.id())) {  // it may be over by now
    auto* transfer = m->find(source.id());
    if (!transfer->lost.empty()) explain_end(source, std::exchange(transfer->lost, {}));
    task_of(*m)->on_exit(source);
  }
  auto* m = list_.find_running(source.id());
  if (m == nullptr || handover::is_captured(m->state())) return;
  if (handover::is_committed(m->state())) {
    context_.jobs.mark_moved(source, m->find(source.id())->record().to);
  }
  task_of(*m)->fail(Error(Code::source_lost, fmt::format("job {} ended by itself", source.name())));
}

void Migrations::on_stop(const Instance& source) {
  auto* m = list_.find_running(source.id());
  if (m == nullptr || !handover::is_handing_over(m->state())) return;
  if (!handover::may_cancel(m->state())) return;
  task_of(*m)->fail(Error(Code::source_lost, fmt::format("job {} was stopped", source.name())));
}

}  // namespace cardswap
