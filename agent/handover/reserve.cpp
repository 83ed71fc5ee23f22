// A place for a job on its way in: what stands against it, and the standby that is started in it.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/criu/host_match.h"
#include "agent/handover/epochs.h"
#include "agent/handover/reservations.h"
#include "agent/jobs/user.h"
#include "agent/jobs/user_policy.h"
#include "agent/units.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using handover::Message;
using handover::TargetEvent;
using handover::TargetState;
using Clock = std::chrono::steady_clock;

/// It becomes a part of file names, here and on this host's disk.
std::string migration_id(std::string id) {
  const bool known = !id.empty() && id.size() <= 64 && std::ranges::all_of(id, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-';
  });
  if (!known) throw Error(Code::bad_request, "'migration' is no id of a migration");
  return id;
}

}  // namespace

ApiAnswer Reservations::reserve(const ApiRequest& request, const DataAddress& place) {
  const auto id = migration_id(request.text("migration"));
  const auto* job = request.body.if_contains("job");
  if (job == nullptr || !job->is_object())
    throw Error(Code::bad_request, "'job' must be an object");
  auto spec = job_spec_from(job->get_object());
  spec.device = request.text("device");
  AdmissionRequest asked;
  asked.job = spec.name;
  asked.device = spec.device;
  asked.state_bytes = static_cast<std::uint64_t>(request.number_or("state_bytes", 0));
  asked.devices = jobs_.devices();
  asked.host = config_.host_name;
  const auto* same_name = jobs_.find(spec.name);
  asked.name_is_taken = same_name != nullptr && same_name->live() && same_name->uid != spec.uid;
  asked.is_there = same_name != nullptr && same_name->live() && same_name->uid == spec.uid &&
                   same_name->device == spec.device;
  if (closed) asked.closed = closed(spec.device);
  auto admission = admit(asked);
  if (!place.problem.empty()) admission.blocked_reasons.push_back(place.problem);
  const auto epoch = static_cast<std::uint64_t>(request.number_or("epoch", 0));
  if (const auto known = known_epoch ? known_epoch(spec.uid) : 0; handover::is_old(epoch, known)) {
    const auto text = fmt::format(
        "{} knows of epoch {} of job {}: epoch {}, which would come from {}, is a copy of it that "
        "must not go on",
        config_.host_name, known, spec.name, epoch, request.text_or("from", "elsewhere"));
    spdlog::error("{}", text);
    if (tell) tell({"two_epochs", text, spec.name, spec.device, id});
    admission.blocked_reasons.push_back(text);
  }
  for (const auto& job : jobs_.all()) {
    if (job.uid != spec.uid || spec.uid.empty() || !job.live() || job.newer_epoch == 0) continue;
    admission.blocked_reasons.push_back(
        fmt::format("a superseded copy of job {} stands on {}: `cardswap stop {}` there ends it",
                    job.name, config_.host_name, job.name));
  }
  const bool by_criu = request.text_or("arrive", "standby") == "criu";
  if (by_criu) add_blocks(request, admission);
  try {
    check_may_run_as(config_, spec.user, request.caller);
    // What CRIU brings is restored from its image, not started: what that needs was looked at.
    if (by_criu && !spec.user.empty()) (void)job_user(spec.user);
    const auto error = by_criu ? std::nullopt : why_not_started(spec, config_);
    if (error) admission.block(error->failure(), error->hint());
  } catch (const Error& error) {
    admission.block(error.failure(), error.hint());
  }
  if (!admission.blocked_reasons.empty() || request.flag_or("dry_run", false)) {
    json::array reasons;
    for (const auto& reason : admission.blocked_reasons) reasons.emplace_back(reason);
    return {200, json::object{{"accepted", reasons.empty()},
                              {"code", admission.no_memory ? "no_memory" : "refused"},
                              {"hint", admission.hint},
                              {"blocked_reasons", reasons}}};
  }
  forget_old();
  for (const auto& r : reservations_) {
    if (r.migration == id) throw Error(Code::conflict, "this migration has a reservation already");
  }
  Reservation made;
  made.migration = id;
  made.from = request.text_or("from", "");
  made.from_api = way_back(request.text_or("from_api", ""), request.caller.came_from);
  made.data_host = made.image_host = place.host;
  if (!request.caller.owner) made.owner = request.caller.name;
  std::vector<std::string> addresses;
  if (const auto* told = request.body.if_contains("addresses");
      told != nullptr && told->is_array()) {
    for (const auto& address : told->get_array()) {
      if (address.is_string()) addresses.emplace_back(address.get_string());
    }
  }
  made.data_peers = data_peers(addresses, request.caller.came_from, own_addresses());
  made.data_token = random_hex(16);
  if (request.flag_or("encrypt", false)) made.data_key = random_hex(32);
  made.heard_at = Clock::now();
  made.spec = spec;
  made.state_bytes = asked.state_bytes;
  made.framework = request.text_or("framework", "");
  if (by_criu) {
    made.arrive = channel::Arrival::criu;
    made.source_gpus = criu::needs_from_json(request.body.at("process").as_object()).gpus;
  }
  made.homed_bytes = static_cast<std::uint64_t>(request.number_or("homed_bytes", 0));
  auto& r = reservations_.emplace_back(std::move(made));
  try {
    feed(r, Message{Message::Kind::reserve, epoch});
  } catch (...) {
    if (r.side.state() == TargetState::nothing) {  // nothing is on disk
      reservations_.pop_back();
      throw;
    }
    // Not `standby_ended`: it may have a process by now, or a listener for its image.
    fail(r, TargetEvent::standby_failed,
         error_of(std::current_exception())
             .within(fmt::format("start the standby of {} on {}", spec.name, config_.host_name)));
    return {200, json::object{{"accepted", false},
                              {"code", "refused"},
                              {"hint", r.error->hint()},
                              {"blocked_reasons", json::array{r.error->failure()}}}};
  }
  return {200, json::object{{"accepted", true}, {"reservation", to_json(r)}}};
}

void Reservations::start_standby(Reservation& r) {
  const auto& spec = *r.spec;
  spdlog::info("job {} migration {} reserved {} on {}", spec.name, r.migration,
               format_size(r.state_bytes), spec.device);
  std::vector<std::string> stand_in;
  if (r.arrive == channel::Arrival::criu) stand_in = prepare_arrival(r);
  auto& standby = jobs_.start_standby(spec, r.migration, r.side.record().epoch, r.state_bytes,
                                      r.from, stand_in);
  r.instance = standby.instance;
  if (!stand_in.empty()) tasks_.spawn("restore " + spec.name, arrive(r.migration));
  jobs_.set_state(standby, "standby");
  feed(r, TargetEvent::standby_started);
  tasks_.spawn("watch the source of " + r.migration, watch_source(r.migration));
}

}  // namespace cardswap
