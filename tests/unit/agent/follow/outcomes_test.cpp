/// Method: the jobs of a real journal, and agents that are played: each answers what its script
/// says. The loop turns until an answer is there.

#include "agent/follow/outcomes.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/json.hpp>
#include <optional>

#include "agent/jobs/rank_report.h"
#include "agent/process/process.h"
#include "migrator/base/error.h"
#include "tests/support/scripted_peer.h"
#include "tests/support/temp_dir.h"

namespace cardswap::follow {
namespace {

using channel::EndState;
using Clock = std::chrono::steady_clock;
using Peer = test::ScriptedPeer;

Peer::Answer says(const LocalOutcome& local) { return {boost::json::serialize(to_json(local))}; }

class OutcomesOfJobs : public ::testing::Test {
 protected:
  OutcomesOfJobs() {
    config_.data_dir = dir_.path();
    config_.host_name = "here";
    instance_ = &jobs_.add({.name = "ddp", .uid = "u-1"}, "cpu:0");
    JobList::note(*instance_, [](InstanceRecord& record) {
      record.state = InstanceState::running;
      record.program = {::getpid(), start_time_of(::getpid()).value_or(0)};
    });
    JobList::note_world_size(instance_->job(), 3);
  }

  template <class Result>
  Result run(asio::awaitable<Result> task) {
    std::optional<Result> result;
    std::exception_ptr failed;
    asio::co_spawn(context_, std::move(task), [&](std::exception_ptr e, Result got) {
      failed = e;
      result = std::move(got);
    });
    context_.restart();
    while (!result && context_.run_one() > 0) {
    }
    if (failed) std::rethrow_exception(failed);
    return *result;
  }
  Outcome now(std::optional<std::uint32_t> rank, const Outcome& seen = {}) {
    return run(outcomes_.news(instance_->id(), rank, seen, Clock::now()));
  }
  void leaves(std::uint32_t rank, const std::string& to, bool is_launched = true) {
    channel::Hello hello;
    hello.rank = rank;
    hello.ranks = 3;
    note_rank_attached(*instance_, hello, is_launched ? ProcessId{1, 1} : instance_->program());
    note_rank_moved(*instance_, rank, to);
  }

  const test::TempDir dir_;
  asio::io_context context_;
  TaskGroup tasks_{context_};
  Config config_;
  Journal journal_{dir_.path() / "j.db"};
  JobList jobs_{config_, journal_};
  Outcomes outcomes_{tasks_, config_, jobs_};
  Instance* instance_ = nullptr;
};

TEST_F(OutcomesOfJobs, FollowARankFromAgentToAgentAndKeepWhereItIs) {
  const Peer last([](const Peer::Asked&) {
    return says({{EndState::signalled, 9, "last/cpu:0", {}}, {}});
  });
  const Peer between([&](const Peer::Asked&) { return says({{}, last.at("cpu:1")}); });
  leaves(1, between.at("cpu:0"));

  const auto end = now(1);

  EXPECT_EQ(end, (Outcome{EndState::signalled, 9, last.at("cpu:1"), {}}));
  EXPECT_EQ(last.asked().back().target, "/v1/peer/outcomes/u-1/1?wait_ms=0");
  const Job read(to_journal(instance_->job()));
  EXPECT_EQ(read.first().record().moved_ranks.at(1), last.at("cpu:1"));
  const auto asked = between.exchanges();
  EXPECT_EQ(now(1), end);
  EXPECT_EQ(between.exchanges(), asked) << "the host in between may be gone by now";
}

TEST_F(OutcomesOfJobs, TellOfAnAgentThatDoesNotAnswerAndAskOn) {
  leaves(1, "127.0.0.1:1/cpu:0");
  const auto away = now(1);
  EXPECT_EQ(away.state, EndState::runs);
  EXPECT_THAT(away.note, ::testing::HasSubstr("127.0.0.1:1"));
}

TEST_F(OutcomesOfJobs, AreUnknownWhereTheRecordIsGone) {
  const Peer forgetful([](const Peer::Asked&) {
    return Peer::Answer{R"({"error":{"code":"not_found","failure":"no such rank","hint":""}})",
                        404};
  });
  leaves(1, forgetful.at("cpu:0"));
  EXPECT_EQ(now(1).state, EndState::unknown);
}

TEST_F(OutcomesOfJobs, OfALauncherAreItsOwnAndOfAnyOtherProgramThoseOfItsRank) {
  const Peer there([](const Peer::Asked&) {
    return says({{EndState::exited, 3, "b/cpu:0", {}}, {}});
  });
  leaves(1, there.at("cpu:0"));
  EXPECT_EQ(now(std::nullopt).state, EndState::runs) << "the launcher lives";
  EXPECT_EQ(now(1).state, EndState::exited);
  JobList::note(*instance_, [](InstanceRecord& record) {
    record.keeps_places = false;
    record.moved_ranks.clear();
  });
  leaves(1, there.at("cpu:0"), false);
  EXPECT_EQ(now(std::nullopt), (Outcome{EndState::exited, 3, there.at("cpu:0"), {}}));
}

TEST_F(OutcomesOfJobs, HereAreOfTheLatestThatArrivedAsThatRank) {
  const auto arrive = [&](std::uint64_t epoch, std::uint32_t rank) -> Instance& {
    auto& arrived = jobs_.add_standby({.name = "ddp", .uid = "u-1"},
                                      {.migration = "m-0000000" + std::to_string(epoch),
                                       .epoch = epoch,
                                       .device = "cpu:0",
                                       .came_from = "gpu-z/cpu:0",
                                       .rank = rank,
                                       .ranks = 3});
    jobs_.promote(arrived.job(), epoch);
    return arrived;
  };
  auto& earlier = arrive(2, 1);
  JobList::note(earlier, [](InstanceRecord& record) { record.moved_to = "10.0.0.9:7070/cpu:0"; });
  jobs_.set_state(earlier, InstanceState::moved);
  arrive(3, 2);
  auto& back = arrive(4, 1);
  JobList::note(back, [](InstanceRecord& record) {
    record.state = InstanceState::failed;
    record.exit_code = 7;
    record.ended_at_ms = 1;
  });

  const auto local = run(outcomes_.news_here({"u-1", 1}, Clock::now()));

  EXPECT_EQ(local.outcome, (Outcome{EndState::exited, 7, "here/cpu:0", {}}));
  EXPECT_EQ(local.moved_to, "");
  EXPECT_THROW((void)run(outcomes_.news_here({"u-1", 0}, Clock::now())), Error)
      << "that rank began here, and did not come here";
}

TEST_F(OutcomesOfJobs, PassALaunchersSignalOnAndDoNotStartTheJobAgain) {
  auto& job = instance_->job();
  const auto child = ::fork();
  if (child == 0) {
    while (true) ::pause();
  }
  JobList::note(*instance_, [&](InstanceRecord& record) {
    record.program = {child, start_time_of(child).value_or(0)};
    record.rank = 0;
    record.came_from = "gpu-z/cpu:0";
  });
  EXPECT_THROW((void)outcomes_.deliver_here({"u-1", 0}, SIGKILL), Error);
  (void)outcomes_.deliver_here({"u-1", 0}, SIGTERM);
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_TRUE(job.stop_asked);
}

TEST(Outcome, IsReadFromNothingElse) {
  const Outcome outcome{EndState::exited, 255, "b:1/cpu:0", "why"};
  EXPECT_EQ(outcome_from(to_json(outcome)), outcome);
  for (const char* text : {R"({"state":"flies"})", R"({"state":"exited","number":256})", R"({})",
                           R"({"state":"runs","note":"a\u001bb"})"}) {
    EXPECT_THROW((void)outcome_from(boost::json::parse(text).as_object()), Error) << text;
  }
  EXPECT_THROW((void)local_outcome_from(
                   "b:1", boost::json::parse(R"({"state":"runs","moved_to":"no place"})")),
               Error);
}

}  // namespace
}  // namespace cardswap::follow
