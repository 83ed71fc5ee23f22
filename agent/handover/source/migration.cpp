#include "agent/handover/source/migration.h"

#include <boost/json.hpp>
#include <utility>

#include "agent/base/json_archive.h"
#include "agent/base/units.h"
#include "agent/jobs/job.h"

namespace cardswap {

namespace json = boost::json;

Migration::Migration(MigrationRecord record, std::vector<TransferRecord> records)
    : record_(std::move(record)) {
  for (auto& one : records) transfers.emplace_back(std::move(one));
}

std::vector<TransferRecord> Migration::transfer_records() const {
  std::vector<TransferRecord> records;
  for (const auto& transfer : transfers) records.push_back(transfer.record());
  return records;
}

void Migration::adopt(MigrationRecord record, std::vector<TransferRecord> records) {
  record_ = std::move(record);
  auto one = records.begin();
  for (auto& transfer : transfers) transfer.record_ = std::move(*one++);
}

bool Migration::is_passed_rehearsal_only() const {
  return spec().rehearse == Rehearsal::only && are_all(&Transfer::has_passed_rehearsal);
}

bool Migration::holds_effects_at_failpoint() const {
  return !proceed && failpoint == to_string(state());
}

Transfer* Migration::find(const std::string& instance) {
  const auto found = std::ranges::find(transfers, instance, &Transfer::instance);
  return found == transfers.end() ? nullptr : &*found;
}
const Transfer* Migration::find(const std::string& instance) const {
  const auto found = std::ranges::find(transfers, instance, &Transfer::instance);
  return found == transfers.end() ? nullptr : &*found;
}

std::uint64_t Migration::calls() const {
  std::uint64_t all = 0;
  for (const auto& transfer : transfers) all += transfer.target.calls;
  return all;
}

TimelineSample sample_now(const MigrationRecord& m, const Transfer& transfer,
                          const Instance* source) {
  auto now = sample_of(transfer.record().stats);
  now.at_ms = unix_ms() - m.started_at_ms;
  now.state = m.state();
  now.step = transfer.frozen_step ? *transfer.frozen_step
             : source != nullptr  ? source->record().step
                                  : m.migrated_at_step();
  return now;
}

json::object to_json(const Migration& m) {
  const auto& record = m.record();
  auto all = to_journal(record);
  all["held"] = m.waits_at_failpoint;
  for (auto& [key, value] : to_json(m.only().record())) {
    // Where it goes is said of the whole, as it was asked for.
    if (key != "to") all[key] = std::move(value);
  }
  const auto end = record.ended_at_ms == 0 ? unix_ms() : record.ended_at_ms;
  all["progress"].as_object()["total_time_ms"] = static_cast<double>(end - record.started_at_ms);
  // Of a job whose program starts anew there is nothing to say.
  if (record.spec.arrive != ArrivalMode::criu) all["process"] = nullptr;
  return all;
}

json::object timeline_json(const Migration& migration) {
  const auto& m = migration.record();
  const auto known = [](bool is, json::value value) {
    return is ? std::move(value) : json::value(nullptr);
  };
  const auto entered = [&](std::string_view state) {
    const auto found = std::ranges::find(
        m.history, state, [](const auto& item) { return std::string_view(item.first); });
    return found == m.history.end() ? json::value(nullptr)
                                    : json::value(found->second - m.started_at_ms);
  };
  const auto& transfer = migration.only().record();
  const bool moved = transfer.downtime_ms > 0;
  const auto& s = transfer.stats;
  return {
      {"migration", m.id},
      {"version", m.version},
      {"started_at_ms", m.started_at_ms},
      {"interval_ms", transfer.timeline.interval_ms()},
      {"samples", to_json(transfer.timeline)},
      {"downtime",
       {{"predicted_ms", known(transfer.predicted_downtime_ms > 0, transfer.predicted_downtime_ms)},
        {"measured_ms", known(moved, transfer.downtime_ms)},
        {"clock_error_ms", known(moved, transfer.clock_error_ms)},
        {"hold_ms", s.log_wait_ms},
        {"scan_ms", s.freeze_scan_ms},
        {"send_ms", s.freeze_send_ms},
        {"verify_ms", s.freeze_verify_ms},
        {"transferred", s.bytes_in_downtime}}},
      {"target",
       {{"resumed_at_ms", entered("resumed")},
        {"first_step_at_ms", entered("completed")},
        {"step", known(moved, m.migrated_at_step())}}}};
}

json::object to_journal(const Migration& m) { return to_journal(m.record(), m.transfer_records()); }

Migration migration_from_journal(const json::object& record) {
  std::vector<TransferRecord> transfers;
  for (const auto& item : array_at(record, "transfers")) {
    if (item.is_object()) transfers.push_back(transfer_from_journal(item.get_object()));
  }
  if (transfers.empty()) throw Error(Code::corrupt, "the record of a migration moves nothing");
  return {migration_record_from_journal(record), std::move(transfers)};
}

}  // namespace cardswap
