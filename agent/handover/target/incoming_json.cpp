#include "agent/handover/target/incoming_json.h"

#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/base/state_digest_json.h"
#include "agent/http/client.h"

namespace cardswap {

namespace json = boost::json;
using handover::TargetState;

json::object incoming_json(const Reservation& reservation, const Instance* standby,
                           const Config& config) {
  const auto& r = reservation.record();
  const auto& record = r.side.durable();
  const bool arrived = record.state == TargetState::completed;
  const bool stored = record.state == TargetState::stored;
  const bool over = is_over(record.state) || record.state == TargetState::superseded;
  const auto* result = arrived ? "ok" : stored ? "stored" : "failed";
  const bool moved = r.downtime_ms > 0;
  json::object told{
      {"id", r.migration},
      {"version", r.version},
      {"job", standby != nullptr ? json::value(standby->name()) : text_or_null(r.job)},
      {"job_uid", standby != nullptr ? json::value(standby->job().uid()) : json::value(nullptr)},
      {"instance", r.instance},
      {"from", r.from},
      {"maker", text_or_null(r.owner)},
      {"to", config.host_name + (standby != nullptr ? "/" + standby->device() : "")},
      {"role", "target"},
      {"state", to_string(record.state)},
      {"in_doubt", r.in_doubt},
      {"epoch", record.epoch},
      {"result", over ? json::value(result) : json::value(nullptr)},
      {"error", r.error ? http::to_json(*r.error) : json::value(nullptr)},
      {"downtime_ms", moved ? json::value(r.downtime_ms) : json::value(nullptr)},
      // Its source's agent knows.
      {"stall_ms", nullptr},
      {"lost_ms", nullptr},
      {"clock_error_ms", moved ? json::value(r.clock_error_ms) : json::value(nullptr)},
      {"migrated_at_step",
       r.is_granted() ? json::value(record.content.step) : json::value(nullptr)},
      {"forced", r.forced ? json::value(to_string(*r.forced)) : json::value(nullptr)},
      {"copy", record.notice_pending ? json::value(r.copy ? to_string(*r.copy) : "unknown")
                                     : json::value(nullptr)},
      {"progress", json::object{}},
      {"history", json::array{}},
      {"held", false}};
  put_state_digest(told, r.is_granted() ? json::value(to_string(record.content.state_digest))
                                        : json::value(nullptr));
  return told;
}

}  // namespace cardswap
