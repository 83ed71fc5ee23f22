#include "agent/jobs/recovery.h"

#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/jobs/job.h"

namespace cardswap {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RecoveryNotes>& m) {
  a("state", m.state);
  a("reason", m.reason);
  a("device", m.device);
  a("state_bytes", m.state_bytes);
  a("last_step", m.last_step);
  a("tries", m.tries);
  a("number", m.number);
  a("step", m.step);
  a("log_step", m.log_step);
  a("store", m.store);
  a("recovered", m.recovered);
  a("lost_steps", m.lost_steps);
  a("lost_steps_total", m.lost_steps_total);
  a("at_ms", m.at_ms);
  a("error", m.error);
  a("hint", m.hint);
}

RecoveryNotes notes_on_arrival(RecoveryNotes former) {
  if (!former.is_under_way()) return former;
  // Without a snapshot it is the job itself that moves, by a migration that had begun before.
  former.state = former.number == 0 ? RecoveryState::dropped : RecoveryState::arriving;
  return former;
}

RecoveryNotes notes_when_recovered(RecoveryNotes arriving, std::int64_t now_ms) {
  if (arriving.state != RecoveryState::arriving) return arriving;
  arriving.state = RecoveryState::recovered;
  ++arriving.recovered;
  arriving.lost_steps = lost_between(arriving.last_step, arriving.from_step());
  arriving.lost_steps_total += arriving.lost_steps;
  arriving.at_ms = now_ms;
  arriving.error.clear();
  arriving.hint.clear();
  return arriving;
}

std::vector<std::string> stores_of(const JobSpec& spec) {
  std::vector<std::string> stores;
  if (spec.protection) stores.push_back(spec.protection->store);
  if (!spec.fallback_store.empty() && (stores.empty() || stores.front() != spec.fallback_store)) {
    stores.push_back(spec.fallback_store);
  }
  return stores;
}

bool is_own_store(const JobSpec& spec) {
  if (!spec.protection) return false;
  const bool has_gone_on = !spec.restored_from.empty() && spec.fallback_first == 0;
  return spec.first_snapshot != 0 || has_gone_on || spec.protection->store == spec.fallback_store;
}

bool has_snapshot(const Job& job) {
  const auto& spec = job.spec;
  if (spec.protection && job.protection_notes.number != 0) return true;
  if (spec.fallback_first != 0) return true;
  return !spec.restored_from.empty() && !stores_of(spec).empty();
}

json::object to_journal(const RecoveryNotes& notes) {
  json::object record;
  put_fields(record, notes);
  return record;
}

RecoveryNotes recovery_notes_from_journal(const json::object& record) {
  RecoveryNotes notes;
  read_fields(record, notes);
  // Earlier releases wrote no state, and counted a recovery when the program got the job.
  if (!record.contains("state")) {
    if (notes.recovered != 0) notes.state = RecoveryState::recovered;
    if (!notes.error.empty()) notes.state = RecoveryState::failed;
    if (flag_at(record, "is_pending")) notes.state = RecoveryState::pending;
  }
  return notes;
}

json::value to_json(const RecoveryNotes& notes) {
  const bool has_any = notes.state != RecoveryState::none && notes.state != RecoveryState::dropped;
  if (!has_any && notes.recovered == 0) return nullptr;
  json::object told{
      {"pending", notes.is_under_way()},      {"state", to_string(notes.state)},
      {"reason", text_or_null(notes.reason)}, {"recovered", notes.recovered},
      {"lost_steps", notes.lost_steps},       {"lost_steps_total", notes.lost_steps_total}};
  told["last"] = notes.recovered == 0 ? json::value(nullptr)
                                      : json::value(json::object{{"snapshot", notes.number},
                                                                 {"step", notes.step},
                                                                 {"log_step", notes.log_step},
                                                                 {"store", notes.store},
                                                                 {"at_ms", notes.at_ms}});
  told["error"] =
      notes.error.empty()
          ? json::value(nullptr)
          : json::value(json::object{{"failure", notes.error}, {"hint", text_or_null(notes.hint)}});
  return told;
}

}  // namespace cardswap
