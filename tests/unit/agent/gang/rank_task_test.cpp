/// Method: the agent of one rank with a real journal and a job without processes; the test says
/// what the conductor and the trainer say. Nobody is called: the event loop does not run.

#include "agent/gang/rank_task.h"

#include <gmock/gmock.h>

#include <memory>

#include "tests/support/handover_parts.h"

namespace cardswap::gang {
namespace {

const std::string kTasksGang = "m-00000001";

class ARank : public ::testing::Test {
 protected:
  ARank() {
    auto& instance = parts_.jobs.table().add({.name = "ddp", .uid = "u"}, "cpu:0");
    instance.ranks[1].step = 7;
    instance.ranks[1].attached = true;
    instance_ = instance.id();
    RankRecord record;
    record.gang = kTasksGang;
    record.job = "ddp";
    record.instance = instance_;
    record.rank = 1;
    record.ranks = 3;
    record.conductor = "127.0.0.1:1";
    record.to = "127.0.0.1:2/cpu:0";
    record.side.part = Part::stays;
    record.side.epoch = 3;
    record.side.own_epoch = 2;
    task_ = std::make_shared<RankTask>(parts_.context, client_, record);
  }

  RankReport order(Order::Kind kind, std::uint64_t step = 0) {
    return task_->obey({kind, 3, 2, step}, std::nullopt);
  }
  /// Up to where it stands at step 9 and has checked what comes next.
  void promise() {
    order(Order::Kind::join);
    task_->on_message(channel::NextBuilt{kTasksGang, 8});
    order(Order::Kind::propose, 9);
    task_->on_message(channel::Armed{kTasksGang, 9});
    task_->on_message(channel::Reached{kTasksGang, 9});
    order(Order::Kind::freeze, 9);
    task_->on_message(channel::Checked{kTasksGang, 9, {}});
  }
  /// The agent ends, and another one takes its journal up.
  void restart() {
    std::shared_ptr<RankTask> next;
    parts_.journal.each(Journal::Kind::rank, [&](const auto& record) {
      next = std::make_shared<RankTask>(parts_.context, client_, rank_record_from_journal(record));
    });
    ASSERT_NE(next, nullptr) << "nothing of the rank is on disk";
    task_ = next;
    task_->take_up();
  }

  test::HandoverParts parts_;
  GangClient client_{parts_.tasks};
  std::string instance_;
  std::shared_ptr<RankTask> task_;
};

TEST_F(ARank, TellsItsConductorEachStateOnItsWayToItsPromise) {
  EXPECT_EQ(order(Order::Kind::join).status.state, RankState::building);
  const auto before = task_->report().version;
  task_->on_message(channel::NextBuilt{"m-00000002", 8});
  EXPECT_EQ(task_->report().version, before) << "that is of another gang";
  task_->on_message(channel::NextBuilt{kTasksGang, 8});
  EXPECT_EQ(task_->state(), RankState::built);
  EXPECT_GT(task_->report().version, before);
  EXPECT_EQ(task_->report().status.step, 8U);
  promise();
  EXPECT_EQ(task_->state(), RankState::ready);
  EXPECT_FALSE(task_->is_over());
}

TEST_F(ARank, KeepsItsPromiseWhenItsAgentIsRestarted) {
  promise();
  restart();
  EXPECT_EQ(task_->state(), RankState::ready) << "the conductor may have committed meanwhile";
  EXPECT_EQ(order(Order::Kind::go).status.state, RankState::switched);
  EXPECT_EQ(parts_.jobs.table().at(instance_).job().epoch, 3U);
}

TEST_F(ARank, GoesBackByItselfWhenItsAgentIsRestartedBeforeItsPromise) {
  order(Order::Kind::join);
  task_->on_message(channel::NextBuilt{kTasksGang, 8});
  restart();
  EXPECT_EQ(task_->state(), RankState::rolled_back);
  EXPECT_TRUE(task_->is_over());
  EXPECT_EQ(order(Order::Kind::go).status.state, RankState::rolled_back);
}

TEST_F(ARank, TellsHowLateItsStepsAreAlsoOnceItIsOver) {
  order(Order::Kind::join);
  Lateness lateness({.step_ms = 20, .spread_ms = 1, .steps = 64});
  lateness.add(120);
  task_->on_message(channel::LateSteps{kTasksGang, lateness, 0, 0, false});
  task_->on_message(channel::LateSteps{"m-00000002", {}, 0, 0, true});
  order(Order::Kind::release);
  const auto before = task_->report().version;
  lateness.add_parked(320);
  const channel::LateSteps last{kTasksGang, lateness, 0, 10, true};
  task_->on_message(last);
  task_->on_message(channel::CommunicatorsTook{kTasksGang, 30, 2, 0.5});
  EXPECT_GT(task_->report().version, before);
  const auto told = rank_report_from("a:1", to_json(task_->report())).cost;
  ASSERT_TRUE(told.late);
  EXPECT_EQ(told.late->lateness, lateness);
  EXPECT_EQ(told.late->after, 10U);
  EXPECT_TRUE(told.late->over);
  ASSERT_TRUE(told.communicator);
  EXPECT_EQ(told.communicator->build_ms, 30);
  EXPECT_EQ(told.communicator->exchange_ms, 0.5);
}

TEST_F(ARank, SaysWhyItWentBack) {
  order(Order::Kind::join);
  task_->on_message(channel::Failed{kTasksGang, Code::unreachable, "nobody is there", "look"});
  EXPECT_EQ(task_->state(), RankState::rolled_back);
  ASSERT_TRUE(task_->report().why.has_value());
  EXPECT_EQ(task_->report().why->failure(), "nobody is there");
}

TEST_F(ARank, TellsThatTheJobHasLostItWhereItCannotGoOnAfterTheGo) {
  std::vector<AgentEvent> told;
  parts_.events.start([&](const AgentEvent& event) { told.push_back(event); });
  promise();
  order(Order::Kind::go);
  task_->on_message(channel::Failed{kTasksGang, Code::link_lost, "no communicator", "", true});
  EXPECT_EQ(task_->report().status.state, RankState::ended) << "no step of it will come";
  ASSERT_TRUE(task_->report().why.has_value());
  EXPECT_EQ(task_->report().why->failure(), "no communicator");
  ASSERT_THAT(told, ::testing::SizeIs(1));
  EXPECT_EQ(told[0].kind, "rank_lost");
  EXPECT_FALSE(task_->may_be_elsewhere()) << "it stays, and its epoch is above the newcomer's";
}

}  // namespace
}  // namespace cardswap::gang
