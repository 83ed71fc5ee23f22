#include "agent/runtime_dispatcher.h"

#include <chrono>
#include <variant>

#include "agent/attach/hold_orders.h"
#include "agent/attach/log_orders.h"
#include "agent/handover/attach_check.h"
#include "agent/jobs/job_halt.h"
#include "agent/jobs/rank_report.h"
#include "migrator/base/error.h"

namespace cardswap {

RuntimeDispatcher::RuntimeDispatcher(Jobs& jobs, RuntimeHub& hub, StateLists& state_lists,
                                     Migrations& migrations, Reservations& reservations,
                                     gang::Moves& moves, EventSink& events)
    : jobs_(jobs),
      hub_(hub),
      state_lists_(state_lists),
      migrations_(migrations),
      reservations_(reservations),
      moves_(moves),
      events_(events) {}

channel::Welcome RuntimeDispatcher::welcome(Instance& instance, const channel::Hello& hello) {
  note_network(instance, hello.network);
  if (hello.ranks > 1) return welcome_rank(instance, hello);
  if (instance.job().standby) return reservations_.welcome(instance);
  channel::Welcome welcome;
  welcome.epoch = instance.job().epoch;
  welcome.hold_at = instance.job().spec.hold_at;
  welcome.again_until = instance.job().spec.again_until;
  welcome.granted =
      handover::check_attach(instance, hello.epoch, jobs_, migrations_, reservations_, events_);
  note_frozen(instance, hello.frozen);
  migrations_.on_attach(instance, hello);
  jobs_.table().set_state(instance, InstanceState::running);
  return welcome;
}

/// No epoch is compared: the conductor of a gang knows those of all ranks, and each rank keeps its
/// promise by the record of RankTask.
channel::Welcome RuntimeDispatcher::welcome_rank(Instance& instance, const channel::Hello& hello) {
  auto& job = instance.job();
  channel::Welcome welcome;
  if (job.standby) {
    welcome = reservations_.welcome(instance);
  } else {
    if (job.world_size != hello.ranks) {
      JobList::note_world_size(job, hello.ranks);
      jobs_.table().save_when_possible(job);
    }
    welcome.epoch = job.epoch;
    welcome.hold_at = job.spec.hold_at;
    welcome.again_until = job.spec.again_until;
    welcome.granted = job.newer_epoch == 0;
    jobs_.table().set_state(instance, InstanceState::running);
  }
  welcome.agent_address = moves_.own_address();
  return welcome;
}

void RuntimeDispatcher::dispatch_rank(Instance& instance, std::uint32_t rank,
                                      const channel::Message& message) {
  const auto& job = instance.job();
  if (job.newer_epoch != 0) return reapply_halt(job);
  if (const auto* hello = std::get_if<channel::Hello>(&message)) {
    // Of a newcomer the reservation tells what it waits for.
    if (!reservations_.has(hello->migration)) moves_.on_attached(instance, *hello);
  } else {
    note_rank_message(instance, rank, message);
  }
  if (std::holds_alternative<channel::Released>(message)) {
    note_rank_frozen(instance, rank, false);
  } else if (std::holds_alternative<channel::Tracked>(message) ||
             std::holds_alternative<channel::RankPlace>(message)) {
    jobs_.table().changed().notify();
  }
  reservations_.on_message(instance, message);
  moves_.on_message(instance, rank, message);
}

void RuntimeDispatcher::dispatch(Instance& instance, const channel::Message& message) {
  const auto& job = instance.job();
  if (job.newer_epoch != 0) return reapply_halt(job);  // somebody let it go on
  if (const auto* hello = std::get_if<channel::Hello>(&message)) {
    send_hold(hub_, instance);  // it may have missed an order
    send_log_order(hub_, instance);
    migrations_.on_hello(instance, *hello);
  } else if (const auto* held = std::get_if<channel::Held>(&message)) {
    note_held(instance, *held);
    send_hold(hub_, instance);
    jobs_.table().changed().notify();
    return;
  } else if (const auto* logged = std::get_if<channel::Logged>(&message)) {
    note_logged(instance, *logged);
    send_log_order(hub_, instance);
    return;
  } else if (const auto* tracked = std::get_if<channel::Tracked>(&message)) {
    note_tracked(instance, *tracked);
  } else if (const auto* page = std::get_if<channel::StateList>(&message)) {
    state_lists_.add(instance.id(), *page);
    return;
  } else if (const auto* stepped = std::get_if<channel::Stepped>(&message)) {
    note_step(instance, stepped->step, stepped->median_step_ms);
  } else if (const auto* parked = std::get_if<channel::Parked>(&message)) {
    note_parked(instance, *parked);
  } else if (const auto* resumed = std::get_if<channel::Resumed>(&message)) {
    note_step(instance, resumed->step, instance.median_step_ms);
  }
  reservations_.on_message(instance, message);
  migrations_.on_message(instance, message);
}

void RuntimeDispatcher::note_tracked(Instance& instance, const channel::Tracked& tracked) {
  const auto& job = instance.job();
  const auto warning = note_sizes(instance, tracked, jobs_.devices().bytes(instance.device()));
  if (!warning.empty()) {
    spdlog::warn("{}", warning);
    events_.emit({"job_size", warning, job.name(), instance.device()});
  }
  try {
    if (sizes_.are_due(instance.id(), std::chrono::steady_clock::now())) jobs_.table().save(job);
  } catch (const Error& disk) {
    // Sizes, which no decision rests on: no reason to lose what the runtime says next.
    spdlog::warn("job {}: {}", job.name(), disk.what());
  }
  jobs_.table().changed().notify();
}

void RuntimeDispatcher::detached(const Instance& instance) { migrations_.on_detached(instance); }

}  // namespace cardswap
