#include "agent/handover/target/target_executor.h"

#include <gmock/gmock.h>
#include <spdlog/sinks/ringbuffer_sink.h>

#include <boost/json.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/handover_parts.h"
#include "tests/support/refused_records.h"

namespace cardswap {
namespace {

using handover::TargetEvent;
using handover::TargetState;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TargetExecutorTest : public ::testing::Test, private ReservationControl {
 protected:
  TargetExecutorTest() {
    reservation_.device = "cpu:0";
    reservation_.spec.emplace().name = "gpt";
    reservation_.state_bytes = 4096;
    reservation_.data_key = "a key";
    list_.note(reservation_, [](ReservationNotes& notes) { notes.warning = "a log"; });
  }
  static Reservation made() {
    ReservationRecord record;
    record.migration = "m-1";
    record.instance = "i-1";
    record.job = "gpt";
    record.side = handover::TargetSide({TargetState::parked, 2, {}});
    return Reservation(std::move(record));
  }
  static handover::Content held() { return {Digest{{7}}, 41}; }
  /// The standby holds the whole state; `from` changes beside that.
  void verify() {
    auto next = reservation_.record().side;
    const auto effects = next.verified(held());
    executor_.apply(next, effects,
                    [](ReservationRecord& record) { record.from = "changed beside it"; });
  }
  [[nodiscard]] std::vector<boost::json::object> on_disk() const {
    return parts_.journal.all(Journal::Kind::reservation);
  }

  test::HandoverParts parts_;
  ReservationList list_{parts_.config, parts_.journal, {}};
  Reservation& reservation_ = list_.add(made());
  const ReservationContext scope_{parts_.context, list_, reservation_, *this};
  SourceCourier source_{scope_};
  CriuArrival arrival_{scope_};
  TargetExecutor executor_{scope_, source_, arrival_};

 private:
  // ReservationControl, of which the executor and what it has in hand here ask nothing
  void apply(TargetEvent) override {}
  void apply(const handover::Message&) override {}
  void apply(const handover::Message&, Error) override {}
  void apply(const handover::Content&) override {}
  void fail(TargetEvent, Error) override {}
  void tick() override {}
  void spawn(std::string name, asio::awaitable<void>) override { ADD_FAILURE() << name; }
};

TEST_F(TargetExecutorTest, KeepsARecordAsAWholeAndWhatThisRunKnowsOfIt) {
  verify();
  EXPECT_EQ(reservation_.state(), TargetState::verified);
  EXPECT_EQ(reservation_.record().side.durable().content, held());
  EXPECT_EQ(reservation_.record().version, 2U);
  EXPECT_EQ(reservation_.record().from, "changed beside it");
  EXPECT_EQ(reservation_.record().warning, "a log");
  ASSERT_THAT(on_disk(), SizeIs(1));
  const auto kept = reservation_from_journal(on_disk().front());
  EXPECT_EQ(kept.side.durable().content, held());
  EXPECT_EQ(kept.state(), TargetState::verified);
  EXPECT_EQ(kept.from, "changed beside it");
  EXPECT_EQ(kept.warning, "a log");

  EXPECT_EQ(&list_.at("m-1"), &reservation_);
  EXPECT_EQ(reservation_.device, "cpu:0");
  ASSERT_TRUE(reservation_.spec);
  EXPECT_EQ(reservation_.spec->name, "gpt");
  EXPECT_EQ(reservation_.state_bytes, 4096U);
  EXPECT_EQ(reservation_.data_key, "a key");
}

/// Method: one coroutine waits while the place is `parked`, for an hour at most. A change that is
/// none of the state does not end it; the next state does.
TEST_F(TargetExecutorTest, IsWaitedForWhileItKeepsAStateAndNoLonger) {
  std::vector<TargetState> seen;
  const auto wait = [](ReservationList& list,
                       std::vector<TargetState>& then) -> asio::awaitable<void> {
    co_await list.wait_while("m-1", TargetState::parked,
                             std::chrono::steady_clock::now() + std::chrono::hours(1));
    then.push_back(list.at("m-1").state());
  };
  parts_.tasks.spawn("wait", wait(list_, seen));
  parts_.io.poll();
  list_.touch(reservation_);
  parts_.io.poll();
  EXPECT_THAT(seen, IsEmpty());
  verify();
  parts_.io.poll();
  EXPECT_THAT(seen, ElementsAre(TargetState::verified));
}

/// Method: the journal refuses the record of a verified place, and takes the next one.
TEST_F(TargetExecutorTest, LeavesARecordAsItWasWhereTheDiskRefusesTheNext) {
  const auto before = to_journal(reservation_.record());
  {
    const test::RefusedRecords refused(parts_.dir.path() / "j.db", "reservation");
    const auto lines = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(8);
    spdlog::default_logger()->sinks().push_back(lines);
    EXPECT_THROW(verify(), Error);
    std::erase(spdlog::default_logger()->sinks(), lines);
    EXPECT_THAT(lines->last_raw(), IsEmpty()) << "whoever catches it says so";
  }
  EXPECT_EQ(reservation_.state(), TargetState::parked);
  EXPECT_EQ(reservation_.record().side.durable().content, handover::Content{});
  EXPECT_EQ(reservation_.record().version, 1U);
  EXPECT_EQ(to_journal(reservation_.record()), before);
  EXPECT_THAT(on_disk(), IsEmpty());

  executor_.apply(held());
  EXPECT_EQ(reservation_.state(), TargetState::verified);
  EXPECT_EQ(reservation_.record().from, "") << "it went with the refused record";
}

/// That nothing steps here is known again after a restart: it needs no disk.
TEST_F(TargetExecutorTest, FailsAPlaceAlthoughTheDiskRefusesThat) {
  const test::RefusedRecords refused(parts_.dir.path() / "j.db", "reservation");
  executor_.fail(TargetEvent::standby_failed, Error(Code::io, "the standby's disk is full"));
  EXPECT_EQ(reservation_.state(), TargetState::failed);
  ASSERT_TRUE(reservation_.record().error);
  EXPECT_EQ(reservation_.record().error->failure(), "the standby's disk is full");
  EXPECT_GT(reservation_.record().ended_at_ms, 0);
  EXPECT_FALSE(reservation_.spec) << "what only its start needed";
  EXPECT_THAT(on_disk(), IsEmpty());
}

}  // namespace
}  // namespace cardswap
