#include "agent/handover/migration.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/base/units.h"
#include "agent/http/client.h"
#include "agent/jobs/job.h"

namespace cardswap {

namespace json = boost::json;

/// What the API and the journal call by one name each. The rest of a record is in decision_json().
template <class Archive>
void fields(Archive& a, Migration& m) {
  a("id", m.id);
  a("version", m.version);
  fields(a, m.spec);
  a("job_uid", m.job_uid);
  a.known("result", m.result);
  a("job_ended", m.job_ended);
  a("started_at_ms", m.started_at_ms);
  a.known("ended_at_ms", m.ended_at_ms);
  a.known("forced", m.forced);
}

namespace {

/// The record of its side, under the names of the API.
void put_side(json::object& all, const Migration& m) {
  const auto root = m.root();
  all["state"] = to_string(m.state());
  all["epoch"] = m.epoch();
  all["own_epoch"] = m.own_epoch() == 0 ? json::value(nullptr) : json::value(m.own_epoch());
  all["migrated_at_step"] = root.empty() ? json::value(nullptr) : json::value(m.migrated_at_step());
  all["root"] = text_or_null(root);
}

handover::SourceRecord side_from(const json::object& record) {
  handover::SourceRecord kept;
  // One whose state cannot be read is given up.
  kept.state =
      handover::state_from_string(text_at(record, "state")).value_or(handover::State::aborting);
  kept.epoch = recorded_number<handover::Epoch>(record, "epoch");
  kept.own_epoch = recorded_number<handover::Epoch>(record, "own_epoch");
  const auto step = recorded_number<std::uint64_t>(record, "migrated_at_step");
  const auto root = text_at(record, "root");
  try {
    kept.content = content_from(root, step);
  } catch (const Error& damaged) {
    spdlog::error("the digest of a migration's record: {}", damaged.what());
  }
  const auto* copy = record.if_contains("copy");
  kept.notice_pending = copy != nullptr && copy->is_string();
  if (kept.own_epoch != 0) return kept;
  // Of a release that wrote it only once it had changed: what was committed and is no more was
  // taken back.
  const bool reclaimed = !root.empty() && !handover::is_committed(kept.state);
  kept.own_epoch = reclaimed ? kept.epoch + 1 : std::max<handover::Epoch>(kept.epoch, 1) - 1;
  return kept;
}

/// What is of the migration as a whole.
json::object decision_json(const Migration& m) {
  json::array history;
  for (const auto& [state, at] : m.history) {
    history.push_back(json::object{{"state", state}, {"at_ms", at}});
  }
  json::object all;
  put_fields(all, m);
  put_side(all, m);
  all["role"] = "source";
  all["error"] = m.error ? http::to_json(*m.error) : json::value(nullptr);
  all["history"] = std::move(history);
  all["copy"] = m.notice_pending() ? json::value(m.copy ? to_string(*m.copy) : "unknown")
                                   : json::value(nullptr);
  all["held"] = m.held;
  return all;
}

}  // namespace

std::string Migration::root() const {
  const auto& content = side.record().content;
  return content.root == Digest{} ? std::string() : to_string(content.root);
}

bool Migration::is_before_commit() const {
  const auto is = state();
  return !handover::is_committed(is) && !handover::is_given_up(is) &&
         is != handover::State::superseded;
}

bool Migration::found_nothing_forgotten() const {
  return spec.rehearse == Rehearsal::only && each(&Transfer::passed_rehearsal);
}

bool Migration::is_at_failpoint() const { return !proceed && hold_at == to_string(state()); }

Transfer* Migration::of(const std::string& instance) {
  const auto found = std::ranges::find(transfers, instance, &Transfer::instance);
  return found == transfers.end() ? nullptr : &*found;
}
const Transfer* Migration::of(const std::string& instance) const {
  const auto found = std::ranges::find(transfers, instance, &Transfer::instance);
  return found == transfers.end() ? nullptr : &*found;
}

std::uint64_t Migration::calls() const {
  std::uint64_t all = 0;
  for (const auto& transfer : transfers) all += transfer.target.calls;
  return all;
}

void add_sample(const Migration& m, Transfer& transfer, const Instance* source) {
  auto now = sample_of(transfer.stats);
  now.at_ms = unix_ms() - m.started_at_ms;
  now.state = m.state();
  now.step = transfer.frozen_at  ? *transfer.frozen_at
             : source != nullptr ? source->step
                                 : m.migrated_at_step();
  transfer.timeline.add(std::move(now));
}

json::object to_json(const Migration& m) {
  auto all = decision_json(m);
  for (auto& [key, value] : to_json(m.first())) {
    // Where it goes is said of the whole, as it was asked for.
    if (key != "to") all[key] = std::move(value);
  }
  const auto end = m.ended_at_ms == 0 ? unix_ms() : m.ended_at_ms;
  all["progress"].as_object()["total_time_ms"] = static_cast<double>(end - m.started_at_ms);
  // Of a job whose program starts anew there is nothing to say.
  if (m.spec.arrive != Arrival::criu) all["process"] = nullptr;
  return all;
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
  const auto& transfer = m.first();
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
        {"hold_ms", s.hold_ms},
        {"scan_ms", s.freeze_scan_ms},
        {"send_ms", s.freeze_send_ms},
        {"verify_ms", s.freeze_verify_ms},
        {"transferred", s.bytes_in_downtime}}},
      {"target",
       {{"resumed_at_ms", entered("resumed")},
        {"first_step_at_ms", entered("completed")},
        {"step", known(moved, m.migrated_at_step())}}}};
}

json::object journal_record(const Migration& m) {
  auto record = decision_json(m);
  json::array transfers;
  for (const auto& transfer : m.transfers) {
    auto one = journal_record(transfer);
    if (m.ended_at_ms != 0) one["timeline"] = to_json(transfer.timeline);
    transfers.push_back(std::move(one));
  }
  record["transfers"] = std::move(transfers);
  return record;
}

Migration migration_from_journal(const json::object& record) {
  Migration m;
  m.side = handover::SourceSide(side_from(record));
  m.spec.arrive = Arrival::standby;  // records that do not say were of no other
  take_fields(record, m);
  if (const auto* error = value_at(record, "error"); error != nullptr && error->is_object()) {
    m.error = http::error_from_json(*error);
  }
  for (const auto& item : array_at(record, "history")) {
    if (!item.is_object()) continue;
    m.history.emplace_back(text_at(item.get_object(), "state"),
                           recorded_number<std::int64_t>(item.get_object(), "at_ms"));
  }
  m.transfers.clear();
  for (const auto& item : array_at(record, "transfers")) {
    if (item.is_object()) m.transfers.push_back(transfer_from_journal(item.get_object()));
  }
  if (m.transfers.empty()) throw Error(Code::corrupt, "the record of a migration moves nothing");
  return m;
}

}  // namespace cardswap
