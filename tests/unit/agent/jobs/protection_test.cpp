#include "agent/jobs/protection.h"

#include <gmock/gmock.h>

#include <boost/json.hpp>
#include <functional>

#include "agent/jobs/job_list.h"
#include "migrator/base/error.h"
#include "migrator/store/keep_rule_text.h"
#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

namespace json = boost::json;
using ::testing::IsEmpty;

json::object order() {
  return {{"every_steps", 100},
          {"every_ms", nullptr},
          {"auto", false},
          {"mtbf_ms", nullptr},
          {"store", "file:/var/lib/cardswap/store"},
          {"keep", "last=3,daily=2"},
          {"grace_ms", 60'000},
          {"log", "off"},
          {"window_steps", nullptr},
          {"window_bytes", nullptr}};
}
std::optional<Protection> read(json::object of_job) {
  return protection_in(json::object{{"protection", std::move(of_job)}});
}

TEST(ProtectionOrder, IsReadAsItWasWritten) {
  const auto protection = read(order());
  ASSERT_TRUE(protection);
  EXPECT_EQ(protection->every_steps, 100U);
  EXPECT_EQ(protection->every_ms, 0);
  EXPECT_EQ(protection->keep.last, 3U);
  EXPECT_EQ(protection->keep.hourly, 0U);
  EXPECT_EQ(protection->grace_ms, 60'000);
  EXPECT_EQ(to_json(*protection), order());
}

json::object automatic() {
  auto of = order();
  of["every_steps"] = nullptr;
  of["auto"] = true;
  of["mtbf_ms"] = 3'600'000;
  return of;
}

TEST(ProtectionOrder, MayLeaveItsIntervalToTheAgent) {
  const auto protection = read(automatic());
  ASSERT_TRUE(protection);
  EXPECT_TRUE(protection->is_auto);
  EXPECT_EQ(protection->mtbf_ms, 3'600'000);
  EXPECT_EQ(to_json(*protection), automatic());
  auto of = automatic();
  of.erase("mtbf_ms");
  EXPECT_EQ(read(of)->mtbf_ms, 0) << "that of its agent";
}

TEST(ProtectionOrder, MayHaveAGradientLogWithItsWindow) {
  auto of = order();
  of["log"] = "sync";
  of["window_steps"] = 200;
  of["window_bytes"] = 5'000'000;
  const auto protection = read(of);
  ASSERT_TRUE(protection);
  EXPECT_EQ(protection->log, channel::LogMode::sync);
  EXPECT_EQ(to_json(*protection), of);
  of["log"] = "off";
  EXPECT_THROW((void)read(of), Error) << "a window of no log";
  of["log"] = "perhaps";
  EXPECT_THROW((void)read(of), Error);
}

/// An order from before there were automatic intervals and gradient logs.
TEST(ProtectionOrder, IsReadWithoutTheFieldsOfAnAutomaticInterval) {
  auto of = order();
  for (const auto* key : {"auto", "mtbf_ms", "log", "window_steps", "window_bytes"}) of.erase(key);
  const auto protection = read(of);
  ASSERT_TRUE(protection);
  EXPECT_EQ(to_json(*protection), order());
}

TEST(ProtectionOrder, IsNoneWhereTheJobHasNone) {
  EXPECT_FALSE(protection_in({}));
  EXPECT_FALSE(protection_in({{"protection", nullptr}}));
}

TEST(ProtectionOrder, IsRefusedWhereItCannotBeCarriedOut) {
  const std::vector<std::function<void(json::object&)>> wrongs{
      [](json::object& of) { of["every_ms"] = 1000; },
      [](json::object& of) { of["every_steps"] = nullptr; },
      [](json::object& of) {
        of["every_steps"] = nullptr;
        of["every_ms"] = 5;
      },
      [](json::object& of) { of["every_steps"] = -1; },
      [](json::object& of) { of["auto"] = true; },
      [](json::object& of) { of["mtbf_ms"] = 3'600'000; },
      [](json::object& of) {
        of = automatic();
        of["mtbf_ms"] = 1000;
      },
      [](json::object& of) { of["store"] = "relative"; },
      [](json::object& of) { of["store"] = "file:/a/../b"; },
      [](json::object& of) { of.erase("store"); },
      [](json::object& of) { of["keep"] = "most"; },
  };
  for (std::size_t i = 0; i < wrongs.size(); ++i) {
    auto of = order();
    wrongs[i](of);
    EXPECT_THROW((void)read(of), Error) << i;
  }
}

class ProtectedJobs : public ::testing::Test {
 protected:
  ProtectedJobs() { config_.data_dir = dir_.path(); }
  Job& job() {
    auto& job = jobs_.add({.name = "gpt", .argv = {"/bin/true"}}, "cpu:0").job();
    jobs_.save(job);
    return job;
  }
  /// The job as the next agent reads it.
  Job& on_disk() {
    next_.emplace(config_, journal_);
    next_->load();
    return next_->instances().front()->job();
  }

  const test::TempDir dir_;
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  std::optional<JobList> next_;
};

TEST_F(ProtectedJobs, KeepTheirOrderAndWhatBecameOfIt) {
  auto& gpt = job();
  jobs_.set_protection(gpt, read(order()));
  auto notes = gpt.protection_notes;
  notes.number = 7;
  notes.step = 700;
  notes.failures_in_a_row = 2;
  notes.error = "no room";
  notes.interval = {41'000, IntervalReason::cost, 12.5, 3, 700, 86'400'000};
  jobs_.note_protection(gpt, notes);
  const auto& again = on_disk();
  ASSERT_TRUE(again.spec.protection);
  EXPECT_EQ(to_json(*again.spec.protection), order());
  EXPECT_EQ(again.protection_notes.number, 7U);
  EXPECT_EQ(again.protection_notes.step, 700U);
  EXPECT_EQ(again.protection_notes.failures_in_a_row, 2U);
  EXPECT_EQ(again.protection_notes.error, "no room");
  EXPECT_TRUE(again.protection_notes.arrival_told);
  EXPECT_EQ(again.protection_notes.interval, notes.interval);
}

TEST_F(ProtectedJobs, ShowTheIntervalInForceOfAnAutomaticOrderOnly) {
  ProtectionNotes notes;
  EXPECT_TRUE(to_json(*read(automatic()), notes).at("interval").is_null()) << "not planned so far";
  notes.interval = {41'000, IntervalReason::cost, 12.5, 3, 700, 86'400'000};
  const auto shown = to_json(*read(automatic()), notes).at("interval");
  EXPECT_EQ(shown.at("every_ms"), 41'000);
  EXPECT_EQ(shown.at("reason"), "cost");
  EXPECT_EQ(shown.at("cost_ms"), 12.5);
  EXPECT_TRUE(to_json(*read(order()), notes).at("interval").is_null());
}

TEST_F(ProtectedJobs, BeginAnewInAnotherStoreOnly) {
  auto& gpt = job();
  jobs_.set_protection(gpt, read(order()));
  auto notes = gpt.protection_notes;
  notes.number = 7;
  notes.error = "no room";
  jobs_.note_protection(gpt, notes);
  auto other = order();
  other["every_steps"] = 50;
  jobs_.set_protection(gpt, read(other));
  EXPECT_EQ(gpt.protection_notes.number, 7U);
  EXPECT_THAT(gpt.protection_notes.error, IsEmpty());
  other["store"] = "file:/elsewhere";
  jobs_.set_protection(gpt, read(other));
  EXPECT_EQ(gpt.protection_notes.number, 0U);
  jobs_.set_protection(gpt, std::nullopt);
  EXPECT_FALSE(on_disk().spec.protection);
}

TEST_F(ProtectedJobs, GoOnFromTheFormerStoreUntilTheNewOneHasASnapshot) {
  auto& gpt = job();
  jobs_.set_protection(gpt, read(order()));
  auto notes = gpt.protection_notes;
  notes.number = 7;
  jobs_.note_protection(gpt, notes);
  jobs_.note_first_snapshot(gpt, 3);
  auto other = order();
  other["store"] = "file:/elsewhere";
  jobs_.set_protection(gpt, read(other));
  const auto& next = on_disk();
  EXPECT_EQ(next.spec.fallback_store, "file:/var/lib/cardswap/store");
  EXPECT_EQ(next.spec.fallback_first, 3U);
  EXPECT_EQ(next.spec.first_snapshot, 0U);
  EXPECT_FALSE(is_own_store(next.spec)) << "what is there is of another run";
  EXPECT_TRUE(has_snapshot(next));
  auto third = order();
  third["store"] = "file:/third";
  jobs_.set_protection(gpt, read(third));
  EXPECT_EQ(gpt.spec.fallback_first, 3U) << "the second has had none";
  jobs_.set_protection(gpt, read(order()));
  EXPECT_EQ(gpt.spec.first_snapshot, 3U) << "it is back where its snapshots are";
  EXPECT_TRUE(is_own_store(gpt.spec));
  jobs_.set_protection(gpt, read(third));
  jobs_.drop_former_store(gpt);
  EXPECT_THAT(gpt.spec.fallback_store, IsEmpty());
  gpt.spec.fallback_store = "file:/of-its-start";
  jobs_.drop_former_store(gpt);
  EXPECT_EQ(gpt.spec.fallback_store, "file:/of-its-start");
}

/// Method: an address that is no UTF-8, which the journal writes as little as a full disk.
TEST_F(ProtectedJobs, KeepAllOfTheirOrderWhereTheDiskRefusesAnother) {
  auto& gpt = job();
  jobs_.set_protection(gpt, read(order()));
  auto notes = gpt.protection_notes;
  notes.number = 7;
  jobs_.note_protection(gpt, notes);
  jobs_.note_first_snapshot(gpt, 3);
  auto other = read(order());
  other->store = "file:/\xff";
  EXPECT_THROW(jobs_.set_protection(gpt, other), Error);
  EXPECT_EQ(gpt.spec.first_snapshot, 3U) << "older ones stay its own";
  EXPECT_EQ(gpt.protection_notes.number, 7U);
  ASSERT_TRUE(gpt.spec.protection);
  EXPECT_EQ(to_json(*gpt.spec.protection), order());
}

/// The order is a part of the description that the target of a move gets.
TEST_F(ProtectedJobs, TakeTheirOrderAlong) {
  auto& gpt = job();
  jobs_.set_protection(gpt, read(order()));
  const auto there = job_spec_from(to_json(gpt.spec));
  ASSERT_TRUE(there.protection);
  EXPECT_EQ(to_json(*there.protection), order());
}

}  // namespace
}  // namespace cardswap
