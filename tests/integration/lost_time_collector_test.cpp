/// Method: the source's part of an agent, whose migration is over, hears of the first steps at a
/// target that answers by a script.

#include "agent/handover/source/lost_time_collector.h"

#include <gmock/gmock.h>

#include "tests/support/handover_parts.h"
#include "tests/support/process.h"
#include "tests/support/scripted_peer.h"

namespace cardswap::test {
namespace {

using namespace std::chrono_literals;

class LostTimeCollectorTest : public ::testing::Test, private MigrationControl {
 protected:
  LostTimeCollectorTest() {
    MigrationRecord record;
    record.id = "m-1";
    record.side = handover::SourceSide({handover::SourceState::completed, 2, 1});
    TransferRecord transfer;
    transfer.instance = "i-1";
    transfer.to = peer_.at("cpu:0");
    transfer.lost_time.has_report = true;
    migration_ = &list_.add(Migration(std::move(record), {std::move(transfer)}));
    scope_.emplace(MigrationContext{parts_.context, list_, *migration_, *this});
    collector_.emplace(*scope_, targets_, book_);
  }
  ~LostTimeCollectorTest() override {
    parts_.tasks.stop();
    parts_.io.restart();
    parts_.io.run_for(10s);
  }
  void tells(const std::string& first_steps, bool over) {
    peer_.follow([=](const ScriptedPeer::Asked&) -> ScriptedPeer::Answer {
      return {R"({"state": "completed", "epoch": 2, "version": 1, "first_steps": )" + first_steps +
              R"(, "first_steps_over": )" + (over ? "true}" : "false}")};
    });
  }
  void run_for(std::chrono::milliseconds time) {
    parts_.io.restart();
    parts_.io.run_for(time);
  }
  [[nodiscard]] const LostTime& lost() const { return migration_->only().record().lost_time; }

  HandoverParts parts_;
  ScriptedPeer peer_{[](const ScriptedPeer::Asked&) { return ScriptedPeer::Answer{"{}"}; }};
  MigrationList list_{parts_.config, parts_.journal, {}};
  TargetClient targets_{parts_.tasks};
  PredictionBook book_{parts_.dir.path() / "predictions.json", "gpu-a"};
  Migration* migration_ = nullptr;  // of the list
  std::optional<MigrationContext> scope_;
  std::optional<LostTimeCollector> collector_;

 private:
  // MigrationControl, of which a hearing that only listens asks nothing
  void apply(const handover::Message&) override {}
  void poll() override {}
  void fail(Error) override {}
  void check(Deadline) const override {}
  [[nodiscard]] Deadline deadline() const override { return Deadline::max(); }
  asio::awaitable<void> wait_at_failpoint(std::string_view) override { co_return; }
  void spawn(std::string name, asio::awaitable<void> work) override {
    parts_.tasks.spawn(std::move(name), std::move(work));
  }
};

TEST_F(LostTimeCollectorTest, KeepsItsOwnPaceWithATargetThatAnswersAtOnceAndNeverEnds) {
  tells("[1.0]", false);
  parts_.tasks.spawn("hear", collector_->collect_first_steps());
  run_for(2s);
  EXPECT_GE(peer_.exchanges(), 2U);
  EXPECT_LE(peer_.exchanges(), 30U) << "it sets the pace of this agent's questions";
  EXPECT_FALSE(lost().over);
  tells("[1.0, 2.0]", true);
  EXPECT_TRUE(within(20s, [&] {
    run_for(50ms);
    return lost().over;
  }));
  EXPECT_EQ(lost().first_steps.size(), 2U);
}

}  // namespace
}  // namespace cardswap::test
