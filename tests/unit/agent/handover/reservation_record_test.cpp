#include <gmock/gmock.h>

#include <boost/json.hpp>

#include "agent/handover/target/reservation.h"

namespace cardswap {
namespace {

using handover::TargetState;
using ::testing::HasSubstr;
using ::testing::Not;

bool is_refused_as_corrupt(const boost::json::object& record) {
  try {
    (void)reservation_from_journal(record);
    return false;
  } catch (const Error& error) {
    return error.code() == Code::corrupt;
  }
}

ReservationRecord some_record() {
  ReservationRecord record;
  record.migration = "m-1";
  record.job = "gpt";
  record.version = 7;
  record.side = handover::TargetSide({TargetState::granted, 2, {Digest{{7}}, 41}, true});
  record.instance = "i-1";
  record.from = "gpu-a/cuda:0";
  record.owner = "gpu-a";
  record.from_api = "10.0.0.1:7070";
  record.data_token = "token";
  record.arrive = ArrivalMode::criu;
  record.restore_ms = 1;
  record.driver_resume_ms = 2;
  record.verify_ms = 3;
  record.downtime_ms = 4;
  record.clock_error_ms = 5;
  record.first_steps = {21, 22};
  record.first_steps_over = true;
  record.forced = MigrationSide::target;
  record.error = Error(Code::io, "the disk is full", "make room");
  record.ended_at_ms = 6;
  record.warning = "a log";
  return record;
}

TEST(ReservationRecord, IsReadBackWithAllThatARestartedAgentGoesOnWith) {
  const auto on_disk = to_journal(some_record());
  auto again = reservation_from_journal(on_disk);
  EXPECT_EQ(again.version, 8U) << "whoever waits for news of it hears of the restart";
  --again.version;
  EXPECT_EQ(to_journal(again), on_disk);
}

/// `failed` would prove to its source that nothing steps here, and it would take the job back.
TEST(ReservationRecord, WhoseStateCannotBeReadIsNoProof) {
  auto spoilt = to_journal(some_record());
  EXPECT_FALSE(is_refused_as_corrupt(spoilt));
  spoilt["state"] = "grantd";
  EXPECT_TRUE(is_refused_as_corrupt(spoilt));
  spoilt["state"] = 7;
  EXPECT_TRUE(is_refused_as_corrupt(spoilt));
  spoilt.erase("state");
  EXPECT_TRUE(is_refused_as_corrupt(spoilt));
}

TEST(ReservationRecord, WhoseEpochStepOrRootCannotBeReadIsCorrupt) {
  const auto whole = to_journal(some_record());
  for (const auto* field : {"epoch", "step"}) {
    auto spoilt = whole;
    spoilt[field] = -1;
    EXPECT_TRUE(is_refused_as_corrupt(spoilt)) << field;
    spoilt[field] = "two";
    EXPECT_TRUE(is_refused_as_corrupt(spoilt)) << field;
    spoilt.erase(field);
    EXPECT_TRUE(is_refused_as_corrupt(spoilt)) << field;
  }
  auto spoilt = whole;
  spoilt["state_digest"] = "no digest";
  EXPECT_TRUE(is_refused_as_corrupt(spoilt));
}

TEST(ReservationRecord, NeedsNoError) {
  auto record = to_journal(some_record());
  record.erase("error");
  EXPECT_FALSE(reservation_from_journal(record).error);
}

TEST(Reservation, OfAFormerAgentHasItsProcessWhereCriuHadRestoredIt) {
  EXPECT_TRUE(Reservation::left_by_a_former_agent(some_record()).arrived);
  EXPECT_FALSE(Reservation(some_record()).arrived) << "a new one";
  auto started_anew = some_record();
  started_anew.arrive = ArrivalMode::standby;
  EXPECT_FALSE(Reservation::left_by_a_former_agent(started_anew).arrived);
}

TEST(Reservation, HasItsKeysNowhereButInWhatItsSourceIsTold) {
  Reservation r(some_record());
  r.data_key = "key-1";
  r.image_token = "key-2";
  r.image_key = "key-3";
  EXPECT_THAT(boost::json::serialize(to_journal(r.record())), Not(HasSubstr("key-")));
  EXPECT_THAT(boost::json::serialize(to_json(r.record())), Not(HasSubstr("key-")));
  const auto told = to_source_json(r);
  for (const auto* secret : {"data_key", "image_token", "image_key"}) {
    EXPECT_THAT(std::string(told.at(secret).as_string()), HasSubstr("key-")) << secret;
  }
}

TEST(Reservation, KeepsItsJobsNameWhenItHasEnded) {
  ReservationRecord record;
  record.migration = "m-1";
  record.job = "gpt";
  Reservation r(std::move(record));
  r.spec = JobSpec{.name = "gpt"};
  r.forget_its_start();
  EXPECT_FALSE(r.spec);
  EXPECT_EQ(reservation_from_journal(to_journal(r.record())).job, "gpt");
}

}  // namespace
}  // namespace cardswap
