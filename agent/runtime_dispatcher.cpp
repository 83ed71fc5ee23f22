#include "agent/runtime_dispatcher.h"

#include <chrono>
#include <variant>

#include "agent/attach/hold_orders.h"
#include "agent/handover/attach_check.h"
#include "agent/jobs/job_halt.h"
#include "migrator/base/error.h"

namespace cardswap {

RuntimeDispatcher::RuntimeDispatcher(Jobs& jobs, RuntimeHub& hub, StateLists& state_lists,
                                     Migrations& migrations, Reservations& reservations,
                                     EventSink& events)
    : jobs_(jobs),
      hub_(hub),
      state_lists_(state_lists),
      migrations_(migrations),
      reservations_(reservations),
      events_(events) {}

channel::Welcome RuntimeDispatcher::welcome(Instance& instance, const channel::Hello& hello) {
  note_network(instance, hello.network);
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

void RuntimeDispatcher::dispatch(Instance& instance, const channel::Message& message) {
  const auto& job = instance.job();
  if (job.newer_epoch != 0) return reapply_halt(job);  // somebody let it go on
  if (const auto* hello = std::get_if<channel::Hello>(&message)) {
    send_hold(hub_, instance);  // it may have missed an order
    migrations_.on_hello(instance, *hello);
  } else if (const auto* held = std::get_if<channel::Held>(&message)) {
    note_held(instance, *held);
    send_hold(hub_, instance);
    jobs_.table().changed().notify();
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
