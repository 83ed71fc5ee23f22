// A place for a job on its way in: what stands against it, and the standby that is started in it.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "agent/base/units.h"
#include "agent/criu/host_match.h"
#include "agent/handover/epochs.h"
#include "agent/handover/reservation_request.h"
#include "agent/handover/reservations.h"
#include "agent/jobs/user_policy.h"
#include "agent/process/user.h"

namespace cardswap {
namespace {

using handover::Message;
using handover::TargetEvent;
using handover::TargetState;
using Clock = std::chrono::steady_clock;

bool is_open(TargetState state) {
  return state == TargetState::reserved || state == TargetState::starting ||
         state == TargetState::parked || state == TargetState::verified;
}

}  // namespace

/// What is here by that name or uid. A place is for a job that is nowhere here, or that this very
/// agent moves from one device of this host to another: to know a uid proves nothing.
void Reservations::look_around(const ReservationRequest& wanted, const Caller& caller,
                               AdmissionRequest& asked) const {
  const auto& spec = wanted.spec;
  for (const auto* instance : std::as_const(jobs_).instances()) {
    const auto& job = instance->job();
    const bool same_uid = !spec.uid.empty() && job.uid() == spec.uid;
    const bool same_name = job.name() == spec.name;
    if (!instance->live() || job.standby || job.superseded || (!same_name && !same_uid)) continue;
    if (same_name && same_uid && instance->device == wanted.device) {
      asked.is_there = !migrations_.rehearses_within(wanted, *instance, caller);
    } else if (!migrations_.moves_within(wanted, *instance, caller)) {
      (same_name ? asked.name_is_taken : asked.uid_is_taken) = true;
    }
  }
  const auto owner = caller.owner ? std::string() : caller.name;
  for (const auto& r : reservations_) {
    const auto* standby = jobs_.by_instance(r.instance);
    if (standby == nullptr || !is_open(r.side.state())) continue;
    if (r.owner == owner && !owner.empty()) ++asked.places;
    const bool same_uid = !spec.uid.empty() && standby->job().uid() == spec.uid;
    // Its own earlier one may still be on its way out.
    if (r.owner == owner && same_uid) continue;
    if (standby->name() == spec.name || same_uid) asked.is_on_its_way = true;
  }
}

asio::awaitable<Offer> Reservations::reserve(ReservationRequest wanted, Caller caller,
                                             DataAddress place, LookedAt seen) {
  const auto& id = wanted.migration;
  const auto& spec = wanted.spec;
  const auto epoch = wanted.epoch;
  const auto maker = maker_of(caller, wanted.from, wanted.from_api);
  AdmissionRequest asked;
  asked.job = spec.name;
  asked.device = wanted.device;
  asked.state_bytes = wanted.state_bytes;
  asked.devices = jobs_.devices();
  asked.host = config_.host_name;
  asked.by = caller.name;
  look_around(wanted, caller, asked);
  if (const auto cordon = cordons_.of(wanted.device)) {
    asked.closed = to_string(*cordon, config_.host_name);
  }
  auto admission = admit(asked);
  if (!place.problem.empty()) admission.blocked_reasons.push_back(place.problem);
  const auto known = handover::known_epoch(spec.uid, jobs_, migrations_, *this);
  if (handover::is_old(epoch, known)) {
    const auto text = fmt::format(
        "{} knows of epoch {} of job {}: epoch {}, which would come from {}, is a copy of it that "
        "must not go on",
        config_.host_name, known, spec.name, epoch, maker.from.empty() ? "elsewhere" : maker.from);
    spdlog::error("{}", text);
    if (tell_) tell_({"two_epochs", text, spec.name, wanted.device, id});
    admission.blocked_reasons.push_back(text);
  }
  for (const auto& job : jobs_.all()) {
    if (job.uid() != spec.uid || spec.uid.empty() || !job.live() || job.newer_epoch == 0) continue;
    admission.blocked_reasons.push_back(
        fmt::format("a superseded copy of job {} stands on {}: `cardswap stop {}` there ends it",
                    job.name(), config_.host_name, job.name()));
  }
  const bool by_criu = wanted.arrive == Arrival::criu;
  std::vector<criu::NeededGpu> source_gpus;
  if (by_criu) source_gpus = add_blocks(wanted, caller, std::move(seen.missing), admission);
  try {
    check_may_run_as(config_, spec.user, caller);
    // What CRIU brings is restored from its image, not started: what that needs was looked at.
    if (by_criu && !spec.user.empty()) (void)job_user(spec.user);
    if (seen.no_start) admission.block(seen.no_start->failure(), seen.no_start->hint());
  } catch (const Error& error) {
    admission.block(error.failure(), error.hint());
  }
  if (!admission.blocked_reasons.empty() || wanted.dry_run) {
    co_return Offer{.accepted = admission.blocked_reasons.empty(),
                    .code = admission.no_memory ? Code::no_memory : Code::refused,
                    .blocked_reasons = std::move(admission.blocked_reasons),
                    .hint = std::move(admission.hint)};
  }
  forget_old();
  const auto* leaving = jobs_.find(spec.name);
  const bool within =
      leaving != nullptr && std::ranges::any_of(leaving->instances, [&](const Instance& instance) {
        return migrations_.moves_within(wanted, instance, caller);
      });
  if (!within && migrations_.has(id)) {
    throw Error(Code::conflict, "a migration of that id leaves this host for another one");
  }
  for (const auto& r : reservations_) {
    if (r.migration == id) throw Error(Code::conflict, "this migration has a reservation already");
  }
  Reservation made;
  made.migration = id;
  made.from = maker.from;
  made.from_api = maker.from_api;
  made.data_host = made.image_host = place.host;
  if (!caller.owner) made.owner = caller.name;
  made.data_peers = data_peers(wanted.addresses, caller.came_from, own_addresses());
  made.data_token = random_hex(16);
  if (wanted.encrypt) made.data_key = random_hex(32);
  made.heard_at = Clock::now();
  made.job = spec.name;
  made.spec = spec;
  made.device = wanted.device;
  made.state_bytes = wanted.state_bytes;
  made.framework = wanted.framework;
  made.arrive = wanted.arrive;
  made.source_gpus = std::move(source_gpus);
  made.relocatable_bytes = wanted.relocatable_bytes;
  auto& r = reservations_.emplace_back(std::move(made));
  const auto pin = r.in_use;
  try {
    apply(r, Message{Message::Kind::reserve, epoch});
    co_await start_standby(id);
  } catch (...) {
    if (tasks_.stopping()) throw;
    if (r.side.state() == TargetState::nothing) {  // nothing is on disk
      reservations_.pop_back();
      throw;
    }
    // Not `standby_ended`: it may have a process by now, or a listener for its image.
    fail(r, TargetEvent::standby_failed,
         error_of(std::current_exception())
             .within(fmt::format("start the standby of {} on {}", spec.name, config_.host_name)));
  }
  if (r.side.state() == TargetState::failed && r.error) {
    co_return Offer{.accepted = false,
                    .code = Code::refused,
                    .blocked_reasons = {r.error->failure()},
                    .hint = r.error->hint()};
  }
  co_return Offer{.accepted = true};
}

asio::awaitable<void> Reservations::start_standby(std::string migration) {
  auto& r = at(migration);
  const auto& spec = *r.spec;
  spdlog::info("job {} migration {} reserved {} on {} for {}{}", spec.name, r.migration,
               format_size(r.state_bytes), r.device, r.from.empty() ? "somebody" : r.from,
               r.owner.empty() ? "" : ", by " + r.owner);
  std::vector<std::string> stand_in;
  if (r.arrive == Arrival::criu) stand_in = prepare_arrival(r);
  const bool arrives = !stand_in.empty();
  const auto instance = jobs_
                            .add_standby(spec, {.migration = r.migration,
                                                .epoch = r.side.record().epoch,
                                                .device = r.device,
                                                .reserved_bytes = r.state_bytes,
                                                .came_from = r.from})
                            .id;
  r.instance = instance;
  co_await jobs_.start(instance, std::move(stand_in));
  auto* standby = jobs_.by_instance(instance);
  if (standby == nullptr) co_return;              // its end was told
  if (r.side.state() != TargetState::reserved) {  // the place was given up meanwhile
    signal_group(standby->process, SIGKILL);
    co_return;
  }
  r.heard_at = Clock::now();
  if (arrives) tasks_.spawn("restore " + spec.name, arrive(r.migration));
  jobs_.set_state(*standby, "standby");
  apply(r, TargetEvent::standby_started);
  tasks_.spawn("watch the source of " + r.migration, watch_source(r.migration));
}

}  // namespace cardswap
