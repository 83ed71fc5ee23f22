#include "agent/jobs/auto_interval.h"

#include <boost/json.hpp>

#include "agent/base/json_archive.h"

namespace cardswap {

std::string_view to_string(IntervalReason reason) {
  switch (reason) {
    case IntervalReason::unknown_cost: return "unknown_cost";
    case IntervalReason::cost: return "cost";
    case IntervalReason::stored_time: return "stored_time";
    case IntervalReason::shortest: return "shortest";
    case IntervalReason::longest: return "longest";
  }
  return "";
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, AutoInterval>& m) {
  a("every_ms", m.every_ms);
  a.named("reason", m.reason);
  a("cost_ms", m.cost_ms);
  a("measured", m.measured);
  a("stored_ms", m.stored_ms);
  a("mtbf_ms", m.mtbf_ms);
}

boost::json::object to_json(const AutoInterval& interval) {
  boost::json::object record;
  put_fields(record, interval);
  return record;
}

AutoInterval auto_interval_from(const boost::json::object& record) {
  AutoInterval interval;
  read_fields(record, interval);
  return interval;
}

}  // namespace cardswap
