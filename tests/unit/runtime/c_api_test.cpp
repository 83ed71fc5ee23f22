#include <cardswap/c.h>
#include <gmock/gmock.h>
#include <stdlib.h>
#include <unistd.h>

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

}  // namespace
