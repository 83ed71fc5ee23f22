#include "agent/jobs/recovery.h"

#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/jobs/job.h"

namespace cardswap {

namespace json = boost::json;

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, RecoveryNotes>& m) {
  a("is_pending", m.is_pending);
  a("reason", m.reason);
  a("device", m.device);
  a("state_bytes", m.state_bytes);
  a("last_step", m.last_step);
  a("tries", m.tries);
  a("number", m.number);
  a("step", m.step);
  a("store", m.store);
  a("begun_anew", m.begun_anew);
  a("recovered", m.recovered);
  a("lost_steps", m.lost_steps);
  a("lost_steps_total", m.lost_steps_total);
  a("at_ms", m.at_ms);
  a("error", m.error);
  a("hint", m.hint);
}

RecoveryNotes notes_when_recovered(RecoveryNotes sender, std::int64_t now_ms) {
  if (!sender.is_pending) return sender;
  sender.is_pending = false;
  if (sender.number == 0) return sender;  // it has moved before a snapshot was chosen
  ++sender.recovered;
  sender.lost_steps = lost_between(sender.last_step, sender.step);
  sender.lost_steps_total += sender.lost_steps;
  sender.at_ms = now_ms;
  sender.error.clear();
  sender.hint.clear();
  return sender;
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
  return notes;
}

json::value to_json(const RecoveryNotes& notes) {
  if (!notes.is_pending && notes.recovered == 0 && notes.error.empty()) return nullptr;
  json::object told{{"pending", notes.is_pending},
                    {"reason", text_or_null(notes.reason)},
                    {"recovered", notes.recovered},
                    {"lost_steps", notes.lost_steps},
                    {"lost_steps_total", notes.lost_steps_total}};
  told["last"] = notes.recovered == 0 ? json::value(nullptr)
                                      : json::value(json::object{{"snapshot", notes.number},
                                                                 {"step", notes.step},
                                                                 {"store", notes.store},
                                                                 {"at_ms", notes.at_ms}});
  told["error"] =
      notes.error.empty()
          ? json::value(nullptr)
          : json::value(json::object{{"failure", notes.error}, {"hint", text_or_null(notes.hint)}});
  return told;
}

}  // namespace cardswap
