#include "agent/handover/target/reservation_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/criu/facts/file_inspection.h"
#include "agent/criu/host_match.h"
#include "agent/handover/base/epochs.h"
#include "agent/handover/target/known_epoch.h"
#include "agent/handover/target/requester.h"
#include "agent/jobs/startable.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/job_user.h"
#include "agent/process/program_beside.h"

namespace cardswap {

ReservationCheck::ReservationCheck(const HandoverContext& context, const Cordons& cordons,
                                   const Migrations& migrations, const ReservationList& list)
    : context_(context), cordons_(cordons), migrations_(migrations), list_(list) {}

asio::awaitable<ReservationCheck::HostInspection> ReservationCheck::inspect_here(
    ReservationRequest wanted, Caller caller) const {
  HostInspection seen;
  if (wanted.arrive != ArrivalMode::criu) {
    try {
      check_may_run_as(context_.config, wanted.spec.user, caller);
    } catch (const Error&) {
      co_return seen;  // reserve() says so, and nothing of files is told
    }
    // Of a snapshot only the keeper starts: the job's own program may be gone by now.
    if (!wanted.store.empty()) wanted.spec.argv = {program_beside("cardswap-keeper").string()};
    seen.no_start = co_await why_not_startable(wanted.spec, context_.config);
    co_return seen;
  }
  // Tell nothing about this host's files if no process may come here anyway.
  if (!context_.criu.tool().is_usable() || !may_bring_any_rights(context_.config, caller))
    co_return seen;
  const auto needs = criu::needs_from_json(wanted.process);
  try {
    const auto& name = wanted.spec.user.empty() ? context_.config.job_user : wanted.spec.user;
    check_may_run_as(context_.config, wanted.spec.user, caller);
    auto user = user_of_job(context_.config, wanted.spec.user);
    const auto found = co_await criu::inspect_files_as(std::move(user), needs.files);
    seen.missing = criu::what_is_missing(needs, found, context_.config.host_name, name);
  } catch (const Error& error) {
    if (context_.tasks.is_stopping()) throw;
    seen.missing.push_back(fmt::format("on {}: {}", context_.config.host_name, error.failure()));
  }
  co_return seen;
}

ReservationCheck::Found ReservationCheck::check(const ReservationRequest& wanted,
                                                const Caller& caller, const ListenAddress& address,
                                                HostInspection seen) const {
  AdmissionRequest asked;
  asked.job = wanted.spec.name;
  asked.device = wanted.device;
  asked.state_bytes = wanted.state_bytes;
  asked.devices = context_.devices.all();
  asked.host = context_.config.host_name;
  asked.by = caller.name;
  inspect_host(wanted, caller, asked);
  // A job that arrives in a store takes no place on the device.
  const bool takes_device = wanted.store.empty() && !is_recovery(wanted, caller);
  if (const auto cordon = cordons_.find(wanted.device); cordon && takes_device) {
    asked.closed = to_string(*cordon, context_.config.host_name);
  }
  Found found;
  found.admission = admit(asked);
  if (!address.problem.empty()) found.admission.blocked_reasons.push_back(address.problem);
  inspect_copies(wanted, caller, found.admission);
  const bool by_criu = wanted.arrive == ArrivalMode::criu;
  if (by_criu) {
    found.source_gpus = add_blocks(wanted, caller, std::move(seen.missing), found.admission);
  }
  try {
    check_may_run_as(context_.config, wanted.spec.user, caller);
    // What CRIU brings is restored from its image, not started: what that needs was looked at.
    if (by_criu && !wanted.spec.user.empty()) (void)job_user(wanted.spec.user);
    if (seen.no_start) found.admission.block(seen.no_start->failure(), seen.no_start->hint());
  } catch (const Error& error) {
    found.admission.block(error.failure(), error.hint());
  }
  return found;
}

/// What is here by that name or uid. A place is for a job that is nowhere here, or that this very
/// agent moves from one device of this host to another: to know a uid proves nothing.
void ReservationCheck::inspect_host(const ReservationRequest& wanted, const Caller& caller,
                                    AdmissionRequest& asked) const {
  const auto& spec = wanted.spec;
  for (const auto* instance : std::as_const(context_.jobs).instances()) {
    const auto& job = instance->job();
    const bool same_uid = !spec.uid.empty() && job.uid() == spec.uid;
    const bool same_name = job.name() == spec.name;
    if (!instance->is_live() || job.standby || job.superseded || (!same_name && !same_uid))
      continue;
    if (wanted.has_ranks_here && job.world_size == wanted.place.ranks) continue;
    if (same_name && same_uid && instance->device() == wanted.device) {
      asked.is_there = !migrations_.may_run_beside_job(wanted, *instance, caller);
    } else if (!migrations_.is_own_request(wanted, *instance, caller)) {
      (same_name ? asked.name_is_taken : asked.uid_is_taken) = true;
    }
  }
  const auto owner = caller.owner ? std::string() : caller.name;
  for (const auto& r : list_.all()) {
    const auto* standby = context_.jobs.by_instance(r.instance());
    if (standby == nullptr || !is_undecided(r.state())) continue;
    if (r.record().owner == owner && !owner.empty()) ++asked.open_reservations;
    const bool same_uid = !spec.uid.empty() && standby->job().uid() == spec.uid;
    // Another rank of the same gang comes along.
    if (!r.place.gang.empty() && r.place.gang == wanted.place.gang && r.record().owner == owner) {
      continue;
    }
    // Its own earlier one may still be on its way out.
    if (r.record().owner == owner && same_uid) continue;
    if (standby->name() == spec.name || same_uid) asked.is_on_its_way = true;
  }
}

/// Whether the place is for a job of this host that goes on from a snapshot: who chose its device
/// has looked at cordons, which say nothing of jobs that are here already.
bool ReservationCheck::is_recovery(const ReservationRequest& wanted, const Caller& caller) const {
  const auto* job = context_.jobs.find(wanted.spec.name);
  return job != nullptr && job->recovery.is_pending() &&
         migrations_.is_own_request(wanted, job->first(), caller);
}

/// A job has one copy that goes on, and it is of the highest epoch.
void ReservationCheck::inspect_copies(const ReservationRequest& wanted, const Caller& caller,
                                      AdmissionVerdict& admission) const {
  const auto& spec = wanted.spec;
  const auto known = handover::known_epoch(spec.uid, context_.jobs, migrations_, list_);
  if (handover::is_old(wanted.epoch, known)) {
    const auto from = requester_of(caller, wanted.from, wanted.from_api).from;
    const auto text = fmt::format(
        "{} knows of epoch {} of job {}: epoch {}, which would come from {}, is a copy of it that "
        "must not go on",
        context_.config.host_name, known, spec.name, wanted.epoch,
        from.empty() ? "elsewhere" : from);
    spdlog::error("{}", text);
    context_.events.emit({"two_epochs", text, spec.name, wanted.device, wanted.migration});
    admission.blocked_reasons.push_back(text);
  }
  for (const auto& job : context_.jobs.all()) {
    if (job.uid() != spec.uid || spec.uid.empty() || !job.is_live() || job.newer_epoch == 0)
      continue;
    admission.blocked_reasons.push_back(
        fmt::format("a superseded copy of job {} is halted on {}: `cardswap stop {}` there ends it",
                    job.name(), context_.config.host_name, job.name()));
  }
}

std::vector<criu::NeededGpu> ReservationCheck::add_blocks(const ReservationRequest& wanted,
                                                          const Caller& caller,
                                                          std::vector<std::string> missing,
                                                          AdmissionVerdict& admission) const {
  auto needs = criu::needs_from_json(wanted.process);
  const bool usable = context_.criu.tool().is_usable();
  // CRIU opens as root what an image names, so it can bring any right along.
  const bool trusted = may_bring_any_rights(context_.config, caller);
  if (!usable) {
    admission.block(fmt::format("{} restores no processes: {}", context_.config.host_name,
                                context_.criu.tool().problem));
  }
  if (!trusted) {
    const auto rule = context_.config.job_user.empty()
                          ? "lets nobody else be root"
                          : "runs jobs as " + context_.config.job_user + " only";
    admission.block(
        fmt::format("{} {}, and a process image brings its own rights "
                    "(cardswapd --criu-trust-peers allows it)",
                    context_.config.host_name, rule));
  }
  if (!usable || !trusted) return {};
  for (auto& reason : missing) admission.block(std::move(reason));
  const auto& cuda = context_.criu.cuda();
  criu::OfferedGpu offered{context_.config.host_name, wanted.device, "", "", cuda.problem(),
                           cuda.can_change_gpus()};
  for (const auto& device : context_.devices.all()) {
    if (device.name != offered.device || device.kind != "cuda") continue;
    offered.uuid = device.uuid;
    offered.model = device.model;
  }
  for (auto& reason : criu::why_not_on(offered, needs.gpus)) {
    admission.block(std::move(reason));
  }
  return std::move(needs.gpus);
}

void ReservationCheck::check_is_new(const ReservationRequest& wanted, const Caller& caller) const {
  const auto& id = wanted.migration;
  const auto* leaving = context_.jobs.find(wanted.spec.name);
  const bool within =
      leaving != nullptr && std::ranges::any_of(leaving->instances, [&](const Instance& instance) {
        return migrations_.is_own_request(wanted, instance, caller);
      });
  if (!within && migrations_.has(id)) {
    throw Error(Code::conflict, "a migration of that id leaves this host for another one");
  }
  if (list_.has(id)) throw Error(Code::conflict, "this migration has a reservation already");
}

}  // namespace cardswap
