#include "agent/handover/source/transfer_record.h"

#include <boost/json.hpp>

#include "agent/base/json_archive.h"

namespace cardswap {

namespace json = boost::json;

/// What the API and the journal call by one name each.
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, TransferRecord>& m) {
  a("rank", m.rank);
  a("instance", m.instance);
  a("from", m.from);
  a("to", m.to);
  a.known("predicted_downtime_ms", m.predicted_downtime_ms);
  a.known("predicted_stall_ms", m.predicted_stall_ms);
  a.known("predicted_lost_ms", m.predicted_lost_ms);
  a.known("predicted_stall_raw_ms", m.raw_stall_ms);
  a.known("predicted_lost_raw_ms", m.raw_lost_ms);
  a("predicted_from_moves", m.predicted_from_moves);
  const bool moved = m.downtime_ms > 0;
  a.known("downtime_ms", m.downtime_ms, moved);
  a.known("clock_error_ms", m.clock_error_ms, moved);
  a.known("warning", m.warning);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, CriuTimes>& m) {
  a("freeze_ms", m.freeze_ms);
  a("dump_ms", m.dump_ms);
  a("ship_ms", m.ship_ms);
  a("restore_ms", m.restore_ms);
  a("driver_suspend_ms", m.driver_suspend_ms);
  a("driver_resume_ms", m.driver_resume_ms);
  a("verify_ms", m.verify_ms);
  a("image_bytes", m.image_bytes);
}

template <class Archive>
void fields(Archive& a, FieldsOf<Archive, ProcessId>& m) {
  a("pid", m.pid);
  a("start_time", m.start_time);
}

namespace {

json::object process_json(const CriuTimes& process) {
  json::object parts;
  put_fields(parts, process);
  // Of a process without state on a GPU there is nothing to say.
  if (process.driver_suspend_ms <= 0) parts.erase("driver_suspend_ms");
  if (process.driver_resume_ms <= 0) parts.erase("driver_resume_ms");
  return parts;
}

}  // namespace

MigrationPhase phase_of(CriuPhase phase) {
  switch (phase) {
    case CriuPhase::departing: return MigrationPhase::departing;
    case CriuPhase::dumping: return MigrationPhase::dumping;
    case CriuPhase::shipping: return MigrationPhase::shipping;
    case CriuPhase::restoring: break;
  }
  return MigrationPhase::restoring;
}

std::string_view to_string(CriuPhase phase) {
  switch (phase) {
    case CriuPhase::departing: return "departing";
    case CriuPhase::dumping: return "dumping";
    case CriuPhase::shipping: return "shipping";
    case CriuPhase::restoring: break;
  }
  return "restoring";
}

json::object to_json(const TransferRecord& transfer) {
  json::object all;
  put_fields(all, transfer);
  all.erase("rank");
  json::object progress;
  put_fields(progress, transfer.stats);
  all["progress"] = std::move(progress);
  all["process"] = process_json(transfer.process);
  put_lost(all, view_of(transfer.lost_time, transfer.downtime_ms));
  return all;
}

json::object to_journal(const TransferRecord& transfer) {
  auto record = to_json(transfer);
  record["rank"] = transfer.rank;
  record["lost"] = to_journal(transfer.lost_time);
  if (transfer.custodian.pid != 0) {
    json::object keeper;
    put_fields(keeper, transfer.custodian);
    record["keeper"] = std::move(keeper);
  }
  return record;
}

TransferRecord transfer_from_journal(const json::object& record) {
  TransferRecord transfer;
  read_fields(record, transfer);
  read_fields(object_at(record, "process"), transfer.process);
  read_fields(object_at(record, "keeper"), transfer.custodian);
  read_fields(object_at(record, "progress"), transfer.stats);
  transfer.lost_time = lost_time_from_journal(object_at(record, "lost"));
  transfer.timeline = timeline_from_json(array_at(record, "timeline"));
  return transfer;
}

}  // namespace cardswap
