#include <cardswap/c.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>

#include "migrator/base/environment.h"
#include "tests/support/scripted_agent.h"
#include "tests/support/temp_dir.h"

namespace {

using testing::HasSubstr;

TEST(CApi, CallsOfASessionThatWasClosedFailAndSaySo) {
  char digest[33] = {};
  EXPECT_EQ(cardswap_boundary(nullptr), -1);
  EXPECT_THAT(cardswap_error(), HasSubstr("the session was closed"));
  EXPECT_STREQ(cardswap_error_code(), "conflict");
  EXPECT_EQ(cardswap_before_step(nullptr, nullptr), -1);
  EXPECT_EQ(cardswap_digest(nullptr, digest), -1);
  EXPECT_EQ(cardswap_do_not_rehearse(nullptr, "why"), -1);
  EXPECT_EQ(cardswap_track(nullptr, "name", "kind", "type", nullptr, nullptr, nullptr), -1);
  cardswap_close(nullptr);
}

TEST(CApi, WhatCannotFailIsNothingOfASessionThatWasClosed) {
  EXPECT_EQ(cardswap_steps(nullptr), 0U);
  EXPECT_EQ(cardswap_is_standby(nullptr), 0);
  EXPECT_EQ(cardswap_has_attention(nullptr), 0);
}

TEST(CApi, ForgetsWhatItRefusesToTrack) {
  int forgotten = 0;
  cardswap_callbacks callbacks{};
  callbacks.size = sizeof(callbacks);
  callbacks.forget = [](void* self) { ++*static_cast<int*>(self); };
  cardswap_session* session = nullptr;
  ASSERT_EQ(cardswap_open(nullptr, &session), 0) << cardswap_error();
  const auto track = [&](cardswap_session* in, const char* name, const char* type) {
    return cardswap_track(in, name, "value", type, &callbacks, &forgotten, nullptr);
  };
  int refused = 0;
  EXPECT_EQ(track(session, "a/b", "int"), -1);
  EXPECT_EQ(forgotten, ++refused);
  EXPECT_EQ(track(session, nullptr, "int"), -1);
  EXPECT_EQ(forgotten, ++refused);
  EXPECT_EQ(track(session, "a", ""), -1);
  EXPECT_EQ(forgotten, ++refused);
  EXPECT_EQ(track(nullptr, "a", "int"), -1);
  EXPECT_EQ(forgotten, ++refused);
  EXPECT_EQ(track(session, "a", "int"), 0) << cardswap_error();
  EXPECT_EQ(forgotten, refused) << "it is tracked";
  EXPECT_EQ(track(session, "a", "int"), -1) << "that name is taken now";
  EXPECT_EQ(forgotten, ++refused);
  cardswap_close(session);
  EXPECT_EQ(forgotten, refused + 1);
}

/// A second session is refused, and the first one's agent hears its framework when it comes back.
TEST(CApi, HasAFrameworkForEachSession) {
  namespace env = cardswap::environment;
  const cardswap::test::TempDir dir;
  cardswap::test::ScriptedAgent agent(dir.path() / "agent.sock");
  // NOLINTBEGIN(concurrency-mt-unsafe): before the session's threads
  ::setenv(env::kSocket, agent.path().c_str(), 1);
  ::setenv(env::kJob, "job", 1);
  ::setenv(env::kToken, "token", 1);
  // NOLINTEND(concurrency-mt-unsafe)
  cardswap_session* session = nullptr;
  std::jthread opening([&] { EXPECT_EQ(cardswap_open("torch 2", &session), 0); });
  const cardswap::channel::Welcome welcome{.epoch = 1, .granted = true};
  auto job = agent.attach(welcome);
  opening.join();
  EXPECT_EQ(job.hello.framework, "torch 2");
  cardswap_session* second = nullptr;
  EXPECT_EQ(cardswap_open("another", &second), -1);
  job.line.close();
  EXPECT_EQ(agent.attach(welcome).hello.framework, "torch 2");
  cardswap_close(session);
  ::unsetenv(env::kSocket);  // NOLINT(concurrency-mt-unsafe)
}

/// What a program of another language counts and says of its ranks, for one test.
struct RanksOfAProgram {
  std::atomic<int> built{0};
  std::atomic<uint32_t> moved{0};
};

/// The agent hears the place of a rank, and what the program says of the next communicator.
TEST(CApi, AsksARankForItsNextCommunicatorAndTellsWhyThereIsNone) {
  namespace env = cardswap::environment;
  using namespace cardswap::channel;
  const cardswap::test::TempDir dir;
  cardswap::test::ScriptedAgent agent(dir.path() / "agent.sock");
  // NOLINTBEGIN(concurrency-mt-unsafe): before the session's threads
  ::setenv(env::kSocket, agent.path().c_str(), 1);
  ::setenv(env::kJob, "job", 1);
  ::setenv(env::kToken, "token", 1);
  // NOLINTEND(concurrency-mt-unsafe)
  cardswap_session* session = nullptr;
  EXPECT_EQ(cardswap_open_rank("torch 2", 3, 3, &session), -1) << "the ranks are 0 to 2";
  std::jthread opening([&] { EXPECT_EQ(cardswap_open_rank("torch 2", 1, 3, &session), 0); });
  auto job = agent.attach({.epoch = 1, .granted = true, .agent_address = "10.0.0.3:7070"});
  opening.join();
  EXPECT_EQ(job.hello.rank, 1U);
  EXPECT_EQ(job.hello.ranks, 3U);
  EXPECT_STREQ(cardswap_agent_address(session), "10.0.0.3:7070");
  uint32_t rank = 0;
  uint32_t ranks = 0;
  EXPECT_EQ(cardswap_is_newcomer(session, &rank, &ranks), 0);

  RanksOfAProgram program;
  cardswap_communicators calls{};
  calls.size = sizeof(calls);
  calls.build = [](void* self, const cardswap_next_ranks* next) {
    auto& told = *static_cast<RanksOfAProgram*>(self);
    ++told.built;
    told.moved = next->moved_count == 1 ? next->moved[0] : 99;
    cardswap_fail(next->rendezvous);
    return 1;
  };
  ASSERT_EQ(cardswap_set_ranks(session, 1, 3, &calls, &program), 0) << cardswap_error();
  EXPECT_EQ(cardswap_set_ranks(session, 1, 3, &calls, &program), -1) << "they are known";
  job.line.say(BuildNext{"g-1", 2, "10.0.0.4:7002", 3, {2}});
  EXPECT_THAT(job.line.hear<Failed>().failure, HasSubstr("10.0.0.4:7002"));
  EXPECT_EQ(program.built, 1);
  EXPECT_EQ(program.moved, 2U);
  EXPECT_EQ(cardswap_is_given_up(session, 2), 0);
  job.line.say(Release{"g-1"});
  EXPECT_EQ(job.line.hear<Released>().migration, "g-1");
  EXPECT_EQ(cardswap_is_given_up(session, 2), 1);
  EXPECT_EQ(cardswap_is_given_up(session, 3), 0);
  const char* const agents[] = {"a:1", "", nullptr};
  EXPECT_EQ(cardswap_tell_agents(session, agents, 3), 0);
  EXPECT_THAT(job.line.hear<RankPlace>().agents, testing::ElementsAre("a:1", "", ""));
  cardswap_close(session);
  ::unsetenv(env::kSocket);  // NOLINT(concurrency-mt-unsafe)
}

TEST(CApi, TellsANewcomerItsPlace) {
  namespace env = cardswap::environment;
  const cardswap::test::TempDir dir;
  cardswap::test::ScriptedAgent agent(dir.path() / "agent.sock");
  // NOLINTBEGIN(concurrency-mt-unsafe): before the session's threads
  ::setenv(env::kSocket, agent.path().c_str(), 1);
  ::setenv(env::kRole, env::kStandby, 1);
  // NOLINTEND(concurrency-mt-unsafe)
  cardswap_session* session = nullptr;
  std::jthread opening([&] { EXPECT_EQ(cardswap_open_rank(nullptr, 2, 3, &session), 0); });
  auto job = agent.attach({.migration = "g-1", .gang = {"g-1", 2, 2, 3, "10.0.0.4:7002", {2}}});
  opening.join();
  uint32_t rank = 0;
  uint32_t ranks = 0;
  EXPECT_EQ(cardswap_is_newcomer(session, &rank, &ranks), 1);
  EXPECT_EQ(rank, 2U);
  EXPECT_EQ(ranks, 3U);
  cardswap_close(session);
  // NOLINTBEGIN(concurrency-mt-unsafe): its threads have ended
  ::unsetenv(env::kSocket);
  ::unsetenv(env::kRole);
  // NOLINTEND(concurrency-mt-unsafe)
}

}  // namespace
