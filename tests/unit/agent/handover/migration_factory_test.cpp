#include "agent/handover/source/migration_factory.h"

#include <gmock/gmock.h>

#include "tests/support/temp_dir.h"

namespace cardswap {
namespace {

using ::testing::HasSubstr;

class MigrationFactoryTest : public ::testing::Test {
 protected:
  MigrationFactoryTest() {
    config_.data_dir = dir_.path();
    config_.host_name = "gpu-a";
    config_.listen_host = "127.0.0.1";
    config_.listen_port = 7070;
    config_.devices = {{.name = "cpu:0"}};
    auto& instance = jobs_.add_standby({.name = "gpt", .uid = "u-1", .argv = {"/bin/true"}},
                                       {.migration = "m-0", .epoch = 1, .device = "cpu:0"});
    jobs_.promote(instance.job(), 1);
    instance.attached = instance.reported = true;
  }

  /// What is said against a move of the job; empty: it can move.
  std::string refusal() {
    MigrationSpec spec;
    spec.job = "gpt";
    spec.to = "10.0.0.2:7070/cpu:0";
    try {
      EXPECT_EQ(&factory_.require_movable(spec), &jobs_.find("gpt")->first());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), Code::refused);
      EXPECT_FALSE(error.hint().empty());
      return error.failure();
    }
    return {};
  }

  /// How the job goes that is asked to go so.
  ArrivalMode arrival_of(ArrivalMode asked) {
    MigrationRequest wanted;
    wanted.spec.job = "gpt";
    wanted.spec.to = "10.0.0.2:7070/cpu:0";
    wanted.spec.arrive = asked;
    return factory_.make(std::move(wanted), source()).spec().arrive;
  }
  Instance& source() { return jobs_.find("gpt")->first(); }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  MigrationList list_{config_, journal_, {}};
  TargetClient targets_{tasks_};
  MigrationFactory factory_{context_, config_, jobs_, list_, targets_};
};

TEST_F(MigrationFactoryTest, TakesAJobOfOneRank) { EXPECT_EQ(refusal(), ""); }

TEST_F(MigrationFactoryTest, RefusesAJobWhoseOtherRanksAreElsewhere) {
  jobs_.find("gpt")->world_size = 2;
  EXPECT_THAT(refusal(), HasSubstr("job gpt has 2 ranks, 1 of them on gpu-a"));
}

TEST_F(MigrationFactoryTest, RefusesAJobWithSeveralProcessesHere) {
  auto& job = *jobs_.find("gpt");
  job.instances.emplace_back(job);
  EXPECT_THAT(refusal(), HasSubstr("2 of them on gpu-a"));
}

TEST_F(MigrationFactoryTest, PassesOverTheSnapshotThatWouldMakeWay) {
  MigrationRequest snapshot;
  snapshot.spec.job = "gpt";
  snapshot.spec.to = "127.0.0.1:7070/cpu:0";
  snapshot.spec.store = "file:/snapshots";
  const auto& running = list_.add(factory_.make(std::move(snapshot), source()));
  MigrationSpec spec;
  spec.job = "gpt";
  spec.to = "10.0.0.2:7070/cpu:0";
  EXPECT_THROW((void)factory_.require_movable(spec), Error);
  EXPECT_EQ(&factory_.require_movable(spec, &running), &source());
  spec.to = "127.0.0.1:7070/cpu:0";
  EXPECT_THROW((void)factory_.require_movable(spec, &running), Error) << "it is there already";
}

TEST_F(MigrationFactoryTest, MovesAsAStandbyWhatWasStartedHere) {
  EXPECT_EQ(arrival_of(ArrivalMode::automatic), ArrivalMode::standby);
}

/// Who had it brought whole may have forgotten to register something of it.
TEST_F(MigrationFactoryTest, LeavesWholeWhatCameWholeUnlessAskedOtherwise) {
  JobList::note(source(), [](InstanceRecord& record) { record.init = {1234, 5}; });
  EXPECT_EQ(arrival_of(ArrivalMode::automatic), ArrivalMode::criu);
  EXPECT_EQ(arrival_of(ArrivalMode::standby), ArrivalMode::standby);
}

}  // namespace
}  // namespace cardswap
