#include "agent/journal/journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>

#include "agent/base/units.h"
#include "agent/journal/versions.h"
#include "migrator/base/error.h"
#include "migrator/base/ms_since.h"

namespace cardswap {
namespace {

constexpr auto kMeta = R"sql(
CREATE TABLE IF NOT EXISTS meta (version INTEGER NOT NULL);
INSERT INTO meta SELECT 4 WHERE NOT EXISTS (SELECT 1 FROM meta);
)sql";
static_assert(kJournalVersion == 4, "which a new journal is of");

constexpr auto kSchema = R"sql(
CREATE TABLE IF NOT EXISTS records (
  kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, id));
CREATE TABLE IF NOT EXISTS damaged (
  kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, why TEXT NOT NULL, at_ms INTEGER);
CREATE TABLE IF NOT EXISTS probe (id INTEGER PRIMARY KEY, bytes TEXT NOT NULL);
)sql";

// The table of version 1 allowed a fixed list of kinds, so that new kinds would be refused.
constexpr auto kFromVersion1 = R"sql(
ALTER TABLE records RENAME TO records_1;
CREATE TABLE records (
  kind TEXT NOT NULL, id TEXT NOT NULL, document TEXT NOT NULL, PRIMARY KEY (kind, id));
INSERT INTO records SELECT kind, id, document FROM records_1 ORDER BY rowid;
DROP TABLE records_1;
)sql";

const char* name_of(Journal::Kind kind) {
  switch (kind) {
    case Journal::Kind::job: return "job";
    case Journal::Kind::migration: return "migration";
    case Journal::Kind::reservation: return "reservation";
    case Journal::Kind::cordon: return "cordon";
    case Journal::Kind::checkpoint: return "checkpoint";
    case Journal::Kind::gang: return "gang";
    case Journal::Kind::rank: return "rank";
  }
  return "";
}

/// Why all() could not read the document; empty: it could.
std::string why_unreadable(std::string_view document) {
  boost::system::error_code error;
  const auto value = boost::json::parse(document, error);
  if (error) return "it is no JSON: " + error.message();
  return value.is_object() ? "" : "it is no JSON object";
}

/// As many bytes as a large record, and other ones each time: SQLite does not write a page that did
/// not change, and a full disk may still have room for one page.
std::string probe_bytes() {
  constexpr std::size_t kProbeBytes = 16384;
  const auto now = std::to_string(std::chrono::steady_clock::now().time_since_epoch().count());
  std::string bytes;
  while (bytes.size() < kProbeBytes) bytes += now;
  return bytes;
}

}  // namespace

Journal::Journal(const std::filesystem::path& file) {
  try {
    open(file);
    return;
  } catch (const Error& error) {
    db_.reset();
    if (error.code() != Code::corrupt) throw;
    std::error_code failed;
    const auto aside = fmt::format("{}.corrupt-{}", file.string(), unix_ms());
    if (!std::filesystem::exists(file)) throw;
    std::filesystem::rename(file, aside, failed);
    if (failed) throw;
    for (const auto* suffix : {"-wal", "-shm"}) {
      std::filesystem::rename(file.string() + suffix, aside + suffix, failed);
    }
    warnings_.push_back(
        fmt::format("the journal was damaged and is kept as {} ({})", aside, error.failure()));
  }
  open(file);
}

Journal::~Journal() = default;

void Journal::open(const std::filesystem::path& file) {
  // The file has tokens and environments, so others must not read it. SQLite gives its other files
  // the same mode.
  if (const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600); fd >= 0) ::close(fd);
  for (const auto* suffix : {"", "-wal", "-shm"}) {
    std::error_code absent;
    using std::filesystem::perms;
    std::filesystem::permissions(file.string() + suffix, perms::owner_read | perms::owner_write,
                                 absent);
  }
  db_.emplace(file, "journal");
  db_->run(kMeta);
  const auto version = version_of(file);
  db_->run(kSchema);
  if (version != kJournalVersion) bring_up_to_date(version);
  const auto check = db_->prepare("PRAGMA quick_check");
  if (!check.next_row() || check.text(0) != "ok") {
    throw Error(Code::corrupt, fmt::format("journal {}: its check fails", file.string()));
  }
  check_records();
}

int Journal::version_of(const std::filesystem::path& file) const {
  const auto found = db_->prepare("SELECT version FROM meta");
  const auto version = found.next_row() ? found.number(0) : 0;
  if (version < 1) {
    throw Error(Code::corrupt, fmt::format("journal {}: it has no version", file.string()));
  }
  if (version > kJournalVersion) {
    throw Error(Code::protocol_mismatch,
                fmt::format("the journal {} is of version {}, this agent reads up to {}",
                            file.string(), version, kJournalVersion),
                "a later release wrote it: run that one, or give this one another --data-dir");
  }
  return static_cast<int>(version);
}

void Journal::bring_up_to_date(int version) {
  // If the process ends or the disk is full in the middle, the old version stays.
  Transaction whole(*db_);
  if (version == 1) db_->run(kFromVersion1);
  const auto flat = version <= 2 ? documents() : std::vector<Document>();
  for (const auto& [kind, id, document] : flat) {
    boost::system::error_code error;
    auto record = boost::json::parse(document, error);
    if (error || !record.is_object()) continue;  // it is set aside as it is
    run("UPDATE records SET document = ? WHERE kind = ? AND id = ?",
        {boost::json::serialize(from_version_2(kind, std::move(record.get_object()))), kind, id});
  }
  run("UPDATE meta SET version = ?", {std::to_string(kJournalVersion)});
  whole.commit();
}

std::vector<Journal::Document> Journal::documents() const {
  std::vector<Document> all;
  const auto row = db_->prepare("SELECT kind, id, document FROM records ORDER BY rowid");
  while (row.next_row()) all.push_back({row.text(0), row.text(1), row.text(2)});
  return all;
}

void Journal::check_records() {
  for (const auto& [kind, id, document] : documents()) {
    if (const auto why = why_unreadable(document); !why.empty()) set_aside(kind, id, why);
  }
}

void Journal::set_aside(const std::string& kind, const std::string& id, const std::string& why) {
  Transaction whole(*db_);  // in one table or the other, and told once
  run("INSERT INTO damaged SELECT kind, id, document, ?, ? FROM records WHERE kind = ? AND id = ?",
      {why, std::to_string(unix_ms()), kind, id});
  run("DELETE FROM records WHERE kind = ? AND id = ?", {kind, id});
  whole.commit();
  warnings_.push_back(
      fmt::format("the journal's record of {} {} is damaged ({}) and is kept in its table "
                  "`damaged`: what it was about is not known here any more",
                  kind, id, why));
}

bool Journal::has_trace_of(Kind kind, const std::string& id) const {
  for (const auto* sql : {"SELECT count(*) FROM records WHERE kind = ? AND id = ?",
                          "SELECT count(*) FROM damaged WHERE kind = ? AND id = ?"}) {
    const auto count = db_->prepare(sql);
    count.bind(1, name_of(kind));
    count.bind(2, id);
    if (count.next_row() && count.number(0) > 0) return true;
  }
  return false;
}

std::uint64_t Journal::damaged_records() const {
  const auto count = db_->prepare("SELECT count(*) FROM damaged");
  return count.next_row() ? static_cast<std::uint64_t>(count.number(0)) : 0;
}

void Journal::run(const char* sql, std::initializer_list<std::string> values) {
  const auto statement = db_->prepare(sql);
  int parameter = 0;
  for (const auto& value : values) statement.bind(++parameter, value);
  const auto start = std::chrono::steady_clock::now();
  std::optional<Error> failed;
  try {
    statement.run();
  } catch (const Error& error) {
    ++write_failures_;
    failed = error;
  }
  write_seconds_.observe(ms_since(start) / 1000);
  if (failed) throw Error(*failed);
}

void Journal::put(Kind kind, const std::string& id, const boost::json::object& record) {
  auto document = boost::json::serialize(record);
  // A number that is not finite, or text that is no UTF-8, could be written but not read again.
  if (const auto why = why_unreadable(document); !why.empty()) {
    throw Error(Code::internal,
                fmt::format("the record of {} {} cannot be written: {}", name_of(kind), id, why));
  }
  const auto start = std::chrono::steady_clock::now();
  run("INSERT INTO records VALUES (?, ?, ?) "
      "ON CONFLICT (kind, id) DO UPDATE SET document = excluded.document",
      {name_of(kind), id, std::move(document)});
  latest_put_ms_[puts_++ % latest_put_ms_.size()] = ms_since(start);
}

double Journal::put_ms() const {
  auto latest = latest_put_ms_;
  const auto known = std::min<std::size_t>(puts_, latest.size());
  if (known == 0) return 0;
  const auto middle = latest.begin() + known / 2;
  std::nth_element(latest.begin(), middle, latest.begin() + known);
  return *middle;
}

std::string Journal::write_failure() {
  const auto now = std::chrono::steady_clock::now();
  if (tried_at_ != decltype(tried_at_){} && now - tried_at_ < std::chrono::seconds(1)) {
    return tried_;
  }
  tried_.clear();
  try {
    run("INSERT INTO probe VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET bytes = excluded.bytes",
        {probe_bytes()});
  } catch (const Error& error) {
    tried_ = error.failure();
  }
  tried_at_ = std::chrono::steady_clock::now();
  return tried_;
}

void Journal::remove(Kind kind, const std::string& id) {
  run("DELETE FROM records WHERE kind = ? AND id = ?", {name_of(kind), id});
}

std::vector<std::pair<std::string, boost::json::object>> Journal::records(Kind kind) const {
  const auto row = db_->prepare("SELECT id, document FROM records WHERE kind = ? ORDER BY rowid");
  row.bind(1, name_of(kind));
  std::vector<std::pair<std::string, boost::json::object>> result;
  while (row.next_row()) {
    boost::system::error_code error;
    auto value = boost::json::parse(row.text(1), error);
    if (error || !value.is_object()) throw Error(Code::corrupt, "journal: a record is damaged");
    result.emplace_back(row.text(0), std::move(value.as_object()));
  }
  return result;
}

std::vector<boost::json::object> Journal::all(Kind kind) const {
  std::vector<boost::json::object> result;
  for (auto& [id, record] : records(kind)) result.push_back(std::move(record));
  return result;
}

void Journal::each(Kind kind, const std::function<void(const boost::json::object&)>& take) {
  for (const auto& [id, record] : records(kind)) {
    try {
      take(record);
    } catch (const std::exception&) {
      const auto why = error_of(std::current_exception()).failure();
      try {
        set_aside(name_of(kind), id, why);
      } catch (const Error& disk) {  // the others are taken all the same
        warnings_.push_back(
            fmt::format("the journal's record of {} {} is damaged ({}) and stays where it is: {}",
                        name_of(kind), id, why, disk.failure()));
      }
    }
  }
}

}  // namespace cardswap
