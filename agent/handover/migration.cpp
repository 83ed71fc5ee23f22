#include "agent/handover/migration.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/http/client.h"

namespace cardswap {
namespace {

namespace json = boost::json;

json::object to_json(const MigrationStats& stats, double total_time_ms) {
  return {{"phase", stats.phase},
          {"transferred", stats.transferred},
          {"remaining", stats.remaining},
          {"total", stats.total},
          {"rounds", stats.rounds},
          {"dirty_rate", stats.dirty_rate},
          {"rate", stats.rate},
          {"expected_downtime_ms", stats.expected_downtime_ms},
          {"bytes_in_downtime", stats.bytes_in_downtime},
          {"setup_time_ms", stats.setup_time_ms},
          {"freeze_scan_ms", stats.freeze_scan_ms},
          {"freeze_send_ms", stats.freeze_send_ms},
          {"freeze_verify_ms", stats.freeze_verify_ms},
          {"median_step_ms", stats.median_step_ms},
          {"strategy", stats.strategy},
          {"log_entries", stats.log_entries},
          {"log_bytes", stats.log_bytes},
          {"log_lag_bytes", stats.log_lag_bytes},
          {"replay_ms", stats.replay_ms},
          {"back_pressure_ms", stats.back_pressure_ms},
          {"window_wait_ms", stats.window_wait_ms},
          {"hold_ms", stats.hold_ms},
          {"regions_not_replayed", stats.regions_not_replayed},
          {"not_replayed", stats.not_replayed},
          {"freezes_put_off", stats.freezes_put_off},
          {"note", stats.note},
          {"throttle_pct", stats.throttle_pct},
          {"compression", stats.compression},
          {"compression_ratio", stats.compression_ratio},
          {"card_path", stats.card_path},
          {"total_time_ms", total_time_ms}};
}

template <class T>
void take(const json::object& from, std::string_view key, T& out) {
  const auto* value = from.if_contains(key);
  if (value == nullptr) return;
  if constexpr (std::is_same_v<T, std::string>) {
    if (value->is_string()) out = std::string(value->get_string());
  } else if constexpr (std::is_same_v<T, bool>) {
    if (value->is_bool()) out = value->get_bool();
  } else {
    if (value->is_number()) out = value->to_number<T>();
  }
}

json::object to_json(const ProcessMove& process) {
  json::object parts{{"freeze_ms", process.freeze_ms}, {"dump_ms", process.dump_ms},
                     {"ship_ms", process.ship_ms},     {"restore_ms", process.restore_ms},
                     {"verify_ms", process.verify_ms}, {"image_bytes", process.image_bytes}};
  if (process.driver_suspend_ms > 0) parts["driver_suspend_ms"] = process.driver_suspend_ms;
  if (process.driver_resume_ms > 0) parts["driver_resume_ms"] = process.driver_resume_ms;
  return parts;
}

}  // namespace

std::string_view to_string(channel::Arrival arrival) {
  return arrival == channel::Arrival::criu ? "criu" : "standby";
}

json::object to_json(const Migration& m) {
  json::array history;
  for (const auto& [state, at] : m.history) {
    history.push_back(json::object{{"state", state}, {"at_ms", at}});
  }
  const auto end = m.ended_at_ms == 0 ? unix_ms() : m.ended_at_ms;
  const bool moved = m.downtime_ms > 0;
  return {
      {"id", m.id},
      {"version", m.version},
      {"job", m.job},
      {"job_uid", m.job_uid},
      {"instance", m.instance},
      {"from", m.from},
      {"to", m.to},
      {"role", "source"},
      {"state", to_string(m.state)},
      {"strategy", to_string(m.strategy)},
      {"arrive", to_string(m.arrive)},
      {"process",
       m.arrive == channel::Arrival::criu ? json::value(to_json(m.process)) : json::value(nullptr)},
      {"epoch", m.epoch},
      {"max_downtime_ms", m.max_downtime_ms},
      {"auto_converge", m.auto_converge},
      {"encrypt", m.encrypt},
      {"compression", to_string(m.compression)},
      {"log_memory", m.log_bytes_max},
      {"predicted_downtime_ms",
       m.predicted_downtime_ms > 0 ? json::value(m.predicted_downtime_ms) : json::value(nullptr)},
      {"bandwidth", m.bandwidth},
      {"chunk_bytes", m.chunk_bytes},
      {"timeout_ms", m.timeout_ms},
      {"progress", to_json(m.stats, static_cast<double>(end - m.started_at_ms))},
      {"result", m.result.empty() ? json::value(nullptr) : json::value(m.result)},
      {"error", m.error ? http::to_json(*m.error) : json::value(nullptr)},
      {"job_ended", m.job_ended},
      {"warning", m.warning.empty() ? json::value(nullptr) : json::value(m.warning)},
      {"downtime_ms", moved ? json::value(m.downtime_ms) : json::value(nullptr)},
      {"clock_error_ms", moved ? json::value(m.clock_error_ms) : json::value(nullptr)},
      {"migrated_at_step", m.root.empty() ? json::value(nullptr) : json::value(m.migrated_at_step)},
      {"root", m.root.empty() ? json::value(nullptr) : json::value(m.root)},
      {"history", history},
      {"started_at_ms", m.started_at_ms},
      {"ended_at_ms", m.ended_at_ms == 0 ? json::value(nullptr) : json::value(m.ended_at_ms)},
      {"forced", m.forced.empty() ? json::value(nullptr) : json::value(m.forced)},
      {"own_epoch", m.own_epoch == 0 ? json::value(nullptr) : json::value(m.own_epoch)},
      {"copy",
       m.open ? json::value(m.copy ? to_string(*m.copy) : "unknown") : json::value(nullptr)},
      {"held", m.held}};
}

json::object timeline_json(const Migration& m) {
  const auto known = [](bool is, json::value value) {
    return is ? std::move(value) : json::value(nullptr);
  };
  const auto entered = [&](std::string_view state) {
    const auto found = std::ranges::find(
        m.history, state, [](const auto& item) { return std::string_view(item.first); });
    return found == m.history.end() ? json::value(nullptr)
                                    : json::value(found->second - m.started_at_ms);
  };
  const bool moved = m.downtime_ms > 0;
  const auto& s = m.stats;
  return {{"migration", m.id},
          {"version", m.version},
          {"started_at_ms", m.started_at_ms},
          {"interval_ms", m.timeline.interval_ms()},
          {"samples", to_json(m.timeline)},
          {"downtime",
           {{"predicted_ms", known(m.predicted_downtime_ms > 0, m.predicted_downtime_ms)},
            {"measured_ms", known(moved, m.downtime_ms)},
            {"clock_error_ms", known(moved, m.clock_error_ms)},
            {"hold_ms", s.hold_ms},
            {"scan_ms", s.freeze_scan_ms},
            {"send_ms", s.freeze_send_ms},
            {"verify_ms", s.freeze_verify_ms},
            {"transferred", s.bytes_in_downtime}}},
          {"target",
           {{"resumed_at_ms", entered("resumed")},
            {"first_step_at_ms", entered("completed")},
            {"step", known(moved, m.migrated_at_step)}}}};
}

json::object journal_record(const Migration& m) {
  auto record = to_json(m);
  if (m.ended_at_ms != 0) record["timeline"] = to_json(m.timeline);
  if (m.keeper.pid != 0) {
    record["keeper"] = json::object{{"pid", m.keeper.pid}, {"start_time", m.keeper.start_time}};
  }
  return record;
}

Migration migration_from_journal(const json::object& record) {
  Migration m;
  take(record, "id", m.id);
  take(record, "version", m.version);
  take(record, "job", m.job);
  take(record, "job_uid", m.job_uid);
  take(record, "instance", m.instance);
  take(record, "from", m.from);
  take(record, "to", m.to);
  std::string state;
  take(record, "state", state);
  m.state = handover::state_from_string(state).value_or(handover::State::aborting);
  std::string strategy;
  take(record, "strategy", strategy);
  for (const auto known : {Strategy::stop_copy, Strategy::rounds, Strategy::replay}) {
    if (strategy == to_string(known)) m.strategy = known;
  }
  std::string arrive;
  take(record, "arrive", arrive);
  if (arrive == "criu") m.arrive = channel::Arrival::criu;
  if (const auto* process = record.if_contains("process");
      process != nullptr && process->is_object()) {
    const auto& p = process->get_object();
    take(p, "freeze_ms", m.process.freeze_ms);
    take(p, "dump_ms", m.process.dump_ms);
    take(p, "ship_ms", m.process.ship_ms);
    take(p, "restore_ms", m.process.restore_ms);
    take(p, "verify_ms", m.process.verify_ms);
    take(p, "driver_suspend_ms", m.process.driver_suspend_ms);
    take(p, "driver_resume_ms", m.process.driver_resume_ms);
    take(p, "image_bytes", m.process.image_bytes);
  }
  if (const auto* keeper = record.if_contains("keeper"); keeper != nullptr && keeper->is_object()) {
    take(keeper->get_object(), "pid", m.keeper.pid);
    take(keeper->get_object(), "start_time", m.keeper.start_time);
  }
  take(record, "epoch", m.epoch);
  take(record, "max_downtime_ms", m.max_downtime_ms);
  if (const auto* encrypt = record.if_contains("encrypt")) m.encrypt = *encrypt == true;
  take(record, "log_memory", m.log_bytes_max);
  take(record, "chunk_bytes", m.chunk_bytes);
  take(record, "timeout_ms", m.timeout_ms);
  take(record, "auto_converge", m.auto_converge);
  std::string compression;
  take(record, "compression", compression);
  for (const auto known : {Compression::off, Compression::lz4, Compression::zstd}) {
    if (compression == to_string(known)) m.compression = known;
  }
  take(record, "predicted_downtime_ms", m.predicted_downtime_ms);
  take(record, "bandwidth", m.bandwidth);
  take(record, "result", m.result);
  if (const auto* error = record.if_contains("error"); error != nullptr && error->is_object()) {
    m.error = http::error_from_json(*error);
  }
  take(record, "job_ended", m.job_ended);
  take(record, "warning", m.warning);
  take(record, "downtime_ms", m.downtime_ms);
  take(record, "clock_error_ms", m.clock_error_ms);
  take(record, "migrated_at_step", m.migrated_at_step);
  take(record, "root", m.root);
  take(record, "forced", m.forced);
  take(record, "own_epoch", m.own_epoch);
  if (const auto* copy = record.if_contains("copy")) m.open = copy->is_string();
  if (const auto* history = record.if_contains("history");
      history != nullptr && history->is_array()) {
    for (const auto& item : history->get_array()) {
      if (!item.is_object()) continue;
      std::string name;
      std::int64_t at = 0;
      take(item.get_object(), "state", name);
      take(item.get_object(), "at_ms", at);
      m.history.emplace_back(name, at);
    }
  }
  if (const auto* progress = record.if_contains("progress");
      progress != nullptr && progress->is_object()) {
    const auto& p = progress->get_object();
    take(p, "phase", m.stats.phase);
    take(p, "transferred", m.stats.transferred);
    take(p, "total", m.stats.total);
    take(p, "rounds", m.stats.rounds);
    take(p, "rate", m.stats.rate);
    take(p, "dirty_rate", m.stats.dirty_rate);
    take(p, "expected_downtime_ms", m.stats.expected_downtime_ms);
    take(p, "bytes_in_downtime", m.stats.bytes_in_downtime);
    take(p, "setup_time_ms", m.stats.setup_time_ms);
    take(p, "freeze_scan_ms", m.stats.freeze_scan_ms);
    take(p, "freeze_send_ms", m.stats.freeze_send_ms);
    take(p, "freeze_verify_ms", m.stats.freeze_verify_ms);
    take(p, "median_step_ms", m.stats.median_step_ms);
    take(p, "strategy", m.stats.strategy);
    take(p, "log_entries", m.stats.log_entries);
    take(p, "log_bytes", m.stats.log_bytes);
    take(p, "replay_ms", m.stats.replay_ms);
    take(p, "back_pressure_ms", m.stats.back_pressure_ms);
    take(p, "window_wait_ms", m.stats.window_wait_ms);
    take(p, "hold_ms", m.stats.hold_ms);
    take(p, "throttle_pct", m.stats.throttle_pct);
    take(p, "compression", m.stats.compression);
    take(p, "compression_ratio", m.stats.compression_ratio);
    take(p, "card_path", m.stats.card_path);
    take(p, "regions_not_replayed", m.stats.regions_not_replayed);
    take(p, "not_replayed", m.stats.not_replayed);
    take(p, "freezes_put_off", m.stats.freezes_put_off);
    take(p, "note", m.stats.note);
  }
  take(record, "started_at_ms", m.started_at_ms);
  take(record, "ended_at_ms", m.ended_at_ms);
  if (const auto* samples = record.if_contains("timeline");
      samples != nullptr && samples->is_array()) {
    m.timeline = timeline_from_json(samples->get_array());
  }
  return m;
}

}  // namespace cardswap
