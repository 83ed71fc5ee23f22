// A step that the standby takes beside the job, before anything commits; or without that.

#include <algorithm>
#include <utility>

#include "agent/handover/migrations.h"

namespace cardswap {
namespace {

bool passed(const Transfer& transfer) {
  return transfer.stats.rehearsal == "equal" || transfer.stats.rehearsal == "rounding";
}

}  // namespace

/// Once `spec.arrive` is chosen.
void Migrations::choose_rehearsal(MigrationSpec& spec, const std::string& job_uid) const {
  auto& asked = spec.rehearse;
  if (asked == Rehearsal::off) return;
  if (spec.arrive == Arrival::criu) {
    if (asked == Rehearsal::automatic) asked = Rehearsal::off;
    if (asked == Rehearsal::off) return;
    throw Error(Code::bad_request,
                "a process that CRIU moves has all that it had: there is nothing to rehearse",
                "leave --rehearse out, or use --arrive standby");
  }
  if (asked != Rehearsal::automatic) return;
  const bool is_known = std::ranges::any_of(migrations_, [&](const Migration& earlier) {
    return earlier.job_uid == job_uid && earlier.each(passed);
  });
  asked = is_known ? Rehearsal::off : Rehearsal::on;
}

/// A rehearsal alone may be on the job's own device, and where nothing is said it is.
std::string Migrations::place_of_rehearsal(const MigrationSpec& spec) const {
  if (spec.to.find('/') != std::string::npos) return spec.to;
  const auto* job = jobs_.find(spec.job);
  if (job == nullptr) return own_address().text() + "/cpu:0";  // start() says so
  return own_address().text() + "/" + (spec.to.empty() ? job->first().device : spec.to);
}

bool Migrations::rehearses_within(const ReservationRequest& asked, const Instance& leaving,
                                  const Caller& caller) const {
  return !asked.dry_run && moves_within(asked, leaving, caller) &&
         std::ranges::any_of(migrations_, [&](const Migration& m) {
           return m.id == asked.migration && m.spec.rehearse == Rehearsal::only;
         });
}

bool Migration::found_nothing_forgotten() const {
  return spec.rehearse == Rehearsal::only && each(passed);
}

}  // namespace cardswap
