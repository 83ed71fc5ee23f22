// The target of a job whose process CRIU brings: a holder takes the memory in the place of a
// standby, then the restored process takes the holder's place.

#include <fmt/format.h>
#include <signal.h>

#include "agent/base/units.h"
#include "agent/criu/arrival.h"
#include "agent/criu/file_look.h"
#include "agent/criu/host_match.h"
#include "agent/criu/meeting.h"
#include "agent/handover/reservations.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/child.h"
#include "agent/process/program_beside.h"

namespace cardswap {

using handover::TargetEvent;
using handover::TargetState;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kVerifyMax{10};
constexpr std::uint64_t kVerifyRateMin = 200'000'000;  // bytes a second

}  // namespace

std::vector<std::string> Reservations::prepare_arrival(Reservation& r) {
  r.image_token = random_hex(16);
  if (!r.data_key.empty()) r.image_key = random_hex(32);
  criu::Arrival::Needs needs;
  needs.criu = criu_.tool().path;
  needs.host = r.image_host;
  needs.token = r.image_token;
  needs.key = r.image_key;
  needs.job_dir = config_.job_dir(r.spec->name);
  needs.log = needs.job_dir / ("log-" + r.migration);
  needs.status = needs.log.string() + ".exit";
  needs.gpus = criu::pairs_of(r.source_gpus, jobs_.device(r.device).uuid);
  needs.hooks = criu_.hooks();
  auto arrival = std::make_unique<criu::Arrival>(context_, std::move(needs));
  r.image_port = arrival->port();
  criu::open_meeting(config_, r.migration, criu::Meeting::holder,
                     r.spec->user.empty() ? config_.job_user : r.spec->user);
  arrivals_[r.migration] = std::move(arrival);
  return {program_beside("cardswap-holder").string(), "--hand-over",
          criu::meeting_socket(config_, r.migration, criu::Meeting::holder).string()};
}

asio::awaitable<Reservations::LookedAt> Reservations::look_here(ReservationRequest wanted,
                                                                Caller caller) const {
  LookedAt seen;
  if (wanted.arrive != Arrival::criu) {
    try {
      check_may_run_as(config_, wanted.spec.user, caller);
    } catch (const Error&) {
      co_return seen;  // reserve() says so, and nothing of files is told
    }
    seen.no_start = co_await why_not_started(wanted.spec, config_);
    co_return seen;
  }
  // What this host has is nothing to tell about where no process comes anyway.
  if (!criu_.tool().usable() || !may_bring_any_rights(config_, caller)) co_return seen;
  const auto needs = criu::needs_from_json(wanted.process);
  try {
    const auto& name = wanted.spec.user.empty() ? config_.job_user : wanted.spec.user;
    check_may_run_as(config_, wanted.spec.user, caller);
    std::optional<JobUser> user;
    if (!name.empty()) user = job_user(name);
    if (user && !config_.job_user.empty()) user = without_groups_like_root(std::move(*user));
    const auto found = co_await criu::look_at_files_as(std::move(user), needs.files);
    seen.missing = criu::what_is_missing(needs, found, config_.host_name, name);
  } catch (const Error& error) {
    if (tasks_.stopping()) throw;
    seen.missing.push_back(fmt::format("on {}: {}", config_.host_name, error.failure()));
  }
  co_return seen;
}

std::vector<criu::NeededGpu> Reservations::add_blocks(const ReservationRequest& wanted,
                                                      const Caller& caller,
                                                      std::vector<std::string> missing,
                                                      Admission& admission) const {
  auto needs = criu::needs_from_json(wanted.process);
  const bool usable = criu_.tool().usable();
  // CRIU opens as root what an image names, so it can bring any right along.
  const bool trusted = may_bring_any_rights(config_, caller);
  if (!usable) {
    admission.block(
        fmt::format("{} restores no processes: {}", config_.host_name, criu_.tool().problem));
  }
  if (!trusted) {
    const auto rule = config_.job_user.empty() ? "lets nobody else be root"
                                               : "runs jobs as " + config_.job_user + " only";
    admission.block(
        fmt::format("{} {}, and a process image brings its own rights "
                    "(cardswapd --criu-trust-peers allows it)",
                    config_.host_name, rule));
  }
  if (!usable || !trusted) return {};
  for (auto& reason : missing) admission.block(std::move(reason));
  const auto& cuda = criu_.cuda();
  criu::OfferedGpu offered{config_.host_name, wanted.device,         "", "",
                           cuda.problem(),    cuda.can_change_gpus()};
  for (const auto& device : jobs_.devices()) {
    if (device.name != offered.device || device.kind != "cuda") continue;
    offered.uuid = device.uuid;
    offered.model = device.model;
  }
  for (auto& reason : criu::why_not_on(offered, needs.gpus)) {
    admission.block(std::move(reason));
  }
  return std::move(needs.gpus);
}

asio::awaitable<void> Reservations::arrive(std::string migration) {
  auto& r = at(migration);
  const auto pin = r.in_use;
  auto& arrival = *arrivals_.at(migration);
  std::optional<criu::Arrival::Result> result;
  std::optional<Error> failed;
  std::function<void()> received = [this, migration] {
    spdlog::info("migration {}: the process image is here", migration);
    ++at(migration).version;
    changed_.notify();
  };
  try {
    result = co_await arrival.restored(std::move(received));
  } catch (...) {
    if (tasks_.stopping()) throw;
    failed = error_of(std::current_exception());
  }
  auto* standby = jobs_.by_instance(r.instance);
  const bool lives = standby != nullptr && standby->live();
  if (!failed && !r.held) {
    failed = Error(Code::internal, "the process came before the memory that it needs was verified");
  }
  if (!failed && (!lives || r.side.state() == TargetState::failed)) {
    failed = Error(Code::cancelled, "the reservation ended meanwhile");
  }
  if (!failed) {
    r.image_bytes = result->image_bytes;
    r.restore_ms = result->restore_ms;
    r.driver_resume_ms = result->driver_resume_ms;
    r.holder = standby->process;
    standby->state_bytes = r.state_bytes;  // what is tracked was said at the source
    standby->relocatable_bytes = r.relocatable_bytes;
    try {
      jobs_.take_over(*standby, result->tree.root, result->tree.init);
    } catch (...) {  // its journal's disk is full
      failed = error_of(std::current_exception());
    }
  }
  if (failed) {
    if (result && ending_.insert(migration).second) {
      co_await end_restored(migration, result->tree.root, result->tree.init);
    }
    arrival.close();
    fail(r, TargetEvent::standby_failed,
         failed->within("restore the process on " + config_.host_name));
    co_return;
  }
  r.restored_at = Clock::now();
  r.arrived = true;
  ++r.version;
  hub_.take(*standby, result->socket.release());
  hub_.send(
      *standby,
      channel::Arrived{
          migration, 0, criu::meeting_socket(config_, migration, criu::Meeting::holder).string(),
          config_.runtime_socket().string(), standby->token, standby->name(), *r.held});
  changed_.notify();
  const auto most = kVerifyMax + std::chrono::seconds(r.state_bytes / kVerifyRateMin);
  co_await pause_for(most);
  if (r.side.state() == TargetState::parked) {
    fail(r, TargetEvent::standby_failed,
         Error(Code::timed_out,
               fmt::format("the restored process of job {} did not verify its memory within {} s",
                           r.job, most.count())));
  }
}

/// Until the process is there, it is the holder that speaks. True: nothing more is to be done.
bool Reservations::is_from_holder(Reservation& r, const channel::Message& message) {
  if (r.arrive != Arrival::criu || r.arrived) return false;
  if (const auto* verified = std::get_if<channel::Verified>(&message)) {
    r.held = verified->root;
    return true;
  }
  if (const auto* failed = std::get_if<channel::Failed>(&message)) {
    // The source closes that connection when the process gets ready to leave.
    return r.held && (failed->code == Code::link_lost || failed->code == Code::source_lost ||
                      failed->code == Code::cancelled);
  }
  return false;
}

/// All that runs here for a job that does not stay.
void Reservations::end_standby(const Reservation& r) {
  if (r.holder.pid != 0) signal_group(r.holder, SIGKILL);
  const auto* standby = jobs_.by_instance(r.instance);
  if (standby != nullptr && standby->live()) {
    if (standby->init.pid != 0) return end_copy(r.migration, standby->process, standby->init);
    signal_group(standby->process, SIGKILL);
  }
  if (ending_.contains(r.migration)) return;
  const auto found = arrivals_.find(r.migration);
  if (found != arrivals_.end()) found->second->close();
}

void Reservations::end_copy(const std::string& migration, const ProcessId& root,
                            const ProcessId& init) {
  if (!ending_.insert(migration).second) return;
  tasks_.spawn("end the copy of " + migration, end_restored(migration, root, init));
}

/// Those of a former agent, with which they should have ended: known as jobs' processes, or, for as
/// long as a driver was at work on them, by its journal only.
void Reservations::end_copies() {
  auto unknown = criu_.cuda().trees(criu::CudaIntent::Side::target);
  for (const auto* instance : jobs_.instances()) {
    const auto& job = instance->job();
    std::erase(unknown, instance->process);
    if (!job.standby || !instance->live() || instance->init.pid == 0) continue;
    if (!is_granted(*instance)) end_copy(job.migration, instance->process, instance->init);
  }
  for (const auto& root : unknown) end_copy(fmt::format("process {}", root.pid), root, {});
}

/// It was not granted the job, or had it taken away: it takes no further step meanwhile.
asio::awaitable<void> Reservations::end_restored(std::string migration, ProcessId root,
                                                 ProcessId init) {
  try {
    co_await criu_.look();
    if (criu_.hooks().before_kill) co_await criu_.hooks().before_kill(root);
  } catch (...) {
    if (tasks_.stopping()) throw;
    spdlog::error("migration {}: {}", migration, error_of(std::current_exception()).what());
  }
  signal_group(root, SIGKILL);
  if (is_alive(init)) ::kill(init.pid, SIGKILL);
  criu_.hooks().ended(root);
  ending_.erase(migration);
  changed_.notify();
}

asio::awaitable<void> Reservations::arrival_ended(std::string migration) {
  while (ending_.contains(migration)) {
    co_await changed_.wait_until(Clock::now() + std::chrono::seconds(1));
  }
  const auto found = arrivals_.find(migration);
  if (found == arrivals_.end()) co_return;
  const auto init = found->second->init();
  if (init.pid != 0) (void)co_await end_of(init);
}

}  // namespace cardswap
