#include "agent/journal/database.h"

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <functional>

#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;

class DatabaseTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::int64_t rows() const {
    const auto count = db_.prepare("SELECT count(*) FROM t");
    return count.next_row() ? count.number(0) : -1;
  }
  static Code code_of(const std::function<void()>& call) {
    try {
      call();
    } catch (const Error& error) {
      EXPECT_THAT(error.failure(), HasSubstr("the list"));
      EXPECT_FALSE(error.hint().empty());
      return error.code();
    }
    ADD_FAILURE() << "it threw nothing";
    return Code::internal;
  }

  const test::TempDir dir_;
  const Database db_{dir_.path() / "d.db", "list"};
};

TEST_F(DatabaseTest, UndoesATransactionThatIsNotCommitted) {
  db_.run("CREATE TABLE t (a TEXT)");
  {
    const Transaction undone(db_);
    db_.run("INSERT INTO t VALUES ('x')");
    EXPECT_EQ(rows(), 1);
  }
  EXPECT_EQ(rows(), 0);
  Transaction done(db_);
  db_.run("INSERT INTO t VALUES ('x')");
  done.commit();
  EXPECT_EQ(rows(), 1);
}

TEST_F(DatabaseTest, RunsAStatementAgainWithOtherValues) {
  db_.run("CREATE TABLE t (a TEXT PRIMARY KEY)");
  const auto insert = db_.prepare("INSERT INTO t VALUES (?)");
  for (const auto* text : {"x", "y"}) {
    insert.bind(1, text);
    insert.run();
  }
  EXPECT_EQ(code_of([&] { insert.run(); }), Code::io) << "y is there";
  insert.bind(1, "z");
  insert.run();
  EXPECT_EQ(rows(), 3);
}

/// Method: another connection writes for longer than a call waits.
TEST_F(DatabaseTest, TellsAFileThatIsHeldFromOneThatIsDamaged) {
  db_.run("CREATE TABLE t (a TEXT)");
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((dir_.path() / "d.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  EXPECT_EQ(code_of([&] { db_.run("INSERT INTO t VALUES ('x')"); }), Code::io);
  sqlite3_close(other);
  db_.run("INSERT INTO t VALUES ('x')");
  EXPECT_EQ(code_of([&] { (void)db_.prepare("SELECT a FROM another"); }), Code::corrupt);
}

}  // namespace
}  // namespace cardswap
