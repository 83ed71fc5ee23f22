#include "agent/handover/target/reservation_task.h"

#include <fmt/format.h>
#include <signal.h>

#include <utility>

#include "agent/base/units.h"
#include "agent/handover/target/keeper_command.h"
#include "agent/handover/target/reservation_cancel.h"

namespace cardswap {
namespace {

using handover::Message;
using handover::TargetEvent;
using handover::TargetState;
using std::chrono::milliseconds;
using std::chrono::seconds;
using Clock = std::chrono::steady_clock;

constexpr seconds kSourceSilenceMax{10};
constexpr milliseconds kLookAtSourceEvery{500};

}  // namespace

ReservationTask::ReservationTask(const HandoverContext& context, ReservationList& list,
                                 Reservation& r, milliseconds park_max)
    : scope_{context, list, r, *this},
      reservation_(r),
      park_max_(park_max),
      source_(scope_),
      arrival_(scope_),
      executor_(scope_, source_, arrival_),
      standby_(scope_, arrival_) {}

void ReservationTask::spawn(std::string name, asio::awaitable<void> work) {
  scope_.context.tasks.spawn(std::move(name), run_pinned(Pin(shared_from_this()), std::move(work)));
}

void ReservationTask::fail(TargetEvent event, Error error) {
  executor_.fail(event, std::move(error));
}

asio::awaitable<void> ReservationTask::start_standby() {
  const auto& spec = *reservation_.spec;
  spdlog::info("job {} migration {} reserved {} on {} for {}{}", spec.name,
               reservation_.migration(), format_size(reservation_.state_bytes), reservation_.device,
               reservation_.record().from.empty() ? "somebody" : reservation_.record().from,
               reservation_.record().owner.empty() ? "" : ", by " + reservation_.record().owner);
  std::vector<std::string> stand_in;
  const bool arrives = reservation_.record().arrive == ArrivalMode::criu;
  if (arrives) stand_in = arrival_.prepare();
  if (!reservation_.record().store.empty()) stand_in = keeper_command(reservation_, scope_.context);
  const auto instance = scope_.context.jobs
                            .add_standby(spec, {.migration = reservation_.migration(),
                                                .epoch = reservation_.epoch(),
                                                .device = reservation_.device,
                                                .reserved_bytes = reservation_.state_bytes,
                                                .came_from = reservation_.record().from,
                                                .rank = reservation_.place.rank,
                                                .ranks = reservation_.place.ranks})
                            .id();
  scope_.list.set_instance(reservation_, instance);
  co_await scope_.context.processes.start(instance, std::move(stand_in));
  auto* standby = scope_.context.jobs.by_instance(instance);
  if (standby == nullptr) co_return;                    // its end was told
  if (reservation_.state() != TargetState::reserved) {  // the place was given up meanwhile
    signal_group(standby->program(), SIGKILL);
    co_return;
  }
  reservation_.last_contact_at = Clock::now();
  if (arrives) spawn("restore " + standby->name(), arrival_.arrive());
  scope_.context.jobs.set_state(*standby, InstanceState::standby);
  executor_.apply(TargetEvent::standby_started);
  spawn("watch the source of " + reservation_.migration(), watch_source());
}

/// A source that is silent before the state was verified is given up; after it, it is asked for its
/// decision for as long as it takes. A keeper that is silent while it writes is given up.
asio::awaitable<void> ReservationTask::watch_source() {
  std::string logged;
  while (!reservation_.is_granted() && !is_over(reservation_.state())) {
    co_await pause_for(kLookAtSourceEvery);
    const bool starts = reservation_.state() == TargetState::reserved ||
                        reservation_.state() == TargetState::starting;
    if (starts && Clock::now() - made_at_ > park_max_) {
      fail(TargetEvent::standby_failed,
           Error(Code::timed_out,
                 fmt::format("the standby on {} did not park within {} s",
                             scope_.context.config.host_name, park_max_ / seconds(1)),
                 "its log is on that host; does the program reach its first step there?"));
      continue;
    }
    const bool keeper_is_silent = is_keeper_silent(reservation_, Clock::now());
    const bool source_is_silent = Clock::now() - reservation_.last_contact_at >= kSourceSilenceMax;
    if (!keeper_is_silent && !source_is_silent) continue;
    try {
      if (keeper_is_silent) {
        fail(TargetEvent::standby_failed,
             Error(Code::timed_out,
                   fmt::format("the keeper on {} has written nothing to {} for {} min",
                               scope_.context.config.host_name, reservation_.record().store,
                               kKeeperSilenceMax.count()),
                   "does the disk or the server of that store answer?"));
        continue;
      }
      fail(TargetEvent::source_silent,
           Error(Code::source_lost,
                 fmt::format("the source's agent was silent for {} s", kSourceSilenceMax.count())));
    } catch (...) {  // a full disk, say: it is asked again, for as long as it takes
      if (scope_.context.tasks.is_stopping()) throw;
      const auto error = error_of(std::current_exception());
      if (std::exchange(logged, error.failure()) != logged) {
        spdlog::error("migration {}: {}", reservation_.migration(), error.what());
      }
    }
  }
}

void ReservationTask::take_up() {
  fail(TargetEvent::restarted,
       Error(Code::target_lost, "the target's agent was restarted", "start the migration again"));
  auto* instance = scope_.context.jobs.by_instance(reservation_.instance());
  const bool lives = instance != nullptr && instance->is_live();
  // Granted, and on a full disk its own record was not written after that.
  if (reservation_.is_granted() && lives && instance->job().standby) {
    scope_.context.processes.promote(instance->job(), reservation_.epoch());
  }
  notify_source();
  if (lives) return;  // its end will be told
  fail(TargetEvent::standby_ended,
       Error(Code::target_lost, "the standby ended while the target's agent was away"));
}

void ReservationTask::grant(handover::Epoch epoch, const handover::Content& content) {
  const auto before = reservation_.state();
  executor_.apply(Message{Message::Kind::grant, epoch, content});
  if (reservation_.is_granted()) return;
  if (reservation_.state() != before) {
    throw Error(Code::digest_mismatch, fmt::format("the grant of migration {} is for another state",
                                                   reservation_.migration()));
  }
  throw Error(before == TargetState::failed ? Code::not_found : Code::conflict,
              fmt::format("migration {} is {} here and cannot be granted", reservation_.migration(),
                          to_string(before)));
}

asio::awaitable<void> ReservationTask::drop(handover::Epoch epoch) {
  const auto own = reservation_.epoch();
  const bool taken_back = epoch > own;
  const bool gone = reservation_.state() == TargetState::stopping;
  if ((reservation_.is_granted() && !taken_back) || gone) {
    throw Error(Code::conflict,
                fmt::format("migration {} was granted to {}: the job is here",
                            reservation_.migration(), scope_.context.config.host_name));
  }
  source_.note_contact();
  const Error why(Code::cancelled, taken_back ? "an operator gave the job back to the source"
                                              : "the source's agent gave the migration up");
  const auto state = reservation_.state();
  executor_.apply(Message{Message::Kind::drop, taken_back ? epoch : own}, why);
  if (reservation_.state() != state) {
    spdlog::warn("migration {}: {}", reservation_.migration(),
                 reservation_.record().error.value_or(why).what());
  }
  const auto* instance = scope_.context.jobs.by_instance(reservation_.instance());
  const bool ended = instance == nullptr || !instance->is_live();
  // Of a gang no rank has stepped under the epoch that was taken back, and its conductor lets the
  // others go on once this process has ended.
  const bool is_rank = instance != nullptr && instance->job().world_size > 1;
  if (reservation_.state() == TargetState::superseded && ended) {
    fail(TargetEvent::standby_ended,
         Error(Code::target_lost, "it had ended before the job was taken back"));
  }
  co_await arrival_.ended();
  if (reservation_.state() != TargetState::superseded || is_rank) {
    co_await scope_.context.processes.stop(reservation_.instance(), milliseconds(0));
  }
}

asio::awaitable<void> ReservationTask::cancel(std::string by) {
  check_cancel(reservation_, scope_.context.config.host_name);
  // No grant can have been given: the source's agent waits for the status `verified` first.
  fail(TargetEvent::drop, Error(Code::cancelled, fmt::format("{} cancelled migration {} on {}", by,
                                                             reservation_.migration(),
                                                             scope_.context.config.host_name)));
  co_await arrival_.ended();
  co_await scope_.context.processes.stop(reservation_.instance(), milliseconds(0));
}

void ReservationTask::notify_source() {
  if (reservation_.has_pending_notice())
    spawn("tell the source of " + reservation_.migration(), source_.notify());
}

}  // namespace cardswap
