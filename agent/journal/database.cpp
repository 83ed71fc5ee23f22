#include "agent/journal/database.h"

#include <fmt/format.h>
#include <sqlite3.h>

#include <utility>

namespace cardswap {
namespace {

constexpr int kBusyMs = 2000;
constexpr auto kLookAtDisk = "check the disk and the rights of the data folder";
constexpr auto kMakeRoom = "free space on the disk of the agent's data folder";

bool is_damage(int status) {
  const int primary = status & 0xff;
  return primary == SQLITE_CORRUPT || primary == SQLITE_NOTADB || primary == SQLITE_ERROR;
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

void Statement::bind(int parameter, std::string_view text) const {
  sqlite3_bind_text(raw_.get(), parameter, text.data(), static_cast<int>(text.size()),
                    SQLITE_TRANSIENT);
}

void Statement::bind(int parameter, std::int64_t number) const {
  sqlite3_bind_int64(raw_.get(), parameter, number);
}

bool Statement::next_row() const {
  const int status = sqlite3_step(raw_.get());
  if (status == SQLITE_ROW) return true;
  if (status == SQLITE_DONE) return false;
  throw database_.failure("read", kLookAtDisk);
}

void Statement::run() const {
  if (sqlite3_step(raw_.get()) != SQLITE_DONE) {
    auto failed = database_.failure("write", kMakeRoom);
    sqlite3_reset(raw_.get());
    throw Error(std::move(failed));
  }
  sqlite3_reset(raw_.get());
}

std::string Statement::text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(raw_.get(), column));
  if (text == nullptr) return {};
  return {text, static_cast<std::size_t>(sqlite3_column_bytes(raw_.get(), column))};
}

std::int64_t Statement::number(int column) const {
  return sqlite3_column_int64(raw_.get(), column);
}

void Database::Close::operator()(sqlite3* db) const noexcept { sqlite3_close(db); }

Database::Database(const std::filesystem::path& file, std::string what)
    : what_(fmt::format("{} {}", what, file.string())) {
  sqlite3* raw = nullptr;
  const int opened =
      sqlite3_open_v2(file.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
  db_.reset(raw);
  if (opened != SQLITE_OK) throw failure("open", kLookAtDisk);
  sqlite3_busy_timeout(raw, kBusyMs);
  if (sqlite3_exec(raw, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", nullptr, nullptr,
                   nullptr) != SQLITE_OK) {
    throw failure("open", kLookAtDisk);
  }
  what_ = std::move(what);
}

Database::~Database() = default;

Statement Database::prepare(const std::string& sql) const {
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v2(db_.get(), sql.c_str(), -1, &raw, nullptr) != SQLITE_OK) {
    throw failure("read", kLookAtDisk);
  }
  return {*this, raw};
}

void Database::run(const char* sql) const {
  if (sqlite3_exec(db_.get(), sql, nullptr, nullptr, nullptr) != SQLITE_OK)
    throw failure("write", kMakeRoom);
}

Error Database::failure(std::string_view doing, std::string_view hint) const {
  const bool damaged = is_damage(sqlite3_errcode(db_.get()));
  if (damaged) hint = "restart the agent: it puts a damaged file aside and begins a new one";
  return {damaged ? Code::corrupt : Code::io,
          fmt::format("{} the {}: {}", doing, what_, sqlite3_errmsg(db_.get())), std::string(hint)};
}

Transaction::~Transaction() {
  if (open_) sqlite3_exec(database_.db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
}

void Transaction::commit() {
  database_.run("COMMIT");
  open_ = false;
}

}  // namespace cardswap
