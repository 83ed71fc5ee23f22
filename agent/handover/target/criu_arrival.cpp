#include "agent/handover/target/criu_arrival.h"

#include <fmt/format.h>
#include <signal.h>

#include <utility>

#include "agent/base/failure_of.h"
#include "agent/base/units.h"
#include "agent/criu/criu_socket_dir.h"
#include "agent/handover/base/flag_scope.h"
#include "agent/process/child.h"
#include "agent/process/program_beside.h"
#include "migrator/base/ms_since.h"

namespace cardswap {
namespace {

using handover::TargetEvent;
using handover::TargetState;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kVerifyMax{10};
constexpr std::uint64_t kVerifyRateMin = 200'000'000;  // bytes a second

}  // namespace

std::vector<std::string> CriuArrival::prepare() {
  const auto& config = scope_.context.config;
  reservation_.image_token = random_hex(16);
  if (!reservation_.data_key.empty()) reservation_.image_key = random_hex(32);
  criu::ProcessArrival::Needs needs;
  needs.criu = scope_.context.criu.tool().path;
  needs.host = reservation_.record().image_host;
  needs.token = reservation_.image_token;
  needs.key = reservation_.image_key;
  needs.job_dir = config.job_dir(reservation_.spec->name);
  needs.log = needs.job_dir / ("log-" + reservation_.migration());
  needs.status = needs.log.string() + ".exit";
  needs.gpus =
      criu::pairs_of(reservation_.source_gpus, scope_.context.devices.at(reservation_.device).uuid);
  needs.callbacks = scope_.context.criu.callbacks();
  auto arrival = std::make_unique<criu::ProcessArrival>(scope_.context.io, std::move(needs));
  scope_.list.note(reservation_,
                   [&](ReservationNotes& notes) { notes.image_port = arrival->port(); });
  criu::make_criu_socket_dir(
      config, reservation_.migration(), criu::CriuSocketPeer::holder,
      reservation_.spec->user.empty() ? config.job_user : reservation_.spec->user);
  arrival_ = std::move(arrival);
  return {
      program_beside("cardswap-holder").string(), "--hand-over",
      criu::criu_socket(config, reservation_.migration(), criu::CriuSocketPeer::holder).string()};
}

asio::awaitable<void> CriuArrival::arrive() {
  std::function<void()> received = [this] {
    spdlog::info("migration {}: the process image is here", reservation_.migration());
    restoring_ = true;
    scope_.list.touch(reservation_);
  };
  auto restored = arrival_->restored(std::move(received));
  auto [result, failed] = co_await tried(scope_.context.tasks, std::move(restored));
  restoring_ = false;
  if (!failed) failed = put_off_ ? put_off_ : take_over(*result);
  if (failed) {
    if (result && !std::exchange(ending_, true)) {
      co_await end_restored(result->tree.root, result->tree.init);
    }
    arrival_->close();
    scope_.run.fail(TargetEvent::standby_failed,
                    failed->within("restore the process on " + scope_.context.config.host_name));
    if (put_off_) scope_.run.fail(TargetEvent::standby_ended, *put_off_);
    co_return;
  }
  auto& standby = scope_.context.jobs.at(reservation_.instance());
  restored_at_ = Clock::now();
  reservation_.arrived = true;
  scope_.context.hub.adopt(standby, std::move(result->socket));
  const auto socket = criu::criu_socket(scope_.context.config, reservation_.migration(),
                                        criu::CriuSocketPeer::holder);
  scope_.context.hub.send(standby,
                          channel::Arrived{reservation_.migration(), 0, socket.string(),
                                           scope_.context.config.runtime_socket().string(),
                                           standby.record().token, standby.name(), *held_});
  scope_.list.touch(reservation_);
  const auto most = kVerifyMax + std::chrono::seconds(reservation_.state_bytes / kVerifyRateMin);
  co_await scope_.list.wait_while(reservation_.migration(), TargetState::parked,
                                  Clock::now() + most);
  if (reservation_.state() == TargetState::parked) {
    scope_.run.fail(
        TargetEvent::standby_failed,
        Error(Code::timed_out,
              fmt::format("the restored process of job {} did not verify its memory within "
                          "{} s",
                          reservation_.record().job, most.count())));
  }
}

/// Makes the restored process the job's process. Returns why it cannot. Nullopt: it has.
std::optional<Error> CriuArrival::take_over(const criu::ProcessArrival::Result& result) {
  if (!held_) {
    return Error(Code::internal, "the process came before the memory that it needs was verified");
  }
  auto* standby = scope_.context.jobs.by_instance(reservation_.instance());
  const bool lives = standby != nullptr && standby->is_live();
  if (!lives || reservation_.state() == TargetState::failed) {
    return Error(Code::cancelled, "the reservation ended meanwhile");
  }
  reservation_.image_bytes = result.image_bytes;
  scope_.list.note(reservation_, [&](ReservationNotes& notes) {
    notes.restore_ms = result.restore_ms;
    notes.driver_resume_ms = result.driver_resume_ms;
  });
  holder_ = standby->program();
  try {
    scope_.context.processes.take_over(*standby,
                                       {.program = result.tree.root,
                                        .init = result.tree.init,
                                        .state_bytes = reservation_.state_bytes,
                                        .relocatable_bytes = reservation_.relocatable_bytes,
                                        .framework = reservation_.framework});
  } catch (...) {  // its journal's disk is full
    return error_of(std::current_exception());
  }
  return std::nullopt;
}

bool CriuArrival::take(const channel::Message& message) {
  if (reservation_.record().arrive != ArrivalMode::criu || reservation_.arrived) return false;
  if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    held_ = verified->state_digest;
    return true;
  }
  if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    // The source closes that connection when the process gets ready to leave.
    return held_ && (failed->code == Code::link_lost || failed->code == Code::source_lost ||
                     failed->code == Code::cancelled);
  }
  return false;
}

bool CriuArrival::put_off(const Error& holder_ended) {
  if (restoring_) put_off_ = holder_ended;
  return restoring_;
}

void CriuArrival::note_verified() {
  if (!reservation_.arrived || restored_at_ == Clock::time_point{}) return;
  scope_.list.note(reservation_,
                   [this](ReservationNotes& notes) { notes.verify_ms = ms_since(restored_at_); });
}

void CriuArrival::grant() {
  if (arrival_) arrival_->grant();
}

void CriuArrival::end_standby() {
  if (holder_.pid != 0) signal_group(holder_, SIGKILL);
  const auto* standby = scope_.context.jobs.by_instance(reservation_.instance());
  if (standby != nullptr && standby->is_live()) {
    if (standby->record().init.pid != 0)
      return end_copy(standby->program(), standby->record().init);
    signal_group(standby->program(), SIGKILL);
  }
  if (!ending_ && arrival_) arrival_->close();
}

void CriuArrival::end_copy(ProcessId program, ProcessId init) {
  if (std::exchange(ending_, true)) return;
  scope_.run.spawn("end the copy of " + reservation_.migration(), end_restored(program, init));
}

asio::awaitable<void> CriuArrival::end_restored(ProcessId program, ProcessId init) {
  const FlagScope ending(ending_, scope_.list.changed(reservation_));
  co_await end_restored_tree(scope_.context, reservation_.migration(), program, init);
}

asio::awaitable<void> CriuArrival::ended() {
  while (ending_)
    co_await scope_.list.changed(reservation_).wait_until(Clock::now() + std::chrono::seconds(1));
  if (!arrival_) co_return;
  const auto init = arrival_->init();
  if (init.pid != 0) (void)co_await wait_and_reap(init);
}

asio::awaitable<void> end_restored_tree(const HandoverContext& context, std::string whose,
                                        ProcessId program, ProcessId init) {
  const auto& callbacks = context.criu.callbacks();
  try {
    co_await context.criu.probe();
    if (callbacks.before_kill) co_await callbacks.before_kill(program);
  } catch (...) {
    if (context.tasks.is_stopping()) throw;
    spdlog::error("migration {}: {}", whose, error_of(std::current_exception()).what());
  }
  signal_group(program, SIGKILL);
  signal_process(init, SIGKILL);
  callbacks.ended(program);
}

}  // namespace cardswap
