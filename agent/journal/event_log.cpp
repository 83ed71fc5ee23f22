#include "agent/journal/event_log.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <boost/json.hpp>
#include <optional>
#include <tuple>

#include "agent/base/json_fields.h"
#include "migrator/base/error.h"
#include "migrator/base/utf8.h"

namespace cardswap {
namespace {

namespace json = boost::json;

constexpr auto kTables = R"sql(
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY AUTOINCREMENT, at_ms INTEGER NOT NULL,
  device TEXT NOT NULL, job TEXT NOT NULL, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS incidents (id INTEGER PRIMARY KEY, document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS guards (id INTEGER PRIMARY KEY CHECK (id = 1), document TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS places (log TEXT PRIMARY KEY, document TEXT NOT NULL);
)sql";

constexpr auto kIndexes = R"sql(
CREATE INDEX IF NOT EXISTS events_own ON events (id) WHERE of_alerts = 0;
CREATE INDEX IF NOT EXISTS events_of_alerts ON events (id) WHERE of_alerts = 1;
)sql";

/// The document in a column; nothing, and a warning in the log, if it is damaged.
std::optional<json::object> document_in(const Statement& statement, int column) {
  boost::system::error_code error;
  auto value = json::parse(statement.text(column), error);
  if (!error && value.is_object()) return std::move(value.as_object());
  spdlog::warn("event log: a record is damaged and passed over");
  return std::nullopt;
}

/// The document as UTF-8, so that it can be read again whatever bytes its texts have.
std::string text_of(const json::object& document) { return as_utf8(json::serialize(document)); }

}  // namespace

EventLog::EventLog(const std::filesystem::path& file, std::size_t rows_max)
    : db_(file, "event log"), rows_max_(rows_max) {
  db_.run(kTables);
  // Tables of earlier releases do not have the column.
  const bool has_column =
      db_.prepare("SELECT 1 FROM pragma_table_info('events') WHERE name = 'of_alerts'").next_row();
  if (!has_column) db_.run("ALTER TABLE events ADD COLUMN of_alerts INTEGER NOT NULL DEFAULT 0");
  db_.run(kIndexes);
}

void EventLog::append(const std::vector<json::object>& events) {
  if (events.empty()) return;
  Transaction write(db_);
  const auto insert = db_.prepare(
      "INSERT INTO events (at_ms, device, job, document, of_alerts) VALUES (?, ?, ?, ?, ?)");
  for (const auto& event : events) {
    insert.bind(1, number_at<std::int64_t>(event, "at_ms"));
    insert.bind(2, text_at(event, "device"));
    insert.bind(3, text_at(event, "job"));
    insert.bind(4, text_of(event));
    insert.bind(5, flag_at(event, "of_alerts") ? 1 : 0);
    insert.run();
  }
  for (const auto& [of_alerts, index, most] :
       {std::tuple(0, "events_own", rows_max_), std::tuple(1, "events_of_alerts", rows_max_ / 4)}) {
    const auto drop = db_.prepare(
        fmt::format("DELETE FROM events WHERE id IN (SELECT id FROM events INDEXED BY {} "
                    "WHERE of_alerts = {} ORDER BY id DESC LIMIT -1 OFFSET {})",
                    index, of_alerts, most));
    drop.run();
  }
  write.commit();
}

std::vector<json::object> EventLog::find(const Query& query) const {
  // If `after` is not given, the newest events are wanted.
  const auto sql = fmt::format(
      "SELECT id, document FROM events WHERE id > ? AND at_ms >= ? AND (? = '' OR device = ?) "
      "AND (? = '' OR job = ?) ORDER BY id {} LIMIT ?",
      query.after > 0 ? "ASC" : "DESC");
  const auto statement = db_.prepare(sql);
  statement.bind(1, query.after);
  statement.bind(2, query.since_ms);
  statement.bind(3, query.device);
  statement.bind(4, query.device);
  statement.bind(5, query.job);
  statement.bind(6, query.job);
  statement.bind(7, static_cast<std::int64_t>(query.limit));
  std::vector<json::object> found;
  while (statement.next_row()) {
    auto event = document_in(statement, 1);
    if (!event) continue;
    (*event)["id"] = statement.number(0);
    found.push_back(std::move(*event));
  }
  if (query.after <= 0) std::reverse(found.begin(), found.end());
  return found;
}

std::int64_t EventLog::last_id() const {
  const auto statement = db_.prepare("SELECT coalesce(max(id), 0) FROM events");
  return statement.next_row() ? statement.number(0) : 0;
}

void EventLog::replace_incidents(const std::vector<json::object>& incidents,
                                 const json::object& guards) {
  Transaction write(db_);
  db_.run("DELETE FROM incidents");
  const auto insert = db_.prepare("INSERT INTO incidents (document) VALUES (?)");
  for (const auto& incident : incidents) {
    insert.bind(1, text_of(incident));
    insert.run();
  }
  const auto replace = db_.prepare("INSERT OR REPLACE INTO guards (id, document) VALUES (1, ?)");
  replace.bind(1, text_of(guards));
  replace.run();
  write.commit();
}

json::object EventLog::guards() const {
  const auto statement = db_.prepare("SELECT document FROM guards");
  if (!statement.next_row()) return {};
  return document_in(statement, 0).value_or(json::object());
}

void EventLog::save_cursor(const std::string& log, const json::object& cursor) {
  const auto replace = db_.prepare("INSERT OR REPLACE INTO places (log, document) VALUES (?, ?)");
  replace.bind(1, log);
  replace.bind(2, text_of(cursor));
  replace.run();
}

json::object EventLog::cursor(const std::string& log) const {
  const auto statement = db_.prepare("SELECT document FROM places WHERE log = ?");
  statement.bind(1, log);
  if (!statement.next_row()) return {};
  return document_in(statement, 0).value_or(json::object());
}

std::vector<json::object> EventLog::incidents() const {
  const auto statement = db_.prepare("SELECT document FROM incidents ORDER BY id");
  std::vector<json::object> found;
  while (statement.next_row()) {
    if (auto incident = document_in(statement, 0)) found.push_back(std::move(*incident));
  }
  return found;
}

}  // namespace cardswap
