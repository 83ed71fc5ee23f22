#include "agent/handover/source/migration_record.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/json_archive.h"
#include "agent/base/state_digest_json.h"
#include "agent/handover/base/peer_answers.h"
#include "agent/http/client.h"
#include "migrator/base/named.h"

namespace cardswap {

namespace json = boost::json;

/// What the API and the journal call by one name each. The rest of a record is in to_journal().
template <class Archive>
void fields(Archive& a, FieldsOf<Archive, MigrationRecord>& m) {
  a("id", m.id);
  a("version", m.version);
  fields(a, m.spec);
  a("job_uid", m.job_uid);
  a.known("result", m.result);
  a("job_ended", m.job_ended);
  a("started_at_ms", m.started_at_ms);
  a.known("ended_at_ms", m.ended_at_ms);
  a.known("forced", m.forced);
  fields(a, m.stored);
}

namespace {

/// The record of its side, under the names of the API.
void put_side(json::object& all, const MigrationRecord& m) {
  const auto state_digest = m.state_digest();
  all["state"] = to_string(m.state());
  all["epoch"] = m.epoch();
  all["own_epoch"] = m.own_epoch() == 0 ? json::value(nullptr) : json::value(m.own_epoch());
  all["migrated_at_step"] =
      state_digest.empty() ? json::value(nullptr) : json::value(m.migrated_at_step());
  put_state_digest(all, text_or_null(state_digest));
}

handover::SourceDurable side_from(const json::object& record) {
  handover::SourceDurable kept;
  // No state stands for one that cannot be read: it may have been committed, and given up its
  // trainer would step beside the target's.
  const auto state = named<handover::SourceState>(text_at(record, "state"));
  if (!state) throw Error(Code::corrupt, "its state cannot be read");
  kept.state = *state;
  kept.epoch = recorded_number<handover::Epoch>(record, "epoch");
  kept.own_epoch = recorded_number<handover::Epoch>(record, "own_epoch");
  const auto step = recorded_number<std::uint64_t>(record, "migrated_at_step");
  const auto state_digest = state_digest_at(record);
  try {
    kept.content = content_from(state_digest, step);
  } catch (const Error& damaged) {
    spdlog::error("the digest of a migration's record: {}", damaged.what());
  }
  const auto* copy = record.if_contains("copy");
  kept.notice_pending = copy != nullptr && copy->is_string();
  if (kept.own_epoch != 0) return kept;
  // Of a release that wrote it only once it had changed: what was committed and is no more was
  // taken back.
  const bool reclaimed = !state_digest.empty() && !handover::is_committed(kept.state);
  kept.own_epoch = reclaimed ? kept.epoch + 1 : std::max<handover::Epoch>(kept.epoch, 1) - 1;
  return kept;
}

}  // namespace

json::object to_journal(const MigrationRecord& m) {
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
  all["copy"] = m.has_pending_notice()
                    ? json::value(m.target_state_seen ? to_string(*m.target_state_seen) : "unknown")
                    : json::value(nullptr);
  return all;
}

MigrationRecord migration_record_from_journal(const json::object& from) {
  MigrationRecord m;
  m.spec.arrive = ArrivalMode::standby;  // records that do not say were of no other
  read_fields(from, m);
  auto kept = side_from(from);
  kept.to_store = m.is_to_store();
  m.side = handover::SourceSide(kept);
  if (const auto* error = value_at(from, "error"); error != nullptr && error->is_object()) {
    m.error = http::error_from_json(*error);
  }
  for (const auto& item : array_at(from, "history")) {
    if (!item.is_object()) continue;
    m.history.emplace_back(text_at(item.get_object(), "state"),
                           recorded_number<std::int64_t>(item.get_object(), "at_ms"));
  }
  return m;
}

json::object to_journal(const MigrationRecord& m, std::span<const TransferRecord> transfers) {
  auto record = to_journal(m);
  json::array all;
  for (const auto& transfer : transfers) {
    auto one = to_journal(transfer);
    if (m.ended_at_ms != 0) one["timeline"] = to_json(transfer.timeline);
    all.push_back(std::move(one));
  }
  record["transfers"] = std::move(all);
  return record;
}

std::string MigrationRecord::state_digest() const {
  const auto& content = side.durable().content;
  return content.state_digest == Digest{} ? std::string() : to_string(content.state_digest);
}

bool MigrationRecord::is_before_commit() const { return handover::may_cancel(state()); }

}  // namespace cardswap
