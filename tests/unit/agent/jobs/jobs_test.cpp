#include "agent/jobs/jobs.h"

#include <gmock/gmock.h>
#include <sqlite3.h>

#include <boost/json.hpp>
#include <chrono>

#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

/// Nothing moves.
class NobodysJobs final : public JobOwnership {
 public:
  [[nodiscard]] EffectiveState effective_state_of(const Instance&) const override { return {}; }
  void check_stop(const Instance&) const override {}
  void on_stop(const Instance&) override {}
  [[nodiscard]] bool may_restart(const Instance&) const override { return true; }
  void on_exit(Instance&) override {}
};

class JobsTest : public ::testing::Test {
 protected:
  JobsTest() {
    config_.data_dir = dir_.path();
    jobs_.set_ownership(ownership_);
  }
  ~JobsTest() override {
    tasks_.stop();
    context_.restart();
    context_.poll();
  }
  template <class Done>
  void turn_until(Done done) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!done() && std::chrono::steady_clock::now() < until) {
      context_.restart();
      context_.run_for(std::chrono::milliseconds(10));
    }
  }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  EventSink events_;
  NobodysJobs ownership_;
  Jobs jobs_{tasks_, config_, journal_, events_};
};

/// Method: somebody else holds the journal while a standby's process ends, and lets go of it.
TEST_F(JobsTest, ForgetsAStandbyThatEndedWhileTheJournalCouldNotBeWritten) {
  {
    JobList former(config_, journal_);
    former.save(former
                    .add_standby({.name = "gpt", .argv = {"/bin/true"}},
                                 {.migration = "m-1", .epoch = 2, .device = "cpu:0"})
                    .job());
  }
  const auto records = [&] {
    std::size_t count = 0;
    journal_.each(Journal::Kind::job, [&](const auto&) { ++count; });
    return count;
  };
  ASSERT_EQ(records(), 1U);
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((dir_.path() / "j.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  jobs_.processes().take_up([](const Instance&) { return true; });
  turn_until([&] { return jobs_.table().all().empty(); });
  EXPECT_TRUE(jobs_.table().all().empty());
  EXPECT_EQ(records(), 1U) << "somebody else holds it";
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  turn_until([&] { return records() == 0; });
  EXPECT_EQ(records(), 0U);
}

/// Nobody asked for its restart, but the recovery that brought it did.
TEST_F(JobsTest, LeavesARecoveryOpenWhoseProgramBreaksDownAsItArrives) {
  {
    JobList former(config_, journal_);
    auto& instance = former.add({.name = "gpt", .argv = {"/bin/true"}}, "cpu:0");
    former.set_state(instance, InstanceState::running);
    RecoveryNotes notes;
    notes.state = RecoveryState::arriving;
    notes.number = 3;
    former.note_recovery(instance.job(), notes);
  }
  jobs_.processes().take_up([](const Instance&) { return true; });
  const auto& job = jobs_.table().all().front();
  turn_until([&] { return !job.is_live(); });
  EXPECT_EQ(job.first().state(), InstanceState::lost);
  EXPECT_EQ(job.recovery.state, RecoveryState::arriving);
}

TEST_F(JobsTest, TellsASnapshotSenderFromAJobsProgram) {
  const auto sends = [&](const char* name, const char* device) {
    const auto& one = jobs_.table().add({.name = name, .argv = {"/bin/true"}}, device);
    return jobs_.shown(one).at("sends_snapshot").as_bool();
  };
  EXPECT_TRUE(sends("gpt", kFromStore));
  EXPECT_FALSE(sends("cnn", "cpu:0"));
}

}  // namespace
}  // namespace cardswap
