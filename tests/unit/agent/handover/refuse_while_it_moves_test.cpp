#include "agent/handover/refuse_while_it_moves.h"

#include <gmock/gmock.h>

#include "migrator/base/error.h"

namespace cardswap {
namespace {

Migration migration(const std::string& store) {
  MigrationRecord record;
  record.id = "m-1";
  record.spec.store = store;
  return {std::move(record), {TransferRecord{}}};
}

TEST(AnOrderForAJob, IsRefusedWhileTheOtherSideHasTheJobsDescription) {
  const auto moves = migration("");
  try {
    refuse_while_it_moves("gpt", &moves);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Code::conflict);
    EXPECT_EQ(error.failure(), "job gpt is in migration m-1");
  }
}

TEST(AnOrderForAJob, IsTakenWhereItStays) {
  EXPECT_NO_THROW(refuse_while_it_moves("gpt", nullptr));
  const auto is_kept = migration("file:/s");
  EXPECT_NO_THROW(refuse_while_it_moves("gpt", &is_kept)) << "a snapshot takes it nowhere";
}

}  // namespace
}  // namespace cardswap
