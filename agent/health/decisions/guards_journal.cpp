#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_fields.h"
#include "agent/health/decisions/guards.h"

namespace cardswap::health {
namespace {

namespace json = boost::json;

json::array list_of(const std::deque<Ms>& times) {
  json::array list;
  for (const auto at : times) list.emplace_back(at);
  return list;
}

json::object object_of(const std::map<std::string, Ms>& times) {
  json::object object;
  for (const auto& [name, at] : times) object[name] = at;
  return object;
}

/// A time at most `latest`: a later one would hold moves back for longer than its rule says.
Ms time_in(const json::value& value, Ms latest) {
  return value.is_int64() ? std::clamp<Ms>(value.get_int64(), 0, latest) : 0;
}

Ms time_at(const json::object& from, std::string_view key, Ms latest) {
  const auto* value = from.if_contains(key);
  return value == nullptr ? 0 : time_in(*value, latest);
}

std::deque<Ms> times_at(const json::object& from, std::string_view key, Ms latest) {
  std::deque<Ms> times;
  const auto* list = from.if_contains(key);
  if (list == nullptr || !list->is_array()) return times;
  for (const auto& value : list->get_array()) times.push_back(time_in(value, latest));
  std::sort(times.begin(), times.end());
  return times;
}

std::map<std::string, Ms> named_times_at(const json::object& from, std::string_view key,
                                         Ms latest) {
  std::map<std::string, Ms> times;
  const auto* object = from.if_contains(key);
  if (object == nullptr || !object->is_object()) return times;
  for (const auto& item : object->get_object()) times[item.key()] = time_in(item.value(), latest);
  return times;
}

}  // namespace

json::object Guards::record() const {
  return {{"running", object_of(running_)},
          {"starts", list_of(starts_)},
          {"failures", list_of(failures_)},
          {"job_moved", object_of(job_moved_)},
          {"device_resolved", object_of(device_resolved_)},
          {"opened_ms", opened_at_},
          {"open_until_ms", open_until_},
          {"counted_from_ms", counted_from_},
          {"why_open", why_open_}};
}

void Guards::restore(const json::object& record, Ms now) {
  running_ = named_times_at(record, "running", now);
  starts_ = times_at(record, "starts", now);
  failures_ = times_at(record, "failures", now);
  job_moved_ = named_times_at(record, "job_moved", now);
  device_resolved_ = named_times_at(record, "device_resolved", now);
  opened_at_ = time_at(record, "opened_ms", now);
  // These times may be in the future, but never by more than the breaker stays open.
  open_until_ = time_at(record, "open_until_ms", now + policy_.breaker_reset);
  counted_from_ = time_at(record, "counted_from_ms", now + policy_.breaker_reset);
  why_open_ = text_at(record, "why_open");
}

std::vector<std::string> Guards::moving_jobs() const {
  std::vector<std::string> uids;
  for (const auto& [uid, since] : running_) uids.push_back(uid);
  return uids;
}

}  // namespace cardswap::health
