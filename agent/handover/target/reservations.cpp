#include "agent/handover/target/reservations.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/units.h"
#include "agent/handover/target/requester.h"
#include "agent/handover/target/reservation_force.h"
#include "agent/handover/target/reservation_logs.h"

namespace cardswap {
namespace {

using handover::Message;
using handover::TargetEvent;
using handover::TargetState;

/// The record of the place that is given.
Reservation reservation_for(const ReservationRequest& wanted, const Caller& caller,
                            const ListenAddress& address,
                            std::vector<criu::NeededGpu> source_gpus) {
  const auto requester = requester_of(caller, wanted.from, wanted.from_api);
  ReservationRecord record;
  record.migration = wanted.migration;
  record.job = wanted.spec.name;
  record.from = requester.from;
  record.from_api = requester.from_api;
  record.data_host = record.image_host = address.host;
  if (!caller.owner) record.owner = caller.name;
  record.data_token = random_hex(16);
  record.arrive = wanted.arrive;
  record.store = wanted.store;
  record.side = handover::TargetSide({.to_store = !wanted.store.empty()});
  Reservation made(std::move(record));
  made.allowed_addresses = allowed_addresses(wanted.addresses, caller.came_from, own_addresses());
  if (wanted.encrypt) made.data_key = random_hex(32);
  made.spec = wanted.spec;
  made.device = wanted.device;
  made.state_bytes = wanted.state_bytes;
  made.framework = wanted.framework;
  made.tag = wanted.tag;
  made.source_gpus = std::move(source_gpus);
  made.relocatable_bytes = wanted.relocatable_bytes;
  made.place = wanted.place;
  return made;
}

}  // namespace

Reservations::Reservations(const HandoverContext& context, const Cordons& cordons,
                           const Migrations& migrations, std::chrono::milliseconds park_max)
    : context_(context),
      list_(context.config, context.journal,
            {.is_in_use = [this](const Reservation& r) { return is_in_use(r); },
             .forgetting =
                 [this](const Reservation& r) {
                   tasks_.erase(r.migration());
                   if (!r.record().job.empty())
                     (void)context_.jobs.standby_logs().forget(r.record().job, r.migration());
                 }}),
      check_(context_, cordons, migrations, list_),
      park_max_(park_max) {}

std::shared_ptr<ReservationTask> Reservations::task_of(Reservation& r) {
  auto& task = tasks_[r.migration()];
  if (!task) task = std::make_shared<ReservationTask>(context_, list_, r, park_max_);
  return task;
}

bool Reservations::is_in_use(const Reservation& r) const {
  const auto found = tasks_.find(r.migration());
  const auto* instance = context_.jobs.by_instance(r.instance());
  return (found != tasks_.end() && found->second->is_pinned()) ||
         (instance != nullptr && instance->is_live());
}

void Reservations::take_up_after_restart() {
  for (auto* r : list_.items()) task_of(*r)->take_up();
  end_copies();
  std::erase_if(tasks_, [](const auto& one) {
    return !one.second->is_pinned() && is_over(one.second->reservation().state());
  });
  take_up_logs(list_, context_.jobs, context_.config);
  forget_old();
}

void Reservations::forget_old() {
  prune_logs(list_, context_.jobs);
  list_.forget_old();
}

bool Reservations::is_granted(const Instance& standby) const {
  const auto* r = list_.find(standby);
  return r != nullptr && r->is_granted();
}

bool Reservations::survives_restart(const Instance& standby) const {
  // A copy that outlived its agent lets its GPUs go before it is ended, in
  // take_up_after_restart().
  return is_granted(standby) || (standby.record().init.pid != 0 && may_be_alive(standby.program()));
}

/// Those of a former agent, with which they should have ended: known as jobs' processes, or, for as
/// long as a driver was at work on them, by its journal only.
void Reservations::end_copies() {
  const auto end = [this](std::string whose, const ProcessId& program, const ProcessId& init) {
    context_.tasks.spawn("end the copy of " + whose,
                         end_restored_tree(context_, whose, program, init));
  };
  auto unknown = context_.criu.cuda().trees(criu::CudaIntent::Side::target);
  for (const auto* instance : context_.jobs.instances()) {
    const auto& job = instance->job();
    std::erase(unknown, instance->program());
    if (!job.standby || !instance->is_live() || instance->record().init.pid == 0) continue;
    if (is_granted(*instance)) continue;
    if (list_.has(job.migration)) {
      task_of(list_.at(job.migration))->end_copy(instance->program(), instance->record().init);
    } else {
      end(job.migration, instance->program(), instance->record().init);
    }
  }
  for (const auto& program : unknown) end(fmt::format("process {}", program.pid), program, {});
}

asio::awaitable<Offer> Reservations::reserve(ReservationRequest wanted, Caller caller,
                                             ListenAddress address, HostInspection seen) {
  auto found = check_.check(wanted, caller, address, std::move(seen));
  auto& admission = found.admission;
  if (!admission.blocked_reasons.empty() || wanted.dry_run) {
    co_return Offer{.accepted = admission.blocked_reasons.empty(),
                    .code = admission.no_memory ? Code::no_memory : Code::refused,
                    .blocked_reasons = std::move(admission.blocked_reasons),
                    .hint = std::move(admission.hint)};
  }
  forget_old();
  check_.check_is_new(wanted, caller);
  auto& r = list_.add(reservation_for(wanted, caller, address, std::move(found.source_gpus)));
  const Pin task(task_of(r));
  try {
    task->apply(Message{Message::Kind::reserve, wanted.epoch});
    co_await task->start_standby();
  } catch (...) {
    if (context_.tasks.is_stopping()) throw;
    if (r.state() == TargetState::nothing) {  // nothing is on disk
      tasks_.erase(wanted.migration);
      list_.remove(r);
      throw;
    }
    // Not `standby_ended`: it may have a process by now, or a listener for its image.
    task->fail(TargetEvent::standby_failed,
               error_of(std::current_exception())
                   .within(fmt::format("start the standby of {} on {}", wanted.spec.name,
                                       context_.config.host_name)));
  }
  if (r.state() == TargetState::failed && r.record().error) {
    co_return Offer{.accepted = false,
                    .code = Code::refused,
                    .blocked_reasons = {r.record().error->failure()},
                    .hint = r.record().error->hint()};
  }
  co_return Offer{.accepted = true};
}

void Reservations::note_contact(const std::string& migration) {
  task_of(list_.at(migration))->source().note_contact();
}

void Reservations::grant(const std::string& migration, std::uint64_t epoch,
                         const handover::Content& content) {
  note_contact(migration);
  task_of(list_.at(migration))->grant(epoch, content);
}

asio::awaitable<void> Reservations::drop(std::string migration, std::uint64_t epoch) {
  const Pin task(task_of(list_.at(migration)));
  co_await task->drop(epoch);
}

asio::awaitable<void> Reservations::force(std::string migration, OperatorDecision decision) {
  Pin task(task_of(list_.at(migration)));
  co_await force_reservation(std::move(task), std::move(decision), context_);
}

asio::awaitable<void> Reservations::cancel(std::string migration, std::string by) {
  const Pin task(task_of(list_.at(migration)));
  co_await task->cancel(std::move(by));
}

/// Until its first step is recorded its source may take it back; and after it was taken back. What
/// came by a place whose record was damaged may be of either.
bool may_restart(const Instance& instance, const Reservation* brought_by) {
  if (instance.job().newer_epoch != 0) return false;
  if (brought_by == nullptr) return instance.record().came_from.empty();
  return brought_by->state() == TargetState::completed;
}

bool Reservations::may_restart(const Instance& instance) const {
  return cardswap::may_restart(instance, find(instance));
}

channel::Welcome Reservations::welcome(const Instance& standby) {
  return welcome_of(standby, find(standby), context_.config);
}

void Reservations::on_message(Instance& standby, const channel::Message& message) {
  if (auto* r = list_.find(standby)) task_of(*r)->standby().on_message(standby, message);
}

void Reservations::on_exit(Instance& standby) {
  if (auto* r = list_.find(standby)) task_of(*r)->standby().on_exit(standby);
}

}  // namespace cardswap
